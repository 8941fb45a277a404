"""Which partitions a request to DynamoDB names, by table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.aws.leading_keys import leading_keys

KEYS = {("metrics", None): "subject", ("metrics", "by-state"): "state", ("outbox", None): "event_id"}
ITEM = {"subject": {"S": "prediction#1"}, "version": {"N": "3"}}
QUERY = {
    "TableName": "arn:aws:dynamodb:us-east-1:111122223333:table/metrics",
    "KeyConditionExpression": "begins_with(#r, :r) AND #s = :s",
    "ExpressionAttributeNames": {"#r": "version", "#s": "subject"},
    "ExpressionAttributeValues": {":r": {"S": "1"}, ":s": {"S": "decisions"}},
}


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"TableName": "metrics", "Item": ITEM}, {"metrics": ["prediction#1"]}),
        ({"TableName": "metrics", "Key": ITEM}, {"metrics": ["prediction#1"]}),
        (QUERY, {"metrics": ["decisions"]}),
        (
            {
                "TableName": "metrics",
                "IndexName": "by-state",
                "KeyConditionExpression": "state=:s",
                "ExpressionAttributeValues": {":s": {"S": "READ"}},
            },
            {"metrics": ["READ"]},
        ),
        (
            {
                "TableName": "metrics",
                "KeyConditions": {"subject": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}},
            },
            {"metrics": ["a"]},
        ),
        (
            {
                "RequestItems": {
                    "metrics": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": {"subject": {"S": "b"}}}}],
                    "outbox": {"Keys": [{"event_id": {"S": "c"}}]},
                }
            },
            {"metrics": ["prediction#1", "b"], "outbox": ["c"]},
        ),
        (
            {
                "TransactItems": [
                    {"Put": {"TableName": "metrics", "Item": ITEM}},
                    {"ConditionCheck": {"TableName": "outbox", "Key": {"event_id": {"S": "c"}}}},
                ]
            },
            {"metrics": ["prediction#1"], "outbox": ["c"]},
        ),
        ({"TableName": "metrics"}, {}),
        ({"TableName": "unknown", "Item": ITEM}, {}),
        ({"TableName": "metrics", "Item": {"subject": "no typed value"}}, {}),
        ([], {}),
    ],
    ids=["put", "get", "query", "index", "old-query", "batch", "transaction", "scan", "unknown", "malformed", "list"],
)
def test_a_request_names_the_partitions_of_its_items(request_: Any, named: dict[str, list[str]]) -> None:
    found = leading_keys(json.dumps(request_).encode(), lambda table, index: KEYS.get((table, index)))
    assert found == named


def test_what_is_no_json_names_nothing() -> None:
    assert leading_keys(b"{", lambda *_: "subject") == {}
