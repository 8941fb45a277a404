"""The proof that nothing is lost: every stage of every instance compared, and what stopped on its way driven again.

Two passes. The first goes over every upload and every object without a final state, and drives again what stopped on
its way: each step of ingestion may be repeated. The second looks behind the table's word for the studies that changed
lately (all of them on demand): the index, the validated and research copies, and the archive's own count of instances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from lambda_shared.clock import Clock, iso
from lambda_shared.events.models import MetricViolation
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage, TrackingTable, object_id
from monitoring.ports import Archive, Copies, Reports, Upload, Uploads, Workflow
from monitoring.report import Difference, Report

BATCH_OBJECTS = 100  # as many references as fit well below Step Functions' 256 KiB of input
RECENT = timedelta(days=2)
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Reconciling over its ports."""

    uploads: Uploads
    copies: Copies
    tracking: TrackingTable
    workflow: Workflow
    archive: Archive
    reports: Reports
    publisher: Publisher
    meter: Meter
    clock: Clock
    bucket: str
    grace_seconds: int

    def run(self, *, full: bool = False, grace_seconds: int | None = None) -> dict[str, object]:
        """Compare, drive again, report; answers the report's counts, whether it is clean, and its key.

        Args:
            full: verify every study, not only those that changed in the last two days.
            grace_seconds: how old something must be to count as stopped; the stack's own setting when None.
        """
        now = self.clock.now()
        grace = self.grace_seconds if grace_seconds is None else grace_seconds
        report = Report(at=iso(now), full=full)
        walk = _Walk(deadline=iso(now - timedelta(seconds=grace)), since="" if full else iso(now - RECENT))
        for batch in _batches(self.uploads.listing(), BATCH_OBJECTS):
            self._go_over(batch, walk, report)
        self._go_over_missing(walk, report)
        for study_key in sorted(walk.imports):
            self.workflow.queue_import(study_key, iso(now))
        report.redriven += len(walk.imports)
        for study_key in sorted(walk.studies):
            report.differences += self._verify(study_key, walk.studies[study_key], report)
        self._publish(report)
        return {**report.counts(), "clean": report.clean, "report": self.reports.put(report)}

    def _go_over(self, batch: list[Upload], walk: _Walk, report: Report) -> None:
        identities = {object_id(self.bucket, upload.key, upload.etag): upload for upload in batch}
        known = self.tracking.statuses(identities)
        stopped: list[Upload] = []
        for identity, upload in identities.items():
            tracked = known.get(identity)
            _count(tracked, report)
            if tracked is not None and tracked.study_key and tracked.updated_at >= walk.since:
                walk.studies.setdefault(tracked.study_key, set()).add(identity)
            if _complete(tracked):
                continue
            walk.seen.add(identity)
            if (tracked.updated_at if tracked else iso(upload.received_at)) < walk.deadline:
                report.differences.append(_stopped(identity, tracked))
                if _needs_workflow(tracked):
                    stopped.append(upload)
                elif tracked is not None:
                    walk.imports.add(tracked.study_key)
        report.redriven += self._drive(stopped)

    def _go_over_missing(self, walk: _Walk, report: Report) -> None:
        """Tracked, not final, and no longer a current upload: overwritten, deleted, or lost.

        They are driven, too: the workflow looks for their older versions.
        """
        lost = [
            image
            for status in ("RECEIVED", "VALIDATED")
            for image in self.tracking.with_status(status, walk.deadline)
            if image.object_id not in walk.seen
        ]
        for image in lost:
            report.differences.append(
                Difference(kind="upload-missing", subject=image.object_id, study_key=image.study_key, driven_again=True)
            )
        uploads = [
            Upload(key=image.upload_key, etag=image.etag, size=image.size_bytes, received_at=self.clock.now())
            for image in lost
        ]
        report.redriven += sum(self._drive(batch) for batch in _batches(uploads, BATCH_OBJECTS))

    def _drive(self, uploads: list[Upload]) -> int:
        """Start one execution for a batch; its name is a digest of batch and hour, so a repeat starts nothing twice."""
        if not uploads:
            return 0
        names = "\n".join(sorted(f"{upload.key}#{upload.etag}" for upload in uploads))
        hour = self.clock.now().strftime("%Y%m%d%H")
        name = f"reconcile-{hour}-{hashlib.sha256(names.encode()).hexdigest()[:32]}"
        return len(uploads) if self.workflow.start(uploads, name) else 0

    def _verify(self, study_key: str, identities: set[str], report: Report) -> Iterator[Difference]:
        """A study's copies, index and image sets against the table."""
        report.verified_studies += 1
        indexed = {image.object_id for image in self.tracking.study_members(study_key)}
        members = list(self.tracking.statuses(identities | indexed).values())
        report.indexed += len(indexed)
        kept = self.copies.validated(study_key)
        for patient_key in sorted({image.patient_key for image in members}):
            kept |= self.copies.deidentified(patient_key, study_key)
        for image in members:
            if image.object_id not in indexed:
                yield Difference(kind="not-indexed", subject=image.object_id, study_key=study_key)
            if image.validated_key and image.validated_key not in kept:
                yield Difference(kind="not-validated", subject=image.object_id, study_key=study_key)
            if image.deid_status == "DEIDENTIFIED" and image.processed_key not in kept:
                yield Difference(kind="not-deidentified", subject=image.object_id, study_key=study_key)
        yield from self._verify_archive(study_key, members)

    def _verify_archive(self, study_key: str, members: list[TrackedImage]) -> Iterator[Difference]:
        sets: dict[str, dict[str, str]] = {}
        for image in members:
            if image.status == "IMPORTED":
                sets.setdefault(image.image_set_id, {})[image.image_key] = image.object_id
        for image_set_id, images in sorted(sets.items()):
            held = self.archive.instances(image_set_id)
            if held is None:
                for subject in sorted(images.values()):
                    yield Difference(kind="not-imported", subject=subject, study_key=study_key)
            elif held != len(images):
                kind = "archive-lacks" if held < len(images) else "archive-exceeds"
                yield Difference(kind=kind, subject=image_set_id, study_key=study_key)

    def _publish(self, report: Report) -> None:
        self.meter.count("ReconcileMissing", report.kinds["upload-missing"])
        self.meter.count("ReconcileRedriven", report.redriven)
        self.meter.count("ReconcileDifferences", len(report.differences))
        self.meter.count("StorageBytes", self.uploads.stored_bytes(), "Bytes")
        if not report.clean:
            event = MetricViolation(
                subject="ingestion",
                metric="ReconcileDifferences",
                value=len(report.differences),
                threshold=0,
                detail=", ".join(f"{number} {kind}" for kind, number in sorted(report.kinds.items())),
            )
            self.publisher.publish(event, deterministic_event_id("reconcile", report.at[:13], event.detail))


