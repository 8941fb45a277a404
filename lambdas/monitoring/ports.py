"""What Monitoring needs from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitoring.report import Report


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An object below upload/: what ingestion needs to know of it. size in bytes."""

    key: str
    etag: str
    size: int
    received_at: datetime


class Uploads(Protocol):
    """The durable record of what was received."""

    def listing(self) -> Iterator[Upload]:
        """Every current object below upload/."""
        ...

    def stored_bytes(self) -> int:
        """Bytes of all current objects in the bucket."""
        ...


class Copies(Protocol):
    """The copies that ingestion made of a study's images, as keys in their buckets."""

    def validated(self, study_key: str) -> set[str]:
        """Keys of the copies for the archive."""
        ...

    def deidentified(self, patient_key: str, study_key: str) -> set[str]:
        """Keys of the research copies."""
        ...


class Archive(Protocol):
    """HealthImaging's own word on what it holds."""

    def instances(self, image_set_id: str) -> int | None:
        """How many instances an image set has; None when there is no such set."""
        ...


class Reports(Protocol):
    """Where reconciliations are reported."""

    def put(self, report: Report) -> str:
        """Keep a report; answers its key."""
        ...


class Workflow(Protocol):
    """The ingestion state machine and the import queue behind it."""

    def start(self, uploads: list[Upload], name: str) -> bool:
        """Drive uploads again under an execution name; False when that execution exists already."""
        ...

    def queue_import(self, study_key: str, enqueued_at: str) -> None:
        """Ask again for a study's import."""
        ...


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """One frame as it was read: how long it took, and how many bytes of pixels one byte of it stands for."""

    milliseconds: float
    compression_ratio: float


class Probes(Protocol):
    """One question to each part of the platform; each raises when the part does not answer well."""

    def data_store(self) -> None:
        """The HealthImaging data store is ACTIVE."""
        ...

    def tracking_table(self) -> None:
        """The tracking table answers."""
        ...

    def state_machine(self) -> None:
        """The ingestion state machine is ACTIVE."""
        ...

    def import_queue(self) -> None:
        """The import queue answers."""
        ...

    def retrieval(self) -> Retrieval | None:
        """One image frame read from the data store; None while the store holds none."""
        ...

    def last_audit_delivery(self) -> datetime | None:
        """When CloudTrail last delivered a log file; None when the account has no trail of ours."""
        ...
