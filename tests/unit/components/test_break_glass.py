"""Emergency access: named people, a second factor, an hour, a ticket, and an alarm."""

from __future__ import annotations

from typing import Any

import pytest

from components._base import Context
from components.break_glass import BreakGlass, BreakGlassArgs, break_glass_arn

ROLE = "aws:iam/role:Role"


@pytest.fixture
def program(context: Context) -> Any:
    """The role for one person by name and one by ARN."""

    def run() -> dict[str, Any]:
        made = BreakGlass(
            "break-glass",
            BreakGlassArgs(
                context=context,
                people=["ada", "arn:aws:iam::111122223333:user/keys/grace"],
                bucket_arns=["arn:aws:s3:::phi"],
                table_arns=["arn:aws:dynamodb:us-east-1:111122223333:table/tracking"],
                datastore_arn="arn:aws:medical-imaging:us-east-1:111122223333:datastore/d",
                key_arns=["arn:aws:kms:us-east-1:111122223333:key/phi"],
            ),
        )
        return {"arn": made.role_arn}

    return run


def test_only_named_people_with_a_fresh_second_factor_a_name_and_a_ticket_get_in(
    record: Any, program: Any, preview: bool
) -> None:
    trust = record(program, preview=preview).policy(ROLE, "break-glass-role", "assumeRolePolicy")
    condition = trust["NamedPeopleWithSecondFactor"]["Condition"]
    assert condition["Bool"] == {"aws:MultiFactorAuthPresent": "true"}
    assert int(condition["NumericLessThan"]["aws:MultiFactorAuthAge"]) <= 900
    assert condition["ArnEquals"]["aws:PrincipalArn"] == [
        "arn:aws:iam::111122223333:user/ada",
        "arn:aws:iam::111122223333:user/keys/grace",
    ]
    assert set(condition["StringLike"]) == {"sts:SourceIdentity", "aws:RequestTag/ticket"}


def test_a_session_ends_after_an_hour_inside_the_boundary(record: Any, program: Any, context: Context) -> None:
    role = record(program).one(ROLE).inputs
    assert role["maxSessionDuration"] == 3600
    assert role["permissionsBoundary"] == context.boundary_arn
    assert role["tags"]["break-glass"] == "true"
    assert break_glass_arn(context).endswith(role["name"])


def test_the_role_reads_and_changes_nothing(record: Any, program: Any) -> None:
    statements = record(program).policy("aws:iam/rolePolicy:RolePolicy", "break-glass-role-policy").values()
    actions = {action for statement in statements for action in statement["Action"]}
    verbs = {action.split(":")[1] for action in actions}
    assert all(verb.startswith(("Get", "List", "Query", "Scan", "Search", "Decrypt")) for verb in verbs)
    assert all("*" not in statement["Resource"] for statement in statements)
