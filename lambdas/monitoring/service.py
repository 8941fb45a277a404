"""Health of the parts, lag of the audit log, and the nightly proof that nothing is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from lambda_shared.clock import Clock, iso
from lambda_shared.events.models import MetricViolation
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.logs import describe, logger
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage, TrackingTable, object_id
from monitoring.ports import Probes, Upload, Uploads, Workflow

BATCH_OBJECTS = 100  # as many references as fit well below Step Functions' 256 KiB of input
AUDIT_LAG_LIMIT_SECONDS = 15 * 60
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Monitoring over its ports."""

    uploads: Uploads
    tracking: TrackingTable
    workflow: Workflow
    probes: Probes
    publisher: Publisher
    meter: Meter
    clock: Clock
    bucket: str
    grace_seconds: int

    def health(self) -> dict[str, object]:
        """Ask every part one question; never raises, because a broken part is the answer and not an error."""
        checks: dict[str, Callable[[], object]] = {
            "data_store": self.probes.data_store,
            "tracking_table": self.probes.tracking_table,
            "state_machine": self.probes.state_machine,
            "import_queue": self.probes.import_queue,
        }
        states = {name: self._ask(name, check) for name, check in checks.items()}
        self.meter.count("DataStoreErrors", 0 if states["data_store"] == "ok" else 1)
        lag: list[float | None] = []
        states["audit_log"] = self._ask("audit_log", lambda: lag.append(self.audit_lag()["audit_lag_seconds"]))
        self._measure_retrieval()
        self.meter.count("HealthCheckFailed", sum(state != "ok" for state in states.values()))
        return {
            "healthy": all(state == "ok" for state in states.values()),
            "checks": states,
            "audit_lag_seconds": next(iter(lag), None),
        }

    def _ask(self, name: str, check: Callable[[], object]) -> str:
        try:
            check()
        except Exception as error:
            logger().error("A health check failed", extra={"check": name, **describe(error)})
            return describe(error)["error_code"]
        return "ok"

    def _measure_retrieval(self) -> None:
        try:
            milliseconds = self.probes.retrieval_milliseconds()
        except Exception as error:
            # Without a number the alarm on latency has no data, which it treats as a breach: silence is not health.
            logger().error("The retrieval probe failed", extra=describe(error))
            return
        if milliseconds is not None:
            self.meter.count("RetrievalLatency", milliseconds, "Milliseconds")

    def audit_lag(self) -> dict[str, float | None]:
        """Seconds since CloudTrail last delivered; None (and no metric) where there is no trail."""
        delivered = self.probes.last_audit_delivery()
        if delivered is None:
            return {"audit_lag_seconds": None}
        now = self.clock.now()
        lag = max((now - delivered).total_seconds(), 0.0)
        self.meter.count("AuditLogLagSeconds", lag, "Seconds")
        if lag > AUDIT_LAG_LIMIT_SECONDS:
            event = MetricViolation(
                subject="audit-log",
                metric="AuditLogLagSeconds",
                value=lag,
                threshold=AUDIT_LAG_LIMIT_SECONDS,
                detail="CloudTrail has not delivered for longer than allowed.",
            )
            self.publisher.publish(event, deterministic_event_id("AuditLag", now.strftime("%Y-%m-%dT%H")))
        return {"audit_lag_seconds": lag}

    def reconcile(self) -> dict[str, int]:
        """Compare what was received with what has a final state, and drive the rest again.

        An acknowledged upload ends IMPORTED or QUARANTINED. Older ones without a final state go through the workflow
        again (every step of which may be repeated), or back to the import queue when only the import is missing.

        Returns:
            received (uploads), imported, quarantined, redriven, missing: tracked objects that are neither final nor
            among the current uploads. Those are driven again too: the workflow looks for their older versions.
        """
        deadline = self.clock.now() - timedelta(seconds=self.grace_seconds)
        counts = {"received": 0, "imported": 0, "quarantined": 0, "redriven": 0, "missing": 0}
        studies: set[str] = set()
        seen_unfinished: set[str] = set()
        for batch in _batches(self.uploads.listing(), BATCH_OBJECTS):
            again = self._unfinished(batch, deadline_iso=iso(deadline), counts=counts, seen=seen_unfinished)
            counts["redriven"] += self._drive([upload for upload, tracked in again if _needs_workflow(tracked)])
            studies |= {tracked.study_key for _, tracked in again if tracked and not _needs_workflow(tracked)}
        counts["redriven"] += self._drive_missing(iso(deadline), seen_unfinished, counts)
        for study_key in sorted(studies):
            self.workflow.queue_import(study_key, iso(self.clock.now()))
        counts["redriven"] += len(studies)
        self._publish(counts)
        return counts

    def _unfinished(
        self, batch: list[Upload], *, deadline_iso: str, counts: dict[str, int], seen: set[str]
    ) -> list[tuple[Upload, TrackedImage | None]]:
        identities = {object_id(self.bucket, upload.key, upload.etag): upload for upload in batch}
        known = self.tracking.statuses(identities)
        unfinished: list[tuple[Upload, TrackedImage | None]] = []
        for identity, upload in identities.items():
            tracked = known.get(identity)
            counts["received"] += 1
            counts["imported"] += tracked is not None and tracked.status == "IMPORTED"
            counts["quarantined"] += tracked is not None and tracked.status == "QUARANTINED"
            if tracked is None or not tracked.final:
                seen.add(identity)
                since = tracked.updated_at if tracked else iso(upload.received_at)
                if since < deadline_iso:
                    unfinished.append((upload, tracked))
        return unfinished

    def _drive_missing(self, deadline_iso: str, seen: set[str], counts: dict[str, int]) -> int:
        """Tracked, not final, and no longer a current upload: overwritten, deleted, or lost."""
        lost = [
            Upload(key=image.upload_key, etag=image.etag, size=image.size_bytes, received_at=self.clock.now())
            for status in ("RECEIVED", "VALIDATED")
            for image in self.tracking.with_status(status, deadline_iso)
            if image.object_id not in seen
        ]
        counts["missing"] += len(lost)
        return sum(self._drive(batch) for batch in _batches(lost, BATCH_OBJECTS))

    def _drive(self, uploads: list[Upload]) -> int:
        """Start one execution for a batch; its name is a digest of batch and hour, so a repeat starts nothing twice."""
        if not uploads:
            return 0
        names = "\n".join(sorted(f"{upload.key}#{upload.etag}" for upload in uploads))
        hour = self.clock.now().strftime("%Y%m%d%H")
        name = f"reconcile-{hour}-{hashlib.sha256(names.encode()).hexdigest()[:32]}"
        return len(uploads) if self.workflow.start(uploads, name) else 0

    def _publish(self, counts: dict[str, int]) -> None:
        self.meter.count("ReconcileMissing", counts["missing"])
        self.meter.count("ReconcileRedriven", counts["redriven"])
        self.meter.count("StorageBytes", self.uploads.stored_bytes(), "Bytes")
        if counts["missing"]:
            event = MetricViolation(
                subject="ingestion",
                metric="ReconcileMissing",
                value=counts["missing"],
                threshold=0,
                detail="Acknowledged objects have no final state and are not among the current uploads.",
            )
            self.publisher.publish(event, deterministic_event_id("missing", self.clock.now().strftime("%Y%m%d%H")))


def _needs_workflow(tracked: TrackedImage | None) -> bool:
    """Whether more than the import is missing."""
    return tracked is None or tracked.status == "RECEIVED" or tracked.deid_status == "PENDING"


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
