"""What was decided about model versions: one partition of the metrics table, in the order of time, added to only.

The function's role may write no other partition (dynamodb:LeadingKeys), and an entry is never written over.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from lambda_shared.clock import Clock, iso, new_id
from lambda_shared.errors import aws_errors
from model_registry.ports import Decision, Step

PARTITION = "decisions"
_NEWEST_FIRST: Final[dict[str, Any]] = {
    "KeyConditionExpression": "model_version = :partition",
    "ScanIndexForward": False,
    "ConsistentRead": True,
}


class DynamoDecisions:
    """`Decisions` over a DynamoDB table resource."""

    def __init__(self, table: Any, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._number = count()

    def record(self, decision: Decision) -> None:
        """Add an entry. Two of one microsecond keep their order, and two processes never share a key."""
        moment = iso(self._clock.now())
        with aws_errors("PutItem"):
            self._table.put_item(
                Item={
                    "model_version": PARTITION,
                    "evaluation_timestamp": f"{moment}#{next(self._number):06d}#{new_id()[:8]}",
                    "decided_at": moment,
                    "step": decision.step,
                    "version": decision.version,
                    "actor": decision.actor,
                    "reason": decision.reason,
                },
                ConditionExpression="attribute_not_exists(model_version)",
            )

    def last(self, step: Step) -> int | None:
        """The version of the newest entry of that step."""
        request: dict[str, Any] = {
            **_NEWEST_FIRST,
            "FilterExpression": "#step = :step",
            "ExpressionAttributeNames": {"#step": "step"},
            "ExpressionAttributeValues": {":partition": PARTITION, ":step": step},
        }
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            if page["Items"]:
                return int(page["Items"][0]["version"])
            if not page.get("LastEvaluatedKey"):
                return None
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def newest(self) -> tuple[str, int] | None:
        """Step and version of the newest entry."""
        with aws_errors("Query"):
            values = {":partition": PARTITION}
            found = self._table.query(**_NEWEST_FIRST, ExpressionAttributeValues=values, Limit=1)["Items"]
        return (str(found[0]["step"]), int(found[0]["version"])) if found else None
