"""IAM documents: deterministic, readable in previews, and never wider than a purpose."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._iam import Statement, policy_document, service_role, trust_policy


def _read(sid: str = "Read", **changes: Any) -> Statement:
    return Statement(**{"sid": sid, "actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::b/*"], **changes})


def test_a_document_of_plain_values_is_a_plain_text_so_that_previews_can_judge_it() -> None:
    assert isinstance(policy_document(_read()), str)


def test_the_same_statements_give_the_same_text_whatever_the_order_of_actions() -> None:
    one = policy_document(_read(actions=["s3:GetObject", "s3:ListBucket"]))
    other = policy_document(_read(actions=["s3:ListBucket", "s3:GetObject"]))
    assert one == other, "a text that moves shows a change in every preview"


def test_outputs_inside_a_statement_are_resolved(record: Any) -> None:
    recording = record(lambda: {"policy": policy_document(_read(resources=[pulumi.Output.from_input("arn:x")]))})
    assert json.loads(recording.values["policy"])["Statement"][0]["Resource"] == ["arn:x"]


@pytest.mark.parametrize("action", ["*", "s3:*"], ids=["everything", "a whole service"])
def test_no_identity_may_be_given_every_action(action: str) -> None:
    with pytest.raises(ValueError, match="allows every action"):
        _read(actions=[action])


def test_a_fence_with_principals_and_conditions_may_name_a_whole_service() -> None:
    fence = _read(
        actions=["s3:*"], principals="*", conditions={"StringEquals": {"aws:ResourceAccount": "111122223333"}}
    )
    assert fence.document()["Action"] == ["s3:*"], "endpoint policies bound by account grant nothing by themselves"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sid": "not-a-sid"}, "letters and digits"),
        ({"actions": []}, "names no action"),
        ({"not_resources": ["arn:y"]}, "both resources"),
    ],
    ids=["sid with a hyphen", "no action", "resources twice"],
)
def test_a_statement_that_iam_would_refuse_is_refused_here(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _read(**changes)


def test_two_statements_cannot_share_a_sid() -> None:
    with pytest.raises(ValueError, match="two statements are called Read"):
        policy_document(_read(), _read())


def test_a_service_may_assume_a_role_for_this_account_only(context: Context) -> None:
    (statement,) = json.loads(str(trust_policy(context, "lambda.amazonaws.com")))["Statement"]
    assert statement["Principal"] == {"Service": ["lambda.amazonaws.com"]}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": context.account}, "confused deputy"


def test_a_role_gets_its_statements_the_boundary_and_an_hour(record: Any, context: Context, preview: bool) -> None:
    def program() -> None:
        service_role(
            "reader",
            context=context,
            role="reader",
            services=["states.amazonaws.com"],
            statements=[_read()],
            tags={"a": "b"},
            opts=pulumi.ResourceOptions(),
        )

    recording = record(program, preview=preview)
    role = recording.one("aws:iam/role:Role").inputs
    assert role["permissionsBoundary"] == context.boundary_arn, "no role escapes the boundary"
    assert role["maxSessionDuration"] == 3600
    assert set(recording.policy("aws:iam/rolePolicy:RolePolicy", "reader-policy")) == {"Read"}
