"""The condition key dynamodb:LeadingKeys: which partitions a request names; ministack's requests have none.

Without it a role that may write some partitions of a table could write them all here, and not on AWS.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
Scan and PartiQL name no partition here. A scan has none on AWS either; no role of the program has PartiQL.
"""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

CONDITION: Final = "dynamodb:LeadingKeys"
PartitionKey = Callable[[str, str | None], str | None]
"""Name of the partition key of a table, or of one of its indexes; None where there is no such table."""
_EQUALS: Final = re.compile(r"([#\w.-]+)\s*=\s*(:\w+)")


def install() -> None:
    """Patch ministack's evaluation: each table of a request is judged by the partitions that are named of it."""
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import dynamodb

    asked: ContextVar[dict[str, list[str]] | None] = ContextVar("leading_keys", default=None)
    context_of, enforce = iam_actions.dynamodb_service_context, iam_evaluator.enforce

    def partition_key(table: str, index: str | None) -> str | None:
        found = dynamodb._tables.get(table) or {}
        if index is None:
            return found.get("pk_name")
        indexes = [*found.get("GlobalSecondaryIndexes", []), *found.get("LocalSecondaryIndexes", [])]
        schema = next((one["KeySchema"] for one in indexes if one["IndexName"] == index), [])
        return next((one["AttributeName"] for one in schema if one["KeyType"] == "HASH"), None)

    def remember(body: bytes) -> dict[str, Any]:
        asked.set(leading_keys(body, partition_key))
        return context_of(body)

    def enforce_by_partition(*args: Any, **named: Any) -> Any:
        service, keys = args[2], (asked.get() or {}).get(_table(named.get("resource_arn", "")))
        if service == "dynamodb" and keys is not None:
            named["service_context"] = {**(named.get("service_context") or {}), CONDITION: keys}
        return enforce(*args, **named)

    iam_actions.dynamodb_service_context = remember
    iam_evaluator.enforce = enforce_by_partition


def leading_keys(body: bytes, partition_key: PartitionKey) -> dict[str, list[str]]:
    """Values of the partition keys that a request in DynamoDB's JSON names, by table.

    A table of which it names none is left out.
    What is no request by its form names nothing: DynamoDB refuses it anyway.
    """
    found: dict[str, list[str]] = {}
    try:
        for table, index, key in _keys(json.loads(body or b"{}")):
            name = partition_key(table, index)
            if name in key:
                found.setdefault(table, []).append(_text(key[name]))
    except (ValueError, TypeError, AttributeError, KeyError):
        return {}
    return found


def _keys(request: dict[str, Any]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Each item that a request names: its table, the index asked, and attributes among which its key is."""
    if table := request.get("TableName"):
        index = request.get("IndexName")
        yield _table(table), index, request.get("Item") or request.get("Key") or dict(_equal_in_query(request))
    for table, wanted in (request.get("RequestItems") or {}).items():
        if isinstance(wanted, dict):
            yield from ((_table(table), None, key) for key in wanted["Keys"])
        else:
            yield from ((_table(table), None, key) for write in wanted for key in _of_write(write))
    for item in request.get("TransactItems") or []:
        for one in item.values():
            yield _table(one["TableName"]), None, one.get("Item") or one["Key"]


def _of_write(write: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of one entry of BatchWriteItem."""
    for one in write.values():
        yield one.get("Item") or one["Key"]


def _equal_in_query(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Attributes that a query wants to be equal to something; its partition key always is one of them."""
    names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
    for name, value in _EQUALS.findall(request.get("KeyConditionExpression") or ""):
        yield names.get(name, name), values[value]
    for name, condition in (request.get("KeyConditions") or {}).items():
        if condition["ComparisonOperator"] == "EQ":
            yield name, condition["AttributeValueList"][0]


def _text(value: dict[str, Any]) -> str:
    """A key's value as a condition sees it: {"S": "prediction#1"} is prediction#1."""
    [content] = value.values()
    return str(content)


def _table(name_or_arn: str) -> str:
    """A table's name; requests and rights may name it by its ARN, with an index behind it."""
    return name_or_arn.split(":table/", 1)[-1].split("/", 1)[0]
