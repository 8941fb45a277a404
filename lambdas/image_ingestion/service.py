"""The four operations on one uploaded object. Each may be repeated at any time and ends in the same state.

The upload itself is the durable record and is never changed. Order inside an operation is always: copies first, then
the conditional move of the status, so a crash in between only repeats a copy.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Any

from image_ingestion.models import ObjectReference
from image_ingestion.ports import CleanImage, ImageLibrary, ImportQueue, ObjectStore, RejectedError, StoredObject
from image_ingestion.quarantine import Quarantine
from lambda_shared.clock import Clock, iso
from lambda_shared.errors import InvalidEventError, NotFoundError, PlatformError
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage, TrackingTable, object_id

DICOM_TYPE = "application/dicom"
SAFE_CODE = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """ImageIngestion's operations over its ports."""

    store: ObjectStore
    library: ImageLibrary
    tracking: TrackingTable
    queue: ImportQueue
    quarantining: Quarantine
    meter: Meter
    clock: Clock
    upload_bucket: str
    research_bucket: str
    max_object_bytes: int
    quiet_seconds: int

    def validate(self, reference: ObjectReference) -> dict[str, Any]:
        """Decide whether an upload is a sound DICOM image; copy it for the import or quarantine it."""
        stored = self._locate(reference)
        tracked = self._register(reference, stored)
        if tracked.status == "QUARANTINED":
            return _refused(tracked.object_id, tracked.reason_code)
        if tracked.status in {"VALIDATED", "IMPORTED"}:
            return _accepted(tracked.object_id, tracked.study_key)
        try:
            existing = self._admit(stored)
            data = self.store.read(existing)
            facts = self.library.inspect(data)
        except RejectedError as refusal:
            self.quarantining.put(tracked, stored, refusal)
            return _refused(tracked.object_id, refusal.code)
        validated_key = f"validated/{facts.study_key}/{facts.image_key}.dcm"
        self.store.copy(existing, self.upload_bucket, validated_key)
        now = iso(self.clock.now())
        changes = {
            **asdict(facts),
            "validated_key": validated_key,
            "validated_at": now,
            "content_sha256": hashlib.sha256(data).hexdigest(),
        }
        if self.tracking.advance(tracked.object_id, "VALIDATED", changes, now):
            self.meter.count("IngestionAccepted")
            return _accepted(tracked.object_id, facts.study_key)
        return self._outcome(tracked.object_id)

    def deidentify(self, reference: ObjectReference, identity: str | None) -> dict[str, Any]:
        """Write the research copy. A refusal is recorded and does not stop the clinical import."""
        tracked = self._tracked(reference, identity)
        if tracked.deid_status != "PENDING" or tracked.status not in {"VALIDATED", "IMPORTED"}:
            return {"object_id": tracked.object_id, "deid_status": tracked.deid_status}
        stored = self.store.locate(reference.bucket, reference.key, tracked.etag)
        if stored is None:
            raise NotFoundError("OBJECT_MISSING", "the upload of a validated object is gone")
        now = iso(self.clock.now())
        try:
            clean = self._cleaned(self.store.read(stored))
        except RejectedError as refusal:
            changes = {"deid_status": "REFUSED", "deid_reason": refusal.code}
            self.tracking.annotate(tracked.object_id, changes, now)
            self.meter.count("DeidentificationRefused")
            return {"object_id": tracked.object_id, "deid_status": "REFUSED"}
        key = f"deidentified/{tracked.patient_key}/{tracked.study_key}/{tracked.image_key}.dcm"
        self.store.put(self.research_bucket, key, clean.data, DICOM_TYPE)
        changes = {"deid_status": "DEIDENTIFIED", "processed_key": key}
        changes["pixel_sha256"] = clean.pixel_sha256  # a label holds for these pixels and no others
        self.tracking.annotate(tracked.object_id, changes, now)
        return {"object_id": tracked.object_id, "deid_status": "DEIDENTIFIED"}

    def queue_import(self, reference: ObjectReference, identity: str | None) -> dict[str, Any]:
        """Ask for the import of the object's study once the study has been quiet for a while."""
        tracked = self._tracked(reference, identity)
        if tracked.status == "VALIDATED":
            # not before the validation, whatever the clocks of two machines say: the message would supersede itself
            enqueued_at = max(iso(self.clock.now()), tracked.validated_at)
            self.queue.send(tracked.study_key, enqueued_at, self.quiet_seconds, tracked.object_id)
        return {"object_id": tracked.object_id, "queued": tracked.status == "VALIDATED"}

    def quarantine(self, reference: ObjectReference, error: str) -> dict[str, Any]:
        """Last resort of the workflow: whatever failed, the object gets a recorded way on and a reason.

        An object that was found sound stays so: only its research copy is refused, and the clinical copy is imported.
        """
        stored = self._locate(reference)
        tracked = self._register(reference, stored)
        if tracked.final:
            return self._outcome(tracked.object_id)
        cause = SAFE_CODE.sub("_", error)[:80] or "Unknown"
        if tracked.status == "VALIDATED":
            return self._without_research_copy(reference, tracked, cause)
        refusal = RejectedError("PROCESSING_FAILED", rule=cause, sentence="The workflow gave up on this object.")
        self.quarantining.put(tracked, stored, refusal)
        return self._outcome(tracked.object_id)

    def _without_research_copy(self, reference: ObjectReference, tracked: TrackedImage, cause: str) -> dict[str, Any]:
        if tracked.deid_status == "PENDING":
            changes = {"deid_status": "REFUSED", "deid_reason": f"PROCESSING_FAILED {cause}"}
            self.tracking.annotate(tracked.object_id, changes, iso(self.clock.now()))
            self.meter.count("DeidentificationRefused")
        self.queue_import(reference, tracked.object_id)
        return _accepted(tracked.object_id, tracked.study_key)

    def _locate(self, reference: ObjectReference) -> StoredObject | None:
        if reference.bucket != self.upload_bucket or not reference.key.startswith("upload/"):
            raise InvalidEventError("FOREIGN_OBJECT", "only objects below upload/ of the training-data bucket")
        return self.store.locate(reference.bucket, reference.key, reference.etag.strip('"'))

    def _admit(self, stored: StoredObject | None) -> StoredObject:
        """Refuse by what is known without a download."""
        if stored is None:
            raise RejectedError("OBJECT_MISSING", rule="S3", sentence="The upload is no longer there.")
        if stored.size == 0:
            raise RejectedError("EMPTY", rule="PS3.10 7.1", sentence="The upload has no bytes.")
        if stored.size > self.max_object_bytes:
            limit = f"MAX_OBJECT_BYTES {self.max_object_bytes}"
            raise RejectedError("TOO_LARGE", rule=limit, sentence="The upload is larger than the platform reads.")
        return stored

    def _cleaned(self, data: bytes) -> CleanImage:
        try:
            return self.library.deidentify(data)
        except (RejectedError, PlatformError, MemoryError):
            raise
        except Exception as error:
            # A defect of the library on this object: trying again cannot help, and the clinical copy must go on.
            raise RejectedError("DEIDENTIFIER_FAILED", rule=type(error).__name__) from None

    def _register(self, reference: ObjectReference, stored: StoredObject | None) -> TrackedImage:
        etag = reference.etag.strip('"') or (stored.etag if stored else "")
        return self.tracking.register(
            TrackedImage(
                object_id=object_id(reference.bucket, reference.key, etag),
                upload_key=reference.key,
                etag=etag,
                size_bytes=stored.size if stored else reference.size,
                received_at=iso(self.clock.now()),
            )
        )

    def _tracked(self, reference: ObjectReference, identity: str | None) -> TrackedImage:
        wanted = identity or object_id(reference.bucket, reference.key, reference.etag)
        tracked = self.tracking.get(wanted)
        if tracked is None:
            raise NotFoundError("UNKNOWN_OBJECT", "the object was never validated")
        if tracked.upload_key != reference.key or reference.bucket != self.upload_bucket:
            raise InvalidEventError("OBJECT_MISMATCH", "object and object_id do not belong together")
        return tracked

    def _outcome(self, identity: str) -> dict[str, Any]:
        """The answer for an object that another run brought further in the meantime."""
        current = self.tracking.get(identity)
        if current is None:
            raise NotFoundError("UNKNOWN_OBJECT", "the object is not tracked")
        if current.status == "QUARANTINED":
            return _refused(identity, current.reason_code)
        return _accepted(identity, current.study_key)


def _accepted(identity: str, study_key: str) -> dict[str, Any]:
    return {"object_id": identity, "valid": True, "study_key": study_key}


def _refused(identity: str, reason_code: str) -> dict[str, Any]:
    return {"object_id": identity, "valid": False, "reason_code": reason_code}
