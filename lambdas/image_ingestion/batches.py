"""One import job's input: written down, claimed, staged, started. In this order, a crash repeats and adds nothing.

1. The manifest `import-manifests/<token>.json` names the members; the token is a digest of them.
2. Each member is claimed for the token by a conditional write: of two jobs that want an image, one gets it.
3. The claimed ones are copied, by S3 and from exactly the version that was validated, to `import-input/<token>/`. A
   job imports a whole prefix, so this folder holds what the job is to import, and nothing that was imported before.
4. The job starts with the token as its client token: a repeated start answers the same job.

A message that comes again finds the claim, reads the manifest and goes on from there. Staged copies expire by the
bucket's lifecycle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from image_ingestion.ports import ImportJob, ImportService, ObjectStore, RejectedError
from image_ingestion.quarantine import Quarantine
from lambda_shared.clock import Clock, iso
from lambda_shared.errors import TransientError
from lambda_shared.tracking import TrackedImage, TrackingTable

INPUT_FOLDER = "import-input"
MANIFEST_FOLDER = "import-manifests"
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class ImportBatches:
    """Import jobs over the ports; `workers` calls of S3 and DynamoDB at a time."""

    store: ObjectStore
    tracking: TrackingTable
    service: ImportService
    quarantining: Quarantine
    clock: Clock
    bucket: str
    datastore_id: str
    workers: int = 1

    def launch(self, members: Sequence[TrackedImage]) -> int:
        """Import these images in one job; answers how many of them it has (others were claimed by another job).

        Raises:
            ImportThrottledError: claimed and staged, but the service takes no more jobs for now; `resume` goes on.
        """
        token = batch_token(members)
        manifest = {
            "schema": "import-batch/1",
            "token": token,
            "members": sorted(member.object_id for member in members),
        }
        key = f"{MANIFEST_FOLDER}/{token}.json"
        self.store.put(self.bucket, key, json.dumps(manifest, sort_keys=True).encode(), "application/json")
        now = iso(self.clock.now())
        self._each(lambda member: self.tracking.claim_for_import(member, token, now), members)
        return self.resume(token)

    def resume(self, token: str) -> int:
        """Stage and start a batch whose members are claimed; what was done before is done again to the same end."""
        held = self.members(token)
        staged = [image for image, there in zip(held, self._each(self._stage(token), held), strict=True) if there]
        if not staged:
            return 0
        job_id = self.service.start(token)
        changes = {"import_job_id": job_id, "datastore_id": self.datastore_id}
        now = iso(self.clock.now())
        self._each(lambda image: self.tracking.note_import_job(image.object_id, token, changes, now), staged)
        return len(staged)

    def members(self, token: str) -> list[TrackedImage]:
        """The images that the batch holds and that wait for its outcome, read consistently.

        Raises:
            TransientError: the manifest is not there, though it is written before the first claim.
        """
        data = self.store.read_if_exists(self.bucket, f"{MANIFEST_FOLDER}/{token}.json")
        if data is None:
            raise TransientError("BATCH_MANIFEST_MISSING", "the batch's manifest is not readable yet")
        found = self.tracking.statuses(json.loads(data)["members"])
        held = [image for image in found.values() if image.status == "VALIDATED" and image.import_token == token]
        return sorted(held, key=lambda image: image.object_id)

    def forgotten(self, token: str, job_id: str) -> ImportJob:
        """The batch's job as failed: what it stands for when the service does not know it any more."""
        folder = f"s3://{self.bucket}/{INPUT_FOLDER}/{token}/"
        return ImportJob(
            job_id=job_id, status="FAILED", input_uri=folder, output_uri=f"s3://{self.bucket}/import-output/"
        )

    def _stage(self, token: str) -> Callable[[TrackedImage], bool]:
        def stage(image: TrackedImage) -> bool:
            stored = self.store.locate(self.bucket, image.upload_key, image.etag)
            if stored is None:
                refusal = RejectedError("OBJECT_MISSING", rule="S3", sentence="The upload is no longer there.")
                self.quarantining.put(image, None, refusal)
                return False
            self.store.copy(stored, self.bucket, staged_key(token, image.object_id))
            return True

        return stage

    def _each(self, action: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        if self.workers == 1 or len(items) < 2:
            return [action(item) for item in items]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(action, items))


def batch_token(members: Iterable[TrackedImage]) -> str:
    """Digest of the members and of how often each was tried: 64 hexadecimal characters, the API's maximum."""
    lines = sorted(f"{member.object_id} {member.import_attempts}" for member in members)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def staged_key(token: str, object_id: str) -> str:
    """Where a member lies for its job; the job's output names this key, and with it the tracked object."""
    return f"{INPUT_FOLDER}/{token}/{object_id}.dcm"
