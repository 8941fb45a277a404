"""Prices and program are held together: whatever the program can register is priced, or said to be free."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pulumi_aws
import pytest

from components.ingestion_workflow import definition
from cost.__main__ import _inventory
from cost.estate import from_inventory
from cost.estimate import RULES, estimate
from cost.free import FREE
from cost.prices import load_prices
from cost.rules_data import _GB_OF
from cost.usage import PerFile, load_usage, usage_names
from tests.fixtures.platform_program import recorded_program

ROOT = Path(__file__).resolve().parents[2]
_MADE = re.compile(r"\baws\.(\w+)\.(\w+)\(")
AWSX = re.compile(
    r"aws:ec2/(eip|natGateway|subnet|vpc|internetGateway|route|routeTable|routeTableAssociation|vpcEndpoint):"
)
"""What the awsx plugin makes as children of its component, which the recorder does not play."""


def types_in_components() -> set[str]:
    """Types of every resource class that a line of components/ calls, whatever stack it is for."""
    found: set[str] = set()
    for path in (ROOT / "components").glob("*.py"):
        for module, name in _MADE.findall(path.read_text()):
            kind = getattr(getattr(pulumi_aws, module, None), name, None)
            if isinstance(kind, type) and issubclass(kind, pulumi_aws.s3.Bucket.__mro__[1]):
                found.add(str(kind.pulumi_type))  # pyright: ignore[reportAttributeAccessIssue]
    return found


def test_every_type_that_components_can_make_is_priced_or_free() -> None:
    found = types_in_components()
    assert len(found) > 60, "the search found the classes"
    strays = sorted(found - set(RULES) - set(FREE))
    assert not strays, f"price them in cost/rules_*.py, or say in cost/free.py why they cost nothing: {strays}"
    assert not set(RULES) & set(FREE)


def test_no_rule_and_no_free_type_outlives_the_program() -> None:
    unheard = {kind for kind in {*RULES, *FREE} if not AWSX.match(kind)} - types_in_components()
    assert unheard <= {"aws:iam/policy:Policy"}, "remove what nothing makes any more"  # the boundary, by the bootstrap


@pytest.mark.parametrize("stack", ["prod", "complete"])
def test_the_kept_inventory_has_the_resources_of_the_program(stack: str) -> None:
    def counted(kinds: list[str]) -> Counter[str]:
        return Counter(kind for kind in kinds if kind.startswith("aws:") and not AWSX.match(kind))

    kept = counted([resource.type for resource in from_inventory(_inventory(stack)).resources])
    made = counted([resource.token for resource in recorded_program(stack).resources])
    if stack == "complete":  # the fixture has more: other peers, a plain port, a chat channel
        assert set(kept) <= set(made), "the program changed: run `make cost-document`"
        return
    assert kept == made, "the program changed: run `make cost-document`"


def test_steps_and_calls_of_a_file_are_those_of_the_state_machine() -> None:
    states = definition("arn:aws:lambda:us-east-1:111122223333:function:f", 1)["States"]["EachObject"]["ItemProcessor"]
    steps, calls, name = 0, 0, states["StartAt"]
    while name:
        state = states["States"][name]
        steps, calls = steps + 1, calls + (state["Type"] == "Task")
        name = state["Choices"][0]["Next"] if state["Type"] == "Choice" else state.get("Next")
    assert (PerFile().transitions, PerFile().function_calls) == (steps, calls)


def test_every_storage_class_of_the_program_has_a_price() -> None:
    kinds = set(re.findall(r'\("([A-Z_]+)", lifecycle\.', (ROOT / "components" / "storage.py").read_text()))
    assert len(kinds) == 2
    assert kinds <= set(_GB_OF)


@pytest.mark.parametrize("name", usage_names())
def test_a_price_is_used_by_a_rule_or_by_a_stack(name: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "cost").glob("*.py"))
    unused = {price for price in load_prices().prices if f'"{price}"' not in sources}
    instances = {price for price in unused if price.startswith("ml.")}
    assert not unused - instances
    found = estimate(from_inventory(_inventory("prod")), load_usage(name), load_prices())
    assert not found.not_priced
    assert found.total > 0
