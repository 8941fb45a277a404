"""Rights to some partitions of a table are rights to no others, as on AWS (dynamodb:LeadingKeys)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

TABLE = "partition-rights"
RIGHTS = [
    {
        "Effect": "Allow",
        "Action": "dynamodb:PutItem",
        "Resource": f"arn:aws:dynamodb:*:*:table/{TABLE}",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["prediction#*"]}},
    },
    {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": f"arn:aws:dynamodb:*:*:table/{TABLE}-free"},
]


@pytest.fixture
def person(aws: Callable[..., Any]) -> Any:
    """DynamoDB with the keys of somebody who may write predictions only."""
    iam, tables = aws("iam"), aws("dynamodb")
    for name in (TABLE, f"{TABLE}-free"):
        tables.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "subject", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "subject", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    iam.create_user(UserName=TABLE)
    policy = {"Version": "2012-10-17", "Statement": RIGHTS}
    iam.put_user_policy(UserName=TABLE, PolicyName="predictions", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=TABLE)["AccessKey"]
    return aws("dynamodb", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


def test_one_may_write_the_partitions_of_the_condition_and_no_others(person: Any) -> None:
    refused = person.exceptions.from_code("AccessDeniedException")
    mine, others = ({"subject": {"S": subject}} for subject in ("prediction#1", "decisions"))
    person.put_item(TableName=TABLE, Item=mine)
    with pytest.raises(refused):
        person.put_item(TableName=TABLE, Item=others)
    both = [{"Put": {"TableName": TABLE, "Item": item}} for item in (mine, others)]
    with pytest.raises(refused):
        person.transact_write_items(TransactItems=both)
    both[1]["Put"]["TableName"] += "-free"
    person.transact_write_items(TransactItems=both)  # what the other table has is no matter of this condition
