"""What the program gives the AWS provider is what the provider and the AWS API take: dev, prod, and long names."""

from __future__ import annotations

from typing import Any

import pytest

from components._base import Naming
from tests.fixtures import api_limits, provider_schema
from tests.fixtures import platform_program as platform

PROJECT = "imaging-platform-of-a-large-hospital-net"
STACK = "staging-of-the-second-region-x"


def errors(program: Any) -> list[str]:
    judge = api_limits.Judge()
    found = [
        f"{resource.name}: {sentence}"
        for resource in program.resources
        if resource.token.startswith("aws:")
        for sentence in [
            *provider_schema.violations(resource.token, resource.inputs),
            *judge.violations(resource.token, resource.inputs),
        ]
    ]
    assert judge.judged > 500, "the comparison with the API judged hardly anything: it would find nothing"
    return found


@pytest.mark.parametrize("stack", ["dev", "prod", "complete"])
def test_the_provider_and_the_api_accept_every_input(stack: str) -> None:
    assert errors(platform.recorded_program(stack)) == []


def test_long_project_and_stack_names_stay_in_every_services_limits() -> None:
    assert (len(PROJECT), len(STACK)) == (40, 30)
    program = platform.recorded_program("prod", name=STACK, project=PROJECT)
    assert errors(program) == []
    names = [(r.token, r.inputs["name"]) for r in program.resources if isinstance(r.inputs.get("name"), str)]
    assert len(set(names)) == len(names), "a shortened name must still tell two resources apart"


PATTERNS = {
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:iam/role:Role",
    "aws:lambda/function:Function",
    "aws:s3/bucket:Bucket",
}
"""Types whose names stand in policies as the stack's prefix and a star."""


def test_the_patterns_of_policies_still_meet_the_names_of_a_stack_with_a_long_name() -> None:
    """A name is cut and closed by a hash; a pattern that was not cut alike would deny everything."""
    stack = "x".join(["staging-of-the-second-region"] * 2)[:40]
    assert len(stack) == 40
    program = platform.recorded_program("complete", name=stack)
    prefix = Naming(project="healthcare-imaging-mlops", stack=stack, account="1", region="r").prefix
    names = [str(one.inputs.get("name") or one.inputs["bucket"]) for one in program.resources if one.token in PATTERNS]
    assert len(names) > 80
    assert [name for name in names if not name.startswith(prefix)] == []
    sources = [
        topic.inputs["policy"] for topic in program.of("aws:sns/topic:Topic") if ":alarm:" in topic.inputs["policy"]
    ]
    assert len(sources) == 2
    assert all(f":alarm:{prefix}*" in source for source in sources)


def test_most_of_the_program_can_be_compared_with_the_api() -> None:
    """A type that the tables do not know is judged by the schema of the SDK alone: switches of an account, mostly."""
    used = [r.token for r in platform.recorded_program("prod").resources if r.token.startswith("aws:")]
    known = [token for token in used if token in api_limits.OPERATIONS or token in api_limits.NAMES]
    assert len(known) > 0.8 * len(used)


TABLE = "aws:dynamodb/table:Table"
FUNCTION = "aws:lambda/function:Function"
MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown-property": (TABLE, {"hashkey": "k"}, "no such property"),
    "unknown-nested-property": (TABLE, {"pointInTimeRecovery": {"enable": True}}, "no such property"),
    "missing": (FUNCTION, {"handler": "a.b"}, "role: required"),
    "missing-nested": (TABLE, {"attributes": [{"name": "k"}]}, "type: required"),
    "kind": (FUNCTION, {"role": "r", "memorySize": "lots"}, "whole number"),
    "list-for-object": (TABLE, {"pointInTimeRecovery": [{"enabled": True}]}, "object is needed"),
    "conflict": ("aws:sqs/queue:Queue", {"name": "a", "namePrefix": "b"}, "conflicts with"),
    "deprecated": ("aws:s3/bucket:Bucket", {"acl": "private"}, "deprecated"),
    "enumeration": (TABLE, {"billingMode": "FREE"}, "not one of"),
    "pattern": ("aws:cloudwatch/eventRule:EventRule", {"name": "a rule"}, "does not match"),
    "length": ("aws:cloudwatch/eventRule:EventRule", {"name": "a" * 65}, "at most 64"),
    "range": (FUNCTION, {"role": "r", "timeout": 0}, "at least 1"),
    "bucket-name": ("aws:s3/bucket:Bucket", {"bucket": "Images"}, "does not match"),
    "queue-range": ("aws:sqs/queue:Queue", {"visibilityTimeoutSeconds": 50_000}, "is not between"),
    "arn": ("aws:sfn/stateMachine:StateMachine", {"definition": "{}", "roleArn": "role"}, "not an ARN"),
    "tag": ("aws:sns/topic:Topic", {"tags": {"aws:owner": "x"}}, "not a tag"),
    "policy-size": ("aws:iam/policy:Policy", {"policy": "x" * 6145}, "at most 6144"),
}


@pytest.mark.parametrize(("token", "inputs", "words"), MISTAKES.values(), ids=MISTAKES)
def test_the_comparison_finds_each_kind_of_mistake(token: str, inputs: dict[str, Any], words: str) -> None:
    found = provider_schema.violations(token, inputs) + api_limits.Judge().violations(token, inputs)
    assert [sentence for sentence in found if words in sentence], found
