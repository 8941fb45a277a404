"""Imports into HealthImaging: quiet studies packed into jobs, nothing imported twice, and what became of each file."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from image_ingestion.batches import INPUT_FOLDER, ImportBatches
from image_ingestion.models import ImportRequest
from image_ingestion.packing import pack
from image_ingestion.ports import ImportJob, ImportQueue, ImportThrottledError, RejectedError
from image_ingestion.results import FileOutcome, read_output
from lambda_shared.clock import iso
from lambda_shared.errors import TransientError
from lambda_shared.metrics import Meter
from lambda_shared.tracking import TrackedImage

RETRY_SECONDS = 30
MAX_ATTEMPTS = 3
FINISHED = frozenset({"COMPLETED", "FAILED"})
# The service's own faults: the file is not to blame, so it is imported again (a bounded number of times).
SERVER_FAULTS = ("InternalServer", "Throttling", "ServiceUnavailable", "AccessDenied", "Timeout")
Decision = Literal["started", "superseded", "nothing-to-import", "already-started", "finished", "throttled", "waiting"]
Settled = Literal["imported", "failed", "requeued"]
Counts = dict[Settled, int]


@dataclass(frozen=True, kw_only=True)
class Imports:
    """Starting and finishing import jobs over the ports."""

    batches: ImportBatches
    queue: ImportQueue
    meter: Meter
    quiet_seconds: int

    def request(self, messages: Iterable[ImportRequest]) -> dict[str, Decision | Exception]:
        """Act on messages of the import queue; answers by study what was decided, or what failed.

        A study that grew after its message was sent has a later message on its way, so this one is dropped: that is
        how many arrivals become one job. The quiet studies of all messages are packed into as few jobs as fit.
        """
        answers: dict[str, Decision | Exception] = {}
        ready: dict[str, list[TrackedImage]] = {}
        for study_key, wanted in _by_study(messages).items():
            try:
                answers[study_key], ready[study_key] = self._look(study_key, wanted)
            except Exception as error:
                answers[study_key] = error
        for batch in pack(images for images in ready.values() if images):
            studies = sorted({image.study_key for image in batch})
            try:
                started: Decision | Exception = self._launch(batch)
            except Exception as error:
                started = error
            answers |= {s: _worse(answers[s], started) for s in studies}
        return answers

    def _look(self, study_key: str, wanted: list[ImportRequest]) -> tuple[Decision, list[TrackedImage]]:
        """What a study needs: the decision so far, and the images to import now."""
        members = self.batches.tracking.study_members(study_key)
        named = {message.object_id for message in wanted if message.object_id}
        if not members or named - {member.object_id for member in members}:
            raise TransientError("STUDY_NOT_INDEXED", "the index does not show the study's newest member yet")
        enqueued_at = max(message.enqueued_at for message in wanted)
        waiting = self._without_duplicates(members)
        if not waiting:
            return "nothing-to-import", []
        claims = {member.import_token: member.import_job_id for member in waiting if member.import_token}
        decision = self._look_after(claims, study_key, enqueued_at)
        free, held_back = _one_of_each(waiting)
        if free and max(member.validated_at for member in free) > enqueued_at:
            return "superseded", []
        if held_back:
            # Another content of an image whose import runs: two in one job would leave to chance which one stays.
            self.queue.send(study_key, enqueued_at, RETRY_SECONDS)
        return decision or "waiting", free

    def _look_after(self, claims: dict[str, str], study_key: str, enqueued_at: str) -> Decision | None:
        """Bring batches further that were begun before: an earlier run may have died at any point."""
        decision: Decision | None = None
        for token, job_id in sorted(claims.items()):
            try:
                with self._counting_errors():
                    decision = self._look_again(token, job_id) if job_id else self._resume(token)
            except ImportThrottledError:
                decision = self._throttled([study_key], enqueued_at)
        return decision

    def _resume(self, token: str) -> Decision:
        if not self.batches.resume(token):
            return "already-started"  # another run settled it between the two reads
        self.meter.count("ImportJobStarted")
        return "started"

    def _launch(self, batch: list[TrackedImage]) -> Decision:
        try:
            with self._counting_errors():
                taken = self.batches.launch(batch)
        except ImportThrottledError:
            # The members are claimed now: the message that finds them need not ask whether the study is quiet.
            return self._throttled(sorted({image.study_key for image in batch}), self._now())
        if not taken:
            return "already-started"
        self.meter.count("ImportJobStarted")
        return "started"

    def _throttled(self, studies: Iterable[str], enqueued_at: str) -> Decision:
        """Fresh messages instead of failed ones: waiting for the service must not use up the receive count."""
        for study_key in studies:
            self.queue.send(study_key, enqueued_at, RETRY_SECONDS)
        self.meter.count("ImportThrottled")
        return "throttled"

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
            elif member.status == "VALIDATED" and twin is not None and not member.import_token:
                changes = {
                    "image_set_id": twin.image_set_id,
                    "is_primary": twin.is_primary,
                    "import_job_id": twin.import_job_id,
                    "datastore_id": twin.datastore_id,
                }
                self.batches.tracking.advance(member.object_id, "IMPORTED", changes, self._now())
        return waiting

    def _look_again(self, token: str, job_id: str) -> Decision:
        """The job was started before: if it has ended, its event was lost, and this message stands in for it.

        A job that the service lists no more (90 days) counts as failed: its members are imported again.
        """
        job = self.batches.service.job(job_id) or self.batches.forgotten(token, job_id)
        if job.status not in FINISHED:
            return "already-started"
        self.finished(job)
        return "finished"

    def finished(self, job: ImportJob) -> Counts:
        """Give every file of the job its state; answers counts. A job that is not ours changes nothing.

        Raises:
            TransientError: a completed job's output is not readable or not complete yet.
        """
        counts: Counts = {"imported": 0, "failed": 0, "requeued": 0}
        prefix = f"s3://{self.batches.bucket}/{INPUT_FOLDER}/"
        if not job.input_uri.startswith(prefix):
            return counts
        members = self.batches.members(job.input_uri.removeprefix(prefix).strip("/"))
        if not members:
            return counts
        output = read_output(self.batches.store, self.batches.bucket, self.batches.datastore_id, job)
        again: set[str] = set()
        for member in members:
            settled = self._settle(member, output.outcomes.get(member.object_id), job)
            counts[settled] += 1
            if settled == "requeued" and member.import_attempts + 1 < MAX_ATTEMPTS:
                again.add(member.study_key)  # later tries are the reconciler's: one a night, and reported
        for study_key in sorted(again):
            self.queue.send(study_key, self._now(), self.quiet_seconds)
        if output.warnings:
            self.meter.count("ImportWarnings", output.warnings)
        return counts

    def _settle(self, member: TrackedImage, outcome: FileOutcome | None, job: ImportJob) -> Settled:
        """Without an outcome the whole job failed, or the image came too late for it: no fault of the image."""
        tracking = self.batches.tracking
        attempts = member.import_attempts + 1
        if outcome is None:
            tracking.release_from_import(member.object_id, member.import_token, attempts, self._now())
            return "requeued"
        if not outcome.error:
            changes: dict[str, Any] = {
                "image_set_id": outcome.image_set_id,
                "is_primary": outcome.is_primary,
                "import_job_id": job.job_id,
                "datastore_id": self.batches.datastore_id,
            }
            if tracking.advance(member.object_id, "IMPORTED", changes, self._now()):
                self.meter.count("ImportedBytes", member.size_bytes, "Bytes")
                if not outcome.is_primary:
                    # Conflicting patient or study attributes: stored, but DICOMweb does not show it unasked.
                    self.meter.count("ImportNonPrimary")
            return "imported"
        if outcome.error.startswith(SERVER_FAULTS) and attempts < MAX_ATTEMPTS:
            tracking.release_from_import(member.object_id, member.import_token, attempts, self._now())
            return "requeued"
        stored = self.batches.store.locate(self.batches.bucket, member.upload_key, member.etag)
        refusal = RejectedError("IMPORT_FAILED", rule=outcome.error, sentence="HealthImaging did not take the file.")
        if self.batches.quarantining.put(member, stored, refusal):
            self.meter.count("ImportFailed")
        return "failed"

    def _now(self) -> str:
        return iso(self.batches.clock.now())


def _by_study(messages: Iterable[ImportRequest]) -> dict[str, list[ImportRequest]]:
    grouped: dict[str, list[ImportRequest]] = {}
    for message in messages:
        grouped.setdefault(message.study_key, []).append(message)
    return grouped


def _one_of_each(waiting: list[TrackedImage]) -> tuple[list[TrackedImage], bool]:
    """The unclaimed members, one of each image: the oldest, while none of that image is in a job; and if some wait."""
    taken = {member.image_key for member in waiting if member.import_token}
    free: list[TrackedImage] = []
    held_back = False
    for member in sorted(waiting, key=lambda member: (member.received_at, member.object_id)):
        if member.import_token:
            continue
        if member.image_key in taken:
            held_back = True
            continue
        taken.add(member.image_key)
        free.append(member)
    return free, held_back


def _worse(one: Decision | Exception, other: Decision | Exception) -> Decision | Exception:
    """A failure outweighs everything: its message must come again."""
    if isinstance(one, Exception):
        return one
    return one if one == "throttled" and not isinstance(other, Exception) else other


def _content(member: TrackedImage) -> str:
    return f"{member.image_key}:{member.content_sha256}"
