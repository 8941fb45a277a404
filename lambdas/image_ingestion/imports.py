"""Imports into HealthImaging: once per quiet study, safe to repeat, and what the finished job says about each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from image_ingestion.models import ImportRequest
from image_ingestion.ports import (
    ImportJob,
    ImportQueue,
    ImportService,
    ImportThrottledError,
    ObjectStore,
    RejectedError,
)
from image_ingestion.quarantine import Quarantine
from lambda_shared.clock import Clock, iso
from lambda_shared.errors import TransientError
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage, TrackingTable

RETRY_SECONDS = 30
MAX_ATTEMPTS = 3
FINISHED = frozenset({"COMPLETED", "FAILED"})
# The service's own faults: the file is not to blame, so its study is imported again (a bounded number of times).
SERVER_FAULTS = ("InternalServer", "Throttling", "ServiceUnavailable", "AccessDenied", "Timeout")
Decision = Literal["started", "superseded", "nothing-to-import", "already-started", "finished", "throttled"]


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """One line of the job's output. error is "" for an imported file; failure texts are not kept: they quote files."""

    key: str
    image_set_id: str = ""
    is_primary: bool = True
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Imports:
    """Starting and finishing import jobs over the ports."""

    store: ObjectStore
    tracking: TrackingTable
    service: ImportService
    queue: ImportQueue
    quarantining: Quarantine
    meter: Meter
    clock: Clock
    bucket: str
    datastore_id: str
    quiet_seconds: int

    def request(self, message: ImportRequest) -> Decision:
        """Act on one message of the import queue.

        A study that grew after the message was sent has a later message on its way, so this one is dropped: that is
        how many arrivals become one job. The job's client token is a digest of the members, so a repeated message
        starts nothing new, not even after a crash between the start and its record.

        Raises:
            TransientError: the index does not show the study yet; the message must come again.
        """
        members = self.tracking.study_members(message.study_key)
        if not members:
            raise TransientError("STUDY_NOT_INDEXED", "the study has no member in the index yet")
        waiting = self._without_duplicates(members)
        if not waiting:
            return "nothing-to-import"
        if max(member.validated_at for member in waiting) > message.enqueued_at:
            return "superseded"
        attempt = max(member.import_attempts for member in waiting)
        token = import_token(message.study_key, members, attempt)
        if all(member.import_token == token for member in waiting):
            return self._look_again(waiting)
        try:
            with self._counting_errors():
                job_id = self.service.start(message.study_key, token)
        except ImportThrottledError:
            # A fresh message instead of a failed one: waiting for the service must not use up the receive count.
            self.queue.send(message.study_key, message.enqueued_at, RETRY_SECONDS)
            self.meter.count("ImportThrottled")
            return "throttled"
        changes = {"import_job_id": job_id, "import_token": token, "datastore_id": self.datastore_id}
        for member in waiting:
            self.tracking.annotate(member.object_id, changes, iso(self.clock.now()))
        self.meter.count("ImportJobStarted")
        return "started"

    @contextmanager
    def _counting_errors(self) -> Generator[None]:
        """Count what the data store answers badly, for the alarm; being throttled is no error."""
        try:
            yield
        except ImportThrottledError:
            raise
        except Exception:
            self.meter.count("DataStoreErrors")
            raise

    def _without_duplicates(self, members: list[TrackedImage]) -> list[TrackedImage]:
        """The members that still need an import; one whose very content is imported already takes over its outcome."""
        imported = {_content(member): member for member in members if member.status == "IMPORTED"}
        waiting: list[TrackedImage] = []
        for member in members:
            twin = imported.get(_content(member))
            if member.status == "VALIDATED" and twin is None:
                waiting.append(member)
            elif member.status == "VALIDATED" and twin is not None:
                changes = {
                    "image_set_id": twin.image_set_id,
                    "is_primary": twin.is_primary,
                    "import_job_id": twin.import_job_id,
                    "datastore_id": twin.datastore_id,
                }
                self.tracking.advance(member.object_id, "IMPORTED", changes, iso(self.clock.now()))
        return waiting

    def _look_again(self, waiting: list[TrackedImage]) -> Decision:
        """The job was started before: if it has ended, its event was lost, and this message stands in for it."""
        with self._counting_errors():
            job = self.service.job(waiting[0].import_job_id)
        if job is None or job.status not in FINISHED:
            return "already-started"
        self.finished(job)
        return "finished"

    def finished(self, job: ImportJob) -> dict[str, int]:
        """Give every file that the job speaks of its state; answers counts.

        Raises:
            TransientError: a completed job's output is not readable yet, or names a file that the index lacks.
        """
        study_key = self._study_key(job.input_uri)
        if study_key is None:
            return {"imported": 0, "failed": 0, "requeued": 0}
        outcomes = {outcome.key: outcome for outcome in self._outcomes(job, study_key)}
        members = [member for member in self.tracking.study_members(study_key) if member.validated_key]
        counts = {"imported": 0, "failed": 0, "requeued": 0}
        for member in members:
            outcome = outcomes.get(member.validated_key)
            if outcome is None and job.status == "FAILED" and member.import_job_id == job.job_id:
                outcome = FileOutcome(key=member.validated_key, error="InternalServer: job failed")
            if outcome is not None and member.status == "VALIDATED":
                counts[self._settle(member, outcome, job)] += 1
        if counts["requeued"]:
            self.queue.send(study_key, iso(self.clock.now()), self.quiet_seconds)
        if absent := set(outcomes) - {member.validated_key for member in members}:
            raise TransientError("IMPORT_NOT_INDEXED", f"{len(absent)} imported files have no tracked object yet")
        return counts

    def _settle(
        self, member: TrackedImage, outcome: FileOutcome, job: ImportJob
    ) -> Literal["imported", "failed", "requeued"]:
        now = iso(self.clock.now())
        if not outcome.error:
            changes: dict[str, Any] = {
                "image_set_id": outcome.image_set_id,
                "is_primary": outcome.is_primary,
                "import_job_id": job.job_id,
                "datastore_id": self.datastore_id,
            }
            if self.tracking.advance(member.object_id, "IMPORTED", changes, now):
                self.meter.count("ImportedBytes", member.size_bytes, "Bytes")
                if not outcome.is_primary:
                    # Conflicting patient or study attributes: stored, but DICOMweb does not show it unasked.
                    self.meter.count("ImportNonPrimary")
            return "imported"
        attempts = member.import_attempts + 1
        if outcome.error.startswith(SERVER_FAULTS) and attempts < MAX_ATTEMPTS:
            self.tracking.annotate(member.object_id, {"import_attempts": attempts}, now)
            return "requeued"
        stored = self.store.locate(self.bucket, member.upload_key, member.etag)
        refusal = RejectedError("IMPORT_FAILED", rule=outcome.error, sentence="HealthImaging did not take the file.")
        if self.quarantining.put(member, stored, refusal):
            self.meter.count("ImportFailed")
        return "failed"

    def _study_key(self, input_uri: str) -> str | None:
        """The study of a job of ours; None for an import that somebody else started from another folder."""
        prefix = f"s3://{self.bucket}/validated/"
        return input_uri.removeprefix(prefix).split("/")[0] or None if input_uri.startswith(prefix) else None

    def _outcomes(self, job: ImportJob, study_key: str) -> list[FileOutcome]:
        folder = self._output_folder(job)
        success = self.store.read_if_exists(self.bucket, f"{folder}SUCCESS/success.ndjson")
        failure = self.store.read_if_exists(self.bucket, f"{folder}FAILURE/failure.ndjson")
        if success is None and failure is None and job.status == "COMPLETED":
            raise TransientError("IMPORT_OUTPUT_MISSING", "the job's output is not readable yet")
        return [*_successes(_lines(success), study_key), *_failures(_lines(failure), study_key)]

    def _output_folder(self, job: ImportJob) -> str:
        """AWS shows outputS3Uri both with and without the job's own folder; both are accepted."""
        folder = job.output_uri.removeprefix(f"s3://{self.bucket}/").rstrip("/")
        own = f"{self.datastore_id}-DicomImport-{job.job_id}"
        return f"{folder}/" if folder.endswith(own) else f"{folder}/{own}/".lstrip("/")


