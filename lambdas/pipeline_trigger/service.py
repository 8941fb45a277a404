"""When is a new training run due, and how is it started exactly once?"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from lambda_shared.clock import Clock, iso, new_id
from lambda_shared.errors import PlatformError
from lambda_shared.labels import VERIFIED, Label, LabelsTable
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
        """A study got a new label, and the readers may have become quiet: is a run due?

        The message waited in a queue for the quiet time. If another label came in the meantime, its own message is
        on the way and this one is dropped: a session of reading becomes one run and not several.
        """
        known = self.labels.get(study_key, label_version)
        if known is None:
            return {"decision": "unknown-label"}
        newest = self.labels.newest()
        if newest is not None and newest.created_at > known.created_at:
            return {"decision": "superseded"}
        return self._start_if_due(known)

    def pipeline_ended(self) -> dict[str, Any]:
        """An execution ended: labels that arrived while it ran may be enough for the next one."""
        return self._start_if_due(None)

    def drifted(self) -> dict[str, Any]:
        """The model in service has drifted: one new label is enough. Without any, a training would repeat itself."""
        return replace(self, min_new_labels=1).pipeline_ended()

    def start_selected(self, study_keys: Collection[str]) -> dict[str, Any]:
        """Start a run on the named studies alone, asked for by a person: however few, but one run at a time.

        Read study by study, consistently: the newest label of a study counts. The watermark moves only when the
        selection holds every label that is new, so that a selection never makes another study's label forgotten.
        """
        found = (self.labels.versions(study_key) for study_key in sorted(set(study_keys)))
        chosen = [versions[-1] for versions in found if versions and versions[-1].state == VERIFIED]
        if not chosen:
            return {"decision": "nothing-usable", "new_labels": 0}

        def start() -> dict[str, Any]:
            if self.pipeline.running():
                return {"decision": "busy", "new_labels": len(chosen)}
            snapshot = self._freeze(chosen)
            if not snapshot.study_count:
                return {"decision": "nothing-usable", "new_labels": len(chosen)}
            return self._start(snapshot, len(chosen), self._watermark_after(chosen))

        return self._alone(start, len(chosen))

    def _watermark_after(self, chosen: list[Label]) -> str:
        last = self.runs.last_started()
        watermark = last.label_watermark if last else ""
        selected = {label.study_key for label in chosen}
        fresh = list(self.labels.verified_since(watermark))
        if any(label.study_key not in selected for label in fresh):
            return watermark
        return max([watermark, *(label.created_at for label in [*chosen, *fresh])])

    def _start_if_due(self, known: Label | None) -> dict[str, Any]:
        """Most messages end without the lock. Whoever finds it taken leaves the start to its owner: a label that the
        owner did not see is newer than the owner's watermark, and the end of that run asks again."""
        reason, fresh = self._due(known)
        self.meter.count("LabelsWaiting", fresh)
        if reason:
            return {"decision": reason, "new_labels": fresh}
        return self._alone(lambda: self._start_if_still_due(known), fresh)

    def _alone(self, start: Callable[[], dict[str, Any]], fresh: int) -> dict[str, Any]:
        owner = new_id()
        now = self.clock.now()
        if not self.runs.lock(owner, iso(now), iso(now + timedelta(seconds=LOCK_SECONDS))):
            return {"decision": "busy", "new_labels": fresh}
        try:
            return start()
        finally:
            self.runs.unlock(owner)

    def _due(self, known: Label | None) -> tuple[Literal["", "waiting", "busy"], int]:
        """Why no run is due ("" if one is), and how many studies are newly labelled."""
        last = self.runs.last_started()
        fresh = len(latest_per_study(self._labels(last.label_watermark if last else "", known)))
        if fresh < self.min_new_labels:
            return "waiting", fresh
        return ("busy" if self.pipeline.running() else ""), fresh

    def _start_if_still_due(self, known: Label | None) -> dict[str, Any]:
        reason, fresh = self._due(known)
        if reason:
            return {"decision": reason, "new_labels": fresh}
        snapshot = self._freeze(self._labels("", known))
        if not snapshot.study_count:
            return {"decision": "nothing-usable", "new_labels": fresh}
        return self._start(snapshot, fresh, snapshot.document["label_watermark"])

    def _freeze(self, labels: Iterable[Label]) -> Snapshot:
        return freeze(labels, self.tracking.study_members, self.bucket, iso(self.clock.now()))

    def _labels(self, after: str, known: Label | None) -> Iterator[Label]:
        """Labels by the index, and the event's own label, which the index may not show yet."""
        seen = False
        for label in self.labels.verified_since(after):
            seen = seen or label == known
            yield label
        if known is not None and not seen and known.created_at > after:
            yield known

    def _start(self, snapshot: Snapshot, fresh: int, watermark: str) -> dict[str, Any]:
        """Record, write, start, record: after a crash at any point the same labels lead to the same execution."""
        body = json.dumps(snapshot.document, indent=1, sort_keys=True).encode()
        uri = self.snapshots.write(snapshot.snapshot_id, body)
        run = TrainingRun(
            created_at=iso(self.clock.now()),
            snapshot_id=snapshot.snapshot_id,
            snapshot_uri=uri,
            label_watermark=watermark,
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
