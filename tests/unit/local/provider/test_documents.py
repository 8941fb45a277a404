"""Malformed JSON documents are refused in preview, long before AWS sees them."""

from __future__ import annotations

import json

import pytest

from local.provider.documents import document_problem, policy_problem
from local.provider.types.sfn import machine_problems
from local.provider.wire import UNKNOWN

GOOD = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("value", [None, "", UNKNOWN, policy(**GOOD), {"Statement": GOOD}], ids=repr)
def test_good_and_unknown_policies_pass(value: object) -> None:
    assert policy_problem(value) == ""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{not json", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no Statement"),
        (policy(**{**GOOD, "Effect": "Maybe"}), "Allow or Deny"),
        (policy(Effect="Allow", Resource="*"), "Action"),
        (policy(**GOOD, NotAction="s3:*"), "Action"),
        (policy(**GOOD, NotResource="*"), "NotResource"),
        ('{"Statement": ["x"]}', "not an object"),
    ],
)
def test_malformed_policies_are_told_why(value: str, why: str) -> None:
    assert why in policy_problem(value)


def test_any_object_is_a_document() -> None:
    assert document_problem('{"source": ["aws.s3"]}') == ""
    assert "JSON" in document_problem("source")


def test_a_state_machine_may_not_point_nowhere() -> None:
    good = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}
    assert list(machine_problems(good)) == []
    inner = {"StartAt": "X", "States": {"X": {"Type": "Pass", "Next": "Y"}}}
    choice = {"Type": "Choice", "Choices": [{"Next": "C"}], "Default": "D"}
    bad = {"StartAt": "Z", "States": {"A": choice, "M": {"Type": "Map", "ItemProcessor": inner, "End": True}}}
    found = "\n".join(machine_problems(bad))
    for name in ("'Z'", "'C'", "'D'", "M: state 'X' goes on to 'Y'"):
        assert name in found
