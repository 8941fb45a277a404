"""The table labels: append-only versions of a study's verified finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from lambda_shared.errors import ConflictError, aws_errors
from lambda_shared.tracking import condition_failed

Finding = Literal["pneumonia", "normal"]
Certainty = Literal["definite", "probable", "possible"]
VERIFIED = "VERIFIED"
MAX_RACES = 5


@dataclass(frozen=True, kw_only=True)
class Label:
    """One version of a study's label. reader is the Cognito subject; created_at is ISO 8601 UTC."""

    study_key: str
    version: int
    finding: Finding
    certainty: Certainty
    reader: str
    created_at: str
    image_count: int
    notes: str = ""
    state: str = VERIFIED

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
            state=item["state"],
        )


class LabelsTable(Protocol):
    """The port that services use."""

    def append(self, label: Label) -> Label:
        """Write the label as the next version after `label.version`, or after whatever came in between."""
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


class DynamoLabelsTable:
    """`LabelsTable` over a DynamoDB table resource."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def append(self, label: Label) -> Label:
        """Write the label as the next version after `label.version`, or after whatever came in between.

        Raises:
            ConflictError: other readers keep winning the race for the next version.
        """
        version = label.version
        for _ in range(MAX_RACES):
            item = {name: value for name, value in vars(label).items() if value != ""}
            item["version"] = version
            try:
                with aws_errors("PutItem"):
                    self._table.put_item(Item=item, ConditionExpression="attribute_not_exists(study_key)")
            except Exception as error:
                if not condition_failed(error):
                    raise
                version += 1
                continue
            return Label.from_item(item)
        raise ConflictError("LABEL_RACE", "too many labels were written at the same time")

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
        request: dict[str, Any] = {
            "IndexName": "by-state",
            "KeyConditionExpression": "#state = :state AND created_at > :after",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":state": VERIFIED, ":after": created_after or "0"},
        }
        return self._pages(request)

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
