"""The table assignments: which patients a person may read, who gave them the right, since when and until when.

One item for each reader and patient. The key is what every check asks for, so one read of one item decides; nothing is
cached here, so a right that is taken back ends at the next request (45 CFR 164.308(a)(4)(ii)(C), 164.312(a)(1)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from lambda_shared.errors import aws_errors

BY_PATIENT = "by-patient"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One right to read.

    Attributes:
        reader: Cognito subject (the token's `sub`).
        patient_key: pseudonym of the patient, 32 hexadecimal characters.
        assigned_by: Cognito subject of the administrator, or the name of the system that did it.
        assigned_at: ISO 8601 UTC.
        until: ISO 8601 UTC; "" is until somebody takes it back. From this moment on the right does not hold.
    """

    reader: str
    patient_key: str
    assigned_by: str
    assigned_at: str
    until: str = ""

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> Assignment:
        """Read a DynamoDB item."""
        return cls(
            reader=item["reader"],
            patient_key=item["patient_key"],
            assigned_by=item["assigned_by"],
            assigned_at=item["assigned_at"],
            until=item.get("until", ""),
        )

    def holds(self, now: str) -> bool:
        """Whether the right holds at a time (ISO 8601 UTC as `clock.iso` writes it)."""
        return not self.until or self.until > now


class AssignmentsTable(Protocol):
    """The port that services use."""

    def assign(self, assignment: Assignment) -> None:
        """Give the right; an existing one is replaced, with its end."""
        ...

    def withdraw(self, reader: str, patient_key: str) -> bool:
        """Take the right back; False when there was none."""
        ...

    def assignment(self, reader: str, patient_key: str) -> Assignment | None:
        """The right of a reader to a patient, read consistently, whether it still holds or not."""
        ...

    def patients_of(self, reader: str, after: str = "") -> Iterator[Assignment]:
        """The rights of a reader by patient key, from the one after `after` on, read consistently."""
        ...

    def readers_of(self, patient_key: str) -> Iterator[Assignment]:
        """Who may read a patient (index by-patient, eventually consistent: for lists, never for a decision)."""
        ...


class DynamoAssignmentsTable:
    """`AssignmentsTable` over a DynamoDB table resource."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def assign(self, assignment: Assignment) -> None:
        """Give the right; an existing one is replaced, with its end."""
        item = {name: value for name, value in vars(assignment).items() if value != ""}
        with aws_errors("PutItem"):
            self._table.put_item(Item=item)

    def withdraw(self, reader: str, patient_key: str) -> bool:
        """Take the right back; False when there was none."""
        key = {"reader": reader, "patient_key": patient_key}
        with aws_errors("DeleteItem"):
            return "Attributes" in self._table.delete_item(Key=key, ReturnValues="ALL_OLD")

    def assignment(self, reader: str, patient_key: str) -> Assignment | None:
        """The right of a reader to a patient, read consistently, whether it still holds or not."""
        key = {"reader": reader, "patient_key": patient_key}
        with aws_errors("GetItem"):
            item = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        return Assignment.from_item(item) if item else None

    def patients_of(self, reader: str, after: str = "") -> Iterator[Assignment]:
        """The rights of a reader by patient key, from the one after `after` on, read consistently."""
        return self._pages(
            {
                "KeyConditionExpression": "reader = :reader AND patient_key > :after",
                "ExpressionAttributeValues": {":reader": reader, ":after": after or "-"},  # "-" sorts before any key
                "ConsistentRead": True,
            }
        )

    def readers_of(self, patient_key: str) -> Iterator[Assignment]:
        """Who may read a patient (index by-patient, eventually consistent: for lists, never for a decision)."""
        return self._pages(
            {
                "IndexName": BY_PATIENT,
                "KeyConditionExpression": "patient_key = :patient",
                "ExpressionAttributeValues": {":patient": patient_key},
            }
        )

    def _pages(self, request: dict[str, Any]) -> Iterator[Assignment]:
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            for item in page["Items"]:
                yield Assignment.from_item(item)
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