class _Walk:
    """What the first pass collects: `imports` are studies that lack their import only."""

    def __init__(self, *, deadline: str, since: str) -> None:
        self.deadline, self.since = deadline, since
        self.seen: set[str] = set()
        self.imports: set[str] = set()
        self.studies: dict[str, set[str]] = {}


def _count(tracked: TrackedImage | None, report: Report) -> None:
    report.received += 1
    if tracked is None:
        return
    report.validated += bool(tracked.validated_key)
    report.imported += tracked.status == "IMPORTED"
    report.non_primary += tracked.status == "IMPORTED" and not tracked.is_primary
    report.quarantined += tracked.status == "QUARANTINED"
    report.deidentified += tracked.deid_status == "DEIDENTIFIED"
    report.refused += tracked.deid_status == "REFUSED"


def _complete(tracked: TrackedImage | None) -> bool:
    """Final, and the research copy is no longer due: an import can overtake a de-identification that was deferred."""
    return tracked is not None and tracked.final and not (tracked.status == "IMPORTED" and _research_due(tracked))


def _research_due(tracked: TrackedImage) -> bool:
    return tracked.deid_status == "PENDING"


def _needs_workflow(tracked: TrackedImage | None) -> bool:
    """Whether more than the import is missing."""
    return tracked is None or tracked.status == "RECEIVED" or _research_due(tracked)


def _stopped(identity: str, tracked: TrackedImage | None) -> Difference:
    if tracked is None:
        return Difference(kind="not-tracked", subject=identity, driven_again=True)
    kind = "not-deidentified" if tracked.final else "not-final"
    return Difference(kind=kind, subject=identity, study_key=tracked.study_key, driven_again=True)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
