"""The table image-tracking: one item per uploaded object, whose status only moves forward.

RECEIVED -> VALIDATED -> IMPORTED, with QUARANTINED reachable from the first two. IMPORTED and QUARANTINED are final:
every change is a conditional update, so a repeated or late event can never move an object back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Literal, Protocol

from lambda_shared.errors import TransientError, aws_code, aws_errors

Status = Literal["RECEIVED", "VALIDATED", "IMPORTED", "QUARANTINED"]
DeidStatus = Literal["PENDING", "DEIDENTIFIED", "REFUSED"]
STATUSES: tuple[Status, ...] = ("RECEIVED", "VALIDATED", "IMPORTED", "QUARANTINED")
FINAL: frozenset[str] = frozenset({"IMPORTED", "QUARANTINED"})
MAX_BATCH_GET = 100
BATCH_GET_ROUNDS = 8


def object_id(bucket: str, key: str, etag: str) -> str:
    """Identity of one uploaded content: the same object delivered twice has one id, an overwrite has another."""
    text = f"{bucket}/{key}#{etag.strip(chr(34))}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What ingestion learned about a valid image; pseudonyms (32 hex) and technical attributes only."""

    patient_key: str
    study_key: str
    series_key: str
    image_key: str
    modality: str
    sop_class: str
    transfer_syntax: str
    rows: int
    columns: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class TrackedImage:
    """One item of the table. Times are ISO 8601 UTC; sizes are bytes; absent text is ""."""

    object_id: str
    upload_key: str = ""
    etag: str = ""
    size_bytes: int = 0
    status: Status = "RECEIVED"
    reason_code: str = ""
    reason: str = ""
    deid_status: DeidStatus = "PENDING"
    deid_reason: str = ""
    patient_key: str = ""
    study_key: str = ""
    series_key: str = ""
    image_key: str = ""
    modality: str = ""
    sop_class: str = ""
    transfer_syntax: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 0
    validated_key: str = ""
    validated_at: str = ""
    content_sha256: str = ""
    processed_key: str = ""
    pixel_sha256: str = ""
    datastore_id: str = ""
    image_set_id: str = ""
    is_primary: bool = True
    import_job_id: str = ""
    import_token: str = ""
    import_attempts: int = 0
    received_at: str = ""
    updated_at: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing can change the status any more."""
        return self.status in FINAL

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> TrackedImage:
        """Read a DynamoDB item; attributes that this version does not know are ignored."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: int(value) if isinstance(value, Decimal) else value
            for name, value in item.items()
            if name in known and value is not None
        }
        return cls(**values)


class TrackingTable(Protocol):
    """The port that services use."""

    def register(self, image: TrackedImage) -> TrackedImage:
        """Record an object as RECEIVED unless it is known; answers what the table holds afterwards."""
        ...

    def get(self, object_id: str) -> TrackedImage | None:
        """One item, read consistently."""
        ...

    def advance(self, object_id: str, status: Status, changes: dict[str, Any], now: str) -> bool:
        """Move the status forward and set attributes; False when the object is already there or past it."""
        ...

    def annotate(self, object_id: str, changes: dict[str, Any], now: str) -> None:
        """Set attributes other than the status on an item that exists."""
        ...

    def claim_for_import(self, image: TrackedImage, token: str, now: str) -> bool:
        """Take a validated object for an import batch, at most one at a time; True when that batch has it now."""
        ...

    def note_import_job(self, object_id: str, token: str, changes: dict[str, Any], now: str) -> bool:
        """Set attributes of the batch's job; False when the batch has the object no more."""
        ...

    def release_from_import(self, object_id: str, token: str, attempts: int, now: str) -> bool:
        """Give an object back after its batch failed it; False when the batch has it no more."""
        ...

    def study_members(self, study_key: str) -> list[TrackedImage]:
        """All objects of a study (index by-study, eventually consistent)."""
        ...

    def with_status(self, status: Status, updated_before: str) -> Iterator[TrackedImage]:
        """Objects in a status not touched since a time, oldest first (index by-status, eventually consistent)."""
        ...

    def statuses(self, object_ids: Iterable[str]) -> dict[str, TrackedImage]:
        """The known ones among many object ids."""
        ...


BEFORE: dict[Status, tuple[Status, ...]] = {
    "RECEIVED": (),
    "VALIDATED": ("RECEIVED",),
    "IMPORTED": ("VALIDATED",),
    "QUARANTINED": ("RECEIVED", "VALIDATED"),
}


