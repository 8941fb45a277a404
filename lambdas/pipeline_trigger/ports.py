"""What PipelineTrigger needs from outside: the record of runs, the snapshot store and the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

RunStatus = Literal["STARTING", "STARTED", "FAILED_TO_START"]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One item of the table training-runs. Labels created after label_watermark count as new for the next run."""

    created_at: str
    snapshot_id: str
    snapshot_uri: str
    label_watermark: str
    study_count: int
    status: RunStatus
    execution_arn: str = ""


class TrainingRuns(Protocol):
    """The table training-runs, and its lock."""

    def lock(self, owner: str, now: str, expires_at: str) -> bool:
        """Take the lock of the pipeline unless somebody holds it and it has not expired."""
        ...

    def unlock(self, owner: str) -> None:
        """Give the lock back; nothing happens if somebody else has taken over."""
        ...

    def last_started(self) -> TrainingRun | None:
        """The newest run whose execution was started."""
        ...

    def record(self, run: TrainingRun) -> None:
        """Write or overwrite the run with that created_at."""
        ...


class SnapshotStore(Protocol):
    """Where snapshots are kept."""

    def write(self, snapshot_id: str, body: bytes) -> str:
        """Write a snapshot; answers its URI."""
        ...


class TrainingPipeline(Protocol):
    """The SageMaker pipeline."""

    def running(self) -> bool:
        """Whether an execution is running or being stopped."""
        ...

    def start(self, snapshot_id: str, snapshot_uri: str) -> str:
        """Start an execution, once per snapshot id; answers its ARN."""
        ...
