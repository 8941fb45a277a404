"""The table labels: append-only versions of a study's verified finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from lambda_shared.errors import TransientError, aws_code, aws_errors, cancellation_codes
from lambda_shared.events.outbox import Waiting

Finding = Literal["pneumonia", "normal"]
Certainty = Literal["definite", "probable", "possible"]
Role = Literal["single", "first", "second", "adjudicator", "consensus"]
State = Literal["READ", "VERIFIED"]
LOST_RACES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
READ: State = "READ"
VERIFIED: State = "VERIFIED"


@dataclass(frozen=True, kw_only=True)
class Label:
    """One version of a study's label.

    Attributes:
        reader: Cognito subject of who read; of the last reader when `role` is consensus.
        created_at: ISO 8601 UTC.
        role: what the read is in its round: the only one, an independent one, the deciding third, or what two
            agreeing reads amount to.
        state: READ is an independent read that is no ground truth yet, VERIFIED is ground truth.
        request_id: by which a client that missed the answer sends the same read again; "" if it named none.
    """

    study_key: str
    version: int
    finding: Finding
    certainty: Certainty
    reader: str
    created_at: str
    image_count: int
    notes: str = ""
    role: Role = "single"
    state: State = VERIFIED
    request_id: str = ""

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> Label:
        """Read a DynamoDB item."""
        return cls(
            study_key=item["study_key"],
            version=int(item["version"]),
            finding=item["finding"],
            certainty=item["certainty"],
            reader=item["reader"],
            created_at=item["created_at"],
            image_count=int(item["image_count"]),
            notes=item.get("notes", ""),
            role=item.get("role", "single"),
            state=item["state"],
            request_id=item.get("request_id", ""),
        )


class LabelsTable(Protocol):
    """The port that services use."""

    def commit(self, labels: Sequence[Label], waiting: Waiting | None = None) -> bool:
        """Append versions and, in the same transaction, what is to be announced; False when a version was taken."""
        ...

    def versions(self, study_key: str) -> list[Label]:
        """All versions of a study's label, oldest first, read consistently."""
        ...

    def get(self, study_key: str, version: int) -> Label | None:
        """One version, read consistently."""
        ...

    def verified_since(self, created_after: str) -> Iterator[Label]:
        """Verified labels created after a time ("" = all), oldest first (index, eventually consistent)."""
        ...

    def newest(self) -> Label | None:
        """The verified label that was created last (index, eventually consistent)."""
        ...

    def reads(self) -> Iterator[Label]:
        """Independent reads of all studies, oldest first (index, eventually consistent)."""
        ...


class DynamoLabelsTable:
    """`LabelsTable` over a DynamoDB table resource."""

    def __init__(self, table: Any, outbox_name: str = "") -> None:
        self._table = table
        self._outbox_name = outbox_name

    def commit(self, labels: Sequence[Label], waiting: Waiting | None = None) -> bool:
        """Append versions and, in the same transaction, what is to be announced; False when a version was taken.

        All or nothing (TransactWriteItems): a label without its announcement cannot exist, however the process ends.
        """
        actions = [_append(self._table.name, label) for label in labels]
        if waiting is not None:
            actions.append({"Put": {"TableName": self._outbox_name, "Item": dict(vars(waiting))}})
        try:
            with aws_errors("TransactWriteItems"):
                self._table.meta.client.transact_write_items(TransactItems=actions)
        except Exception as error:
            if aws_code(error) != "TransactionCanceledException":
                raise
            if cancellation_codes(error) & LOST_RACES:
                return False
            raise TransientError("TRANSACTION_CANCELED", "the table could not take the label now") from None
        return True

    def versions(self, study_key: str) -> list[Label]:
        """All versions of a study's label, oldest first, read consistently."""
        request: dict[str, Any] = {
            "KeyConditionExpression": "study_key = :key",
            "ExpressionAttributeValues": {":key": study_key},
            "ConsistentRead": True,
        }
        return list(self._pages(request))

    def get(self, study_key: str, version: int) -> Label | None:
        """One version, read consistently."""
        request: dict[str, Any] = {
            "KeyConditionExpression": "study_key = :key AND version = :version",
            "ExpressionAttributeValues": {":key": study_key, ":version": version},
            "ConsistentRead": True,
        }
        return next(self._pages(request), None)

    def verified_since(self, created_after: str) -> Iterator[Label]:
        """Verified labels created after a time ("" = all), oldest first (index, eventually consistent)."""
        return self._in_state(VERIFIED, created_after)

    def reads(self) -> Iterator[Label]:
        """Independent reads of all studies, oldest first (index, eventually consistent)."""
        return self._in_state(READ, "")

    def _in_state(self, state: State, created_after: str) -> Iterator[Label]:
        return self._pages(
            {
                "IndexName": "by-state",
                "KeyConditionExpression": "#state = :state AND created_at > :after",
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": {":state": state, ":after": created_after or "0"},
            }
        )

    def newest(self) -> Label | None:
        """The verified label that was created last (index, eventually consistent)."""
        request: dict[str, Any] = {
            "IndexName": "by-state",
            "KeyConditionExpression": "#state = :state",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":state": VERIFIED},
            "ScanIndexForward": False,
            "Limit": 1,
        }
        return next(self._pages(request), None)

    def _pages(self, request: dict[str, Any]) -> Iterator[Label]:
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            for item in page["Items"]:
                yield Label.from_item(item)
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _append(table: str, label: Label) -> dict[str, Any]:
    item = {name: value for name, value in vars(label).items() if value != ""}
    return {"Put": {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(study_key)"}}
