"""Each rule about one resource: accepts the compliant bag, refuses each change, and waits for what is unknown."""

import inspect

import cases
import cases_data
import cases_edge
import pulumi_aws
import pytest
from cases import Case
from pulumi_policy import ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from hipaa_pack.pack import rules
from hipaa_pack.rule import ResourceRule
from tests.fixtures import provider_schema

CASES = cases.CASES | cases_data.CASES | cases_edge.CASES
ALWAYS_REFUSED = cases.ALWAYS_REFUSED | cases_data.ALWAYS_REFUSED
RULES = {rule.id: rule for rule in rules()}


def violations(rule: ResourceRule, kind: str, inputs: dict) -> list[str]:
    found: list[str] = []
    props = unknown_checking_proxy(inputs)
    args = ResourceValidationArgs(kind, props, "urn", "name", None, None, None)  # type: ignore[arg-type]
    rule.policy().validate(args, lambda message, _urn=None: found.append(message))  # type: ignore[misc,operator]
    return found


@pytest.mark.parametrize(("rule", "case"), CASES.items(), ids=CASES)
def test_a_compliant_resource_is_accepted(rule: str, case: Case) -> None:
    assert violations(RULES[rule], case.type, case.good) == []


@pytest.mark.parametrize(
    ("rule", "kind", "inputs"),
    [(rule, case.type, inputs) for rule, case in CASES.items() for inputs in case.variants()],
    ids=[f"{rule}-{i}" for rule, case in CASES.items() for i in range(len(case.bad))],
)
def test_each_violating_change_is_refused(rule: str, kind: str, inputs: dict) -> None:
    assert violations(RULES[rule], kind, inputs), "the rule let a violating resource through"


@pytest.mark.parametrize(("rule", "case"), CASES.items(), ids=CASES)
def test_an_input_that_is_unknown_in_a_preview_is_neither_refused_nor_an_error(rule: str, case: Case) -> None:
    for name in case.good:
        unknown = {**case.good, name: UNKNOWN_STRING_VALUE}
        assert violations(RULES[rule], case.type, unknown) == [], f"{name} unknown must wait for the update"


@pytest.mark.parametrize(("rule", "kind"), ALWAYS_REFUSED.items(), ids=ALWAYS_REFUSED)
def test_forbidden_types_are_refused_whatever_their_inputs(rule: str, kind: str) -> None:
    assert violations(RULES[rule], kind, {})


def test_another_type_is_none_of_a_rules_business() -> None:
    for rule in RULES.values():
        if isinstance(rule, ResourceRule):
            assert violations(rule, "aws:some/other:Other", {}) == []


def test_every_rule_about_one_resource_has_cases() -> None:
    about_one = {rule.id for rule in RULES.values() if isinstance(rule, ResourceRule)}
    assert about_one == CASES.keys() | ALWAYS_REFUSED.keys()


def test_rules_carry_what_the_control_matrix_needs() -> None:
    assert len(RULES) == len(rules()), "rule ids must be unique"
    assert len(RULES) >= 200
    for rule in RULES.values():
        assert all(section.startswith("164.") for section in rule.sections), rule.id
        assert rule.sections, rule.id
        assert rule.remedy.endswith("."), rule.id


@pytest.mark.parametrize(("rule", "case"), CASES.items(), ids=CASES)
def test_every_property_that_a_rule_reads_exists_in_the_installed_sdk(rule: str, case: Case) -> None:
    """A renamed property would silently disarm its rule: the cases name those that it reads."""
    if case.type.startswith("aws:"):
        for inputs in (case.good, *case.variants()):
            unknown = [s for s in provider_schema.violations(case.type, inputs) if "no such property" in s]
            assert unknown == []


def _tokens() -> set[str]:
    """Every resource token of the installed SDK, read from its own sources."""
    import re
    from pathlib import Path

    root = Path(inspect.getfile(pulumi_aws)).parent
    text = "\n".join(p.read_text() for p in root.rglob("*.py") if p.name != "__init__.py")
    return set(re.findall(r"'(aws:[\w/]+:\w+)'", text)) | set(re.findall(r'"(aws:[\w/]+:\w+)"', text))


def test_every_type_a_rule_names_exists_in_the_installed_sdk() -> None:
    known = _tokens()
    named = {
        kind
        for rule in RULES.values()
        for kind in (*getattr(rule, "types", ()), *getattr(rule, "companions", ()))
        if kind.startswith("aws:") and "V2:" not in kind
    }
    assert named <= known, f"a renamed type would silently disarm its rule: {sorted(named - known)}"
