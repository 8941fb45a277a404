"""When is a new training run due, and how is it started exactly once?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from lambda_shared.clock import Clock, iso, new_id
from lambda_shared.errors import PlatformError
from lambda_shared.labels import Label, LabelsTable
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackingTable
from pipeline_trigger.ports import SnapshotStore, TrainingPipeline, TrainingRun, TrainingRuns
from pipeline_trigger.snapshot import Snapshot, freeze, latest_per_study

LOCK_SECONDS = 120  # twice the function's time limit: an owner that died does not block for long


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """PipelineTrigger over its ports."""

    labels: LabelsTable
    tracking: TrackingTable
    runs: TrainingRuns
    snapshots: SnapshotStore
    pipeline: TrainingPipeline
    meter: Meter
    clock: Clock
    bucket: str
    min_new_labels: int

    def verified(self, study_key: str, label_version: int) -> dict[str, Any]:
        """A study got a new label: start a run if enough studies are new and none is running.

        Most events end without the lock. Whoever finds it taken leaves the start to its owner: a label that the owner
        did not see is newer than the owner's watermark, so the next run counts it.
        """
        known = self.labels.get(study_key, label_version)
        if known is None:
            return {"decision": "unknown-label"}
        reason, fresh = self._due(known)
        self.meter.count("LabelsWaiting", fresh)
        if reason:
            return {"decision": reason, "new_labels": fresh}
        owner = new_id()
        now = self.clock.now()
        if not self.runs.lock(owner, iso(now), iso(now + timedelta(seconds=LOCK_SECONDS))):
            return {"decision": "busy", "new_labels": fresh}
        try:
            return self._start_if_still_due(known)
        finally:
            self.runs.unlock(owner)

    def _due(self, known: Label) -> tuple[Literal["", "waiting", "busy"], int]:
        """Why no run is due ("" if one is), and how many studies are newly labelled."""
        last = self.runs.last_started()
        fresh = len(latest_per_study(self._labels(last.label_watermark if last else "", known)))
        if fresh < self.min_new_labels:
            return "waiting", fresh
        return ("busy" if self.pipeline.running() else ""), fresh

    def _start_if_still_due(self, known: Label) -> dict[str, Any]:
        reason, fresh = self._due(known)
        if reason:
            return {"decision": reason, "new_labels": fresh}
        snapshot = freeze(self._labels("", known), self.tracking.study_members, self.bucket, iso(self.clock.now()))
        if not snapshot.study_count:
            return {"decision": "nothing-usable", "new_labels": fresh}
        return self._start(snapshot, fresh)

    def _labels(self, after: str, known: Label) -> Iterator[Label]:
        """Labels by the index, and the event's own label, which the index may not show yet."""
        seen = False
        for label in self.labels.verified_since(after):
            seen = seen or (label.study_key, label.version) == (known.study_key, known.version)
            yield label
        if not seen and known.created_at > after:
            yield known

    def _start(self, snapshot: Snapshot, fresh: int) -> dict[str, Any]:
        """Record, write, start, record: after a crash at any point the same labels lead to the same execution."""
        body = json.dumps(snapshot.document, indent=1, sort_keys=True).encode()
        uri = self.snapshots.write(snapshot.snapshot_id, body)
        run = TrainingRun(
            created_at=iso(self.clock.now()),
            snapshot_id=snapshot.snapshot_id,
            snapshot_uri=uri,
            label_watermark=snapshot.document["label_watermark"],
            study_count=snapshot.study_count,
            status="STARTING",
        )
        self.runs.record(run)
        try:
            execution_arn = self.pipeline.start(snapshot.snapshot_id, uri)
        except PlatformError:
            self.runs.record(replace(run, status="FAILED_TO_START"))
            raise
        self.runs.record(replace(run, status="STARTED", execution_arn=execution_arn))
        self.meter.count("TrainingStarted")
        return {
            "decision": "started",
            "new_labels": fresh,
            "snapshot_id": snapshot.snapshot_id,
            "execution_arn": execution_arn,
            "studies": snapshot.study_count,
            "excluded_studies": len(snapshot.excluded),
            "contradictory_patients": snapshot.contradictory_patients,
        }
