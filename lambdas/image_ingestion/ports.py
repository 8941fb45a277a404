"""What ImageIngestion needs from outside: storage, the DICOM library, the import service, the queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from lambda_shared.tracking import ImageFacts


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One version of an S3 object. version_id is "" in a bucket without versions; size in bytes."""

    bucket: str
    key: str
    etag: str
    size: int
    version_id: str = ""


class ObjectStore(Protocol):
    """S3, by version."""

    def locate(self, bucket: str, key: str, etag: str) -> StoredObject | None:
        """The version with that ETag ("" = the current one), even if it was overwritten; None when there is none."""
        ...

    def read(self, stored: StoredObject) -> bytes:
        """The bytes of exactly that version."""
        ...

    def copy(self, stored: StoredObject, bucket: str, key: str) -> None:
        """Copy exactly that version, without its user metadata and tags."""
        ...

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object."""
        ...

    def read_if_exists(self, bucket: str, key: str) -> bytes | None:
        """The bytes of the current version; None when there is no such object."""
        ...


class RejectedError(Exception):
    """The DICOM library refuses an object.

    Attributes:
        code: machine code. keyword: attribute at fault or "". rule: the clause broken. sentence: for a person.
    """

    def __init__(self, code: str, keyword: str = "", rule: str = "", sentence: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.keyword = keyword
        self.rule = rule
        self.sentence = sentence


@dataclass(frozen=True)
class CleanImage:
    """An object without identifiers.

    Attributes:
        pixel_sha256: digest of what it shows; empty where it has none.
    """

    data: bytes = field(repr=False)
    pixel_sha256: str


class ImageLibrary(Protocol):
    """Validation and de-identification of one DICOM object."""

    def inspect(self, data: bytes) -> ImageFacts:
        """Validate; answers pseudonyms and technical attributes. Raises RejectedError."""
        ...

    def deidentify(self, data: bytes) -> CleanImage:
        """The object without identifiers. Raises RejectedError when it cannot be made safe."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImportJob:
    """State of an import job; the URIs as the service gives them."""

    job_id: str
    status: str
    input_uri: str
    output_uri: str


class ImportThrottledError(Exception):
    """The import service takes no more jobs for now."""


class ImportService(Protocol):
    """HealthImaging's import jobs."""

    def start(self, token: str) -> str:
        """Start the import of a batch's folder, once per token; answers the job id. Raises ImportThrottledError."""
        ...

    def job(self, job_id: str) -> ImportJob | None:
        """A job's state; None when the service no longer lists it (90 days)."""
        ...


class ImportQueue(Protocol):
    """The queue of studies to import."""

    def send(self, study_key: str, enqueued_at: str, delay_seconds: int, object_id: str | None = None) -> None:
        """Queue a study, on account of one object or as a whole; the message becomes visible after the delay."""
        ...


class Workflow(Protocol):
    """The ingestion state machine."""

    def start(self, objects: list[dict[str, Any]], name: str) -> None:
        """Start an execution over object references; one of that name that exists is as good."""
        ...


class Deliveries(Protocol):
    """Messages that Lambda received for us."""

    def delay(self, queue_arn: str, receipt: str, seconds: int) -> None:
        """Let a failed message come again after this time instead of the queue's whole visibility timeout."""
        ...