class DynamoTrackingTable:
    """`TrackingTable` over a DynamoDB table resource."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def register(self, image: TrackedImage) -> TrackedImage:
        """Record an object as RECEIVED unless it is known; answers what the table holds afterwards."""
        item = {
            "object_id": image.object_id,
            "upload_key": image.upload_key,
            "etag": image.etag,
            "size_bytes": image.size_bytes,
            "status": "RECEIVED",
            "deid_status": "PENDING",
            "received_at": image.received_at,
            "updated_at": image.received_at,
        }
        try:
            with aws_errors("PutItem"):
                self._table.put_item(Item=item, ConditionExpression="attribute_not_exists(object_id)")
        except Exception as error:
            if not condition_failed(error):
                raise
            known = self.get(image.object_id)
            if known is None:
                raise TransientError("TRACKING_RACE", "the item vanished between two reads") from None
            return known
        return TrackedImage.from_item(item)

    def get(self, object_id: str) -> TrackedImage | None:
        """One item, read consistently."""
        with aws_errors("GetItem"):
            item = self._table.get_item(Key={"object_id": object_id}, ConsistentRead=True).get("Item")
        return TrackedImage.from_item(item) if item else None

    def advance(self, object_id: str, status: Status, changes: dict[str, Any], now: str) -> bool:
        """Move the status forward and set attributes; False when the object is already there or past it."""
        allowed = {f":from{index}": name for index, name in enumerate(BEFORE[status])}
        condition = f"#status IN ({', '.join(allowed)})"
        return self._update_if(object_id, {**changes, "status": status}, now, condition, allowed)

    def annotate(self, object_id: str, changes: dict[str, Any], now: str) -> None:
        """Set attributes other than the status on an item that exists."""
        if "status" in changes:
            raise ValueError("the status moves by advance() only")
        self._update(object_id, changes, now, "attribute_exists(object_id)", {})

    def claim_for_import(self, image: TrackedImage, token: str, now: str) -> bool:
        """Take a validated object for an import batch, at most one at a time; True when that batch has it now."""
        condition = (
            "#status = :validated"
            " AND (attribute_not_exists(#import_token) OR #import_token IN (:free, :token))"
            " AND (attribute_not_exists(import_attempts) OR import_attempts = :attempts)"
        )
        # an object given back after `image` was read counts one attempt more: the claim comes too late for it
        values = {":validated": "VALIDATED", ":free": "", ":token": token, ":attempts": image.import_attempts}
        return self._update_if(image.object_id, {"import_token": token}, now, condition, values)

    def note_import_job(self, object_id: str, token: str, changes: dict[str, Any], now: str) -> bool:
        """Set attributes of the batch's job; False when the batch has the object no more."""
        condition = "#status = :validated AND import_token = :held"
        return self._update_if(object_id, changes, now, condition, {":validated": "VALIDATED", ":held": token})

    def release_from_import(self, object_id: str, token: str, attempts: int, now: str) -> bool:
        """Give an object back after its batch failed it; False when the batch has it no more."""
        changes = {"import_token": "", "import_job_id": "", "import_attempts": attempts}
        return self.note_import_job(object_id, token, changes, now)

    def _update_if(
        self, object_id: str, changes: dict[str, Any], now: str, condition: str, condition_values: dict[str, Any]
    ) -> bool:
        try:
            self._update(object_id, changes, now, condition, condition_values)
        except Exception as error:
            if condition_failed(error):
                return False
            raise
        return True

    def _update(
        self, object_id: str, changes: dict[str, Any], now: str, condition: str, condition_values: dict[str, Any]
    ) -> None:
        values = {**changes, "updated_at": now}
        names = {f"#{name}": name for name in values}
        if "#status" in condition:
            names["#status"] = "status"
        with aws_errors("UpdateItem"):
            self._table.update_item(
                Key={"object_id": object_id},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**{f":{name}": value for name, value in values.items()}, **condition_values},
            )

    def study_members(self, study_key: str) -> list[TrackedImage]:
        """All objects of a study (index by-study, eventually consistent)."""
        return list(self._query("by-study", "#key = :key", {"#key": "study_key"}, {":key": study_key}))

    def patient_members(self, patient_key: str) -> Iterator[TrackedImage]:
        """All objects of a patient, study by study (index by-patient, eventually consistent)."""
        yield from self._query("by-patient", "#key = :key", {"#key": "patient_key"}, {":key": patient_key})

    def with_status(self, status: Status, updated_before: str) -> Iterator[TrackedImage]:
        """Objects in a status not touched since a time, oldest first (index by-status, eventually consistent)."""
        yield from self._query(
            "by-status",
            "#key = :key AND #updated_at < :before",
            {"#key": "status", "#updated_at": "updated_at"},
            {":key": status, ":before": updated_before},
        )

    def _query(
        self, index: str, condition: str, names: dict[str, str], values: dict[str, Any]
    ) -> Iterator[TrackedImage]:
        request: dict[str, Any] = {
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            for item in page["Items"]:
                yield TrackedImage.from_item(item)
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def statuses(self, object_ids: Iterable[str]) -> dict[str, TrackedImage]:
        """The known ones among many object ids."""
        wanted = list(dict.fromkeys(object_ids))
        found: dict[str, TrackedImage] = {}
        for start in range(0, len(wanted), MAX_BATCH_GET):
            for image in self._batch_get(wanted[start : start + MAX_BATCH_GET]):
                found[image.object_id] = image
        return found

    def _batch_get(self, object_ids: list[str]) -> Iterator[TrackedImage]:
        keys: list[Any] = [{"object_id": identity} for identity in object_ids]
        for _ in range(BATCH_GET_ROUNDS):
            with aws_errors("BatchGetItem"):
                answer = self._table.meta.client.batch_get_item(
                    RequestItems={self._table.name: {"Keys": keys, "ConsistentRead": True}}
                )
            for item in answer["Responses"].get(self._table.name, []):
                yield TrackedImage.from_item(item)
            keys = answer.get("UnprocessedKeys", {}).get(self._table.name, {}).get("Keys", [])
            if not keys:
                return
        raise TransientError("BATCH_GET_INCOMPLETE", "the table did not answer for all keys")


def condition_failed(error: BaseException) -> bool:
    """Whether DynamoDB refused a write because its condition did not hold."""
    return aws_code(error) == "ConditionalCheckFailedException"
