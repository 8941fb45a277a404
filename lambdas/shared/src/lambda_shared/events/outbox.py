"""The table outbox: events that were decided together with a write and are not known to be on the bus yet.

A crash between a table and a bus would lose an event or announce what never was. So the event is written in the
table's own transaction, published afterwards, and taken out when the bus has it; whatever stays in is published again
by a sweep, under the same event id, which consumers take once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from lambda_shared.errors import NotFoundError, aws_errors
from lambda_shared.events.models import DETAIL_TYPES, EventData
from lambda_shared.events.publisher import Publisher


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An event that waits for the bus; data is its JSON, created_at ISO 8601 UTC."""

    event_id: str
    detail_type: str
    data: str
    created_at: str

    @classmethod
    def of(cls, data: EventData, event_id: str, created_at: str) -> Waiting:
        """The event as it is kept."""
        return cls(
            event_id=event_id, detail_type=type(data).__name__, data=data.model_dump_json(), created_at=created_at
        )

    def event(self) -> EventData:
        """The event as it is published. Raises NotFoundError for a kind that this version does not know."""
        model = DETAIL_TYPES.get(self.detail_type)
        if model is None:
            raise NotFoundError("UNKNOWN_DETAIL_TYPE", "the outbox holds an event of another version")
        return model.model_validate_json(self.data)


class Outbox(Protocol):
    """The port that services use."""

    def undelivered(self, created_before: str) -> Iterator[Waiting]:
        """What was written before a time and is still there."""
        ...

    def take_out(self, event_id: str) -> None:
        """Take an event out: the bus has it."""
        ...


def deliver(waiting: Waiting, publisher: Publisher, outbox: Outbox) -> None:
    """Publish one event and take it out. Raises TransientError; the event then stays in."""
    publisher.publish(waiting.event(), waiting.event_id)
    outbox.take_out(waiting.event_id)


class DynamoOutbox:
    """`Outbox` over a DynamoDB table resource, which is empty but for seconds: a scan reads what waits."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def undelivered(self, created_before: str) -> Iterator[Waiting]:
        """What was written before a time and is still there, read consistently."""
        request: dict[str, Any] = {
            "FilterExpression": "created_at < :before",
            "ExpressionAttributeValues": {":before": created_before},
            "ConsistentRead": True,
        }
        while True:
            with aws_errors("Scan"):
                page = self._table.scan(**request)
            for item in page["Items"]:
                yield Waiting(**{name: str(item[name]) for name in Waiting.__dataclass_fields__})
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def take_out(self, event_id: str) -> None:
        """Take an event out: the bus has it."""
        with aws_errors("DeleteItem"):
            self._table.delete_item(Key={"event_id": event_id})
