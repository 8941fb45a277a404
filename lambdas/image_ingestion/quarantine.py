"""Quarantine: a copy of the object, a reason file beside it, then the final status, in that order."""

from __future__ import annotations

import json
from dataclasses import dataclass

from image_ingestion.ports import ObjectStore, RejectedError, StoredObject
from lambda_shared.clock import Clock, iso
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage, TrackingTable

MAX_COPY_BYTES = 5 * 1024**3  # CopyObject's limit (S3 API reference); a larger upload stays where it is


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Puts objects into quarantine; a repeated call writes the same files and moves no status twice."""

    store: ObjectStore
    tracking: TrackingTable
    meter: Meter
    clock: Clock
    bucket: str

    def put(self, tracked: TrackedImage, stored: StoredObject | None, refusal: RejectedError) -> bool:
        """Quarantine an object; True when this call moved its status.

        The reason has codes and attribute names only, never a value of the object: people read it outside the
        systems that may show PHI.
        """
        target = f"quarantine/{tracked.object_id}"
        copied = stored is not None and stored.size <= MAX_COPY_BYTES
        if stored is not None and copied:
            self.store.copy(stored, self.bucket, target)
        now = iso(self.clock.now())
        reason = {
            "schema": "quarantine-reason/1",
            "object_id": tracked.object_id,
            "upload_key": tracked.upload_key,
            "etag": tracked.etag,
            "size_bytes": tracked.size_bytes,
            "copied": copied,
            "code": refusal.code,
            "tags": [refusal.keyword] if refusal.keyword else [],
            "rule": refusal.rule,
            "sentence": refusal.sentence,
            "quarantined_at": now,
        }
        body = json.dumps(reason, indent=2, sort_keys=True).encode()
        self.store.put(self.bucket, f"{target}.reason.json", body, "application/json")
        text = " ".join(part for part in (refusal.keyword, refusal.rule, refusal.sentence) if part)
        moved = self.tracking.advance(
            tracked.object_id, "QUARANTINED", {"reason_code": refusal.code, "reason": text}, now
        )
        if moved:
            self.meter.count("IngestionQuarantined")
        return moved