def import_token(study_key: str, members: Iterable[TrackedImage], attempt: int) -> str:
    """Client token of the import of exactly these contents: 64 hexadecimal characters, the API's maximum.

    Duplicates of one content do not change it, so a file sent twice does not import the study twice.
    """
    contents = sorted({_content(member) for member in members if member.validated_key})
    text = "\n".join([study_key, *contents, *([f"attempt {attempt}"] if attempt else [])])
    return hashlib.sha256(text.encode()).hexdigest()


def _content(member: TrackedImage) -> str:
    return f"{member.validated_key}:{member.content_sha256}"


def _lines(data: bytes | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data or b"").splitlines() if line.strip()]


def _key(input_file: str, study_key: str) -> str:
    """The object key of an inputFile, which may be a URI, a key, or a path relative to the job's folder."""
    return f"validated/{study_key}/{input_file.rsplit('/', 1)[-1]}"


def _successes(lines: list[dict[str, Any]], study_key: str) -> list[FileOutcome]:
    return [
        FileOutcome(
            key=_key(line["inputFile"], study_key),
            image_set_id=line["importResponse"]["imageSetId"],
            is_primary=bool(line["importResponse"].get("isPrimary", True)),
        )
        for line in lines
    ]


def _failures(lines: list[dict[str, Any]], study_key: str) -> list[FileOutcome]:
    return [
        FileOutcome(
            key=_key(line["inputFile"], study_key),
            error=str(line.get("exception", {}).get("exceptionType") or "UnknownException")[:80],
        )
        for line in lines
    ]
