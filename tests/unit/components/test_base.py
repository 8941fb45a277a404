"""Names, ARNs, tags and the component base class."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components._base import Context, Naming, PlatformComponent, physical_name
from components._tags import Tags


def test_a_name_is_project_stack_and_role(context: Context) -> None:
    assert context.naming.name("image-ingestion") == "healthcare-imaging-mlops-test-image-ingestion"


def test_a_bucket_name_ends_with_the_account_because_all_customers_share_bucket_names(context: Context) -> None:
    assert context.naming.bucket("audit") == "healthcare-imaging-mlops-test-audit-111122223333"


@pytest.mark.parametrize("length", [64, 65, 200], ids=["at the limit", "one over", "far over"])
def test_a_name_never_exceeds_the_limit_of_its_service(length: int) -> None:
    assert len(physical_name("p" * length, limit=64)) == 64


def test_two_long_names_with_the_same_beginning_stay_apart() -> None:
    first, second = (physical_name("healthcare-imaging-mlops", "review-1234", role * 9) for role in ("abcde", "abcdf"))
    assert first != physical_name("healthcare-imaging-mlops", "review-1234", "abcde" * 8 + "abcdx")
    assert first != second


def test_a_cut_name_is_the_same_every_time() -> None:
    assert physical_name("x" * 90, limit=63) == physical_name("x" * 90, limit=63)


def test_an_iam_arn_has_no_region(context: Context) -> None:
    assert context.naming.arn("iam", "role/r", regional=False) == "arn:aws:iam::111122223333:role/r"


def test_arns_follow_the_partition() -> None:
    naming = Naming(project="p", stack="s", account="111122223333", region="us-gov-west-1", partition="aws-us-gov")
    assert naming.bucket_arn("audit").startswith("arn:aws-us-gov:s3:::")
    assert naming.arn("sqs", "q") == "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:q"


def test_tags_name_component_and_data_class(context: Context) -> None:
    tags = context.tags_for("storage", "phi")
    assert tags["component"] == "storage"
    assert tags["data-class"] == "phi", "policies and access reviews find PHI by this tag"


def test_an_extra_tag_cannot_shadow_what_policies_rely_on() -> None:
    with pytest.raises(ValueError, match="data-class"):
        Tags(project="p", stack="s", owner="o", extra={"data-class": "operations"})


class _Widget(PlatformComponent):
    size: pulumi.Output[int]
    colour: pulumi.Output[str]
    _hidden: pulumi.Output[str]

    def __init__(self, registered: tuple[str, ...]) -> None:
        super().__init__("imaging:test:Widget", "widget")
        self.size, self.colour = pulumi.Output.from_input(1), pulumi.Output.from_input("red")
        self.register_outputs({name: getattr(self, name) for name in registered})


def test_a_component_registers_exactly_its_annotated_outputs(record: Any) -> None:
    recording = record(lambda: _Widget(("size", "colour")) and None)
    (outputs,) = [outputs for urn, outputs in recording.component_outputs.items() if "Widget" in urn]
    assert outputs == {"size": 1, "colour": "red"}


@pytest.mark.parametrize("registered", [("size",), ()], ids=["one forgotten", "all forgotten"])
def test_a_forgotten_output_stops_the_program(record: Any, registered: tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match="annotates and registers different outputs: colour"):
        record(lambda: _Widget(registered) and None)
