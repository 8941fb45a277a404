# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""What tests of the imports share: a data store and a queue to look into, and what a job writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from image_ingestion.adapters import S3Store
from image_ingestion.batches import ImportBatches
from image_ingestion.imports import Imports
from image_ingestion.models import ImportRequest
from image_ingestion.ports import ImportJob, ImportThrottledError
from image_ingestion.quarantine import Quarantine
from lambda_shared.tracking import DynamoTrackingTable, TrackedImage

UPLOADS = "proj-local-training-data-111122223333"
STORE_ID = "d" * 32
STUDY = "a" * 32
T0 = "2026-11-21T12:00:00.000000Z"
T1 = "2026-11-21T12:00:01.000000Z"


@dataclass
class FakeService:
    """HealthImaging's idempotency: the same token gives the same job."""

    jobs: dict[str, str] = field(default_factory=dict)
    states: dict[str, ImportJob | None] = field(default_factory=dict)
    throttled: bool = False
    starts: int = 0

    def start(self, token: str) -> str:
        if self.throttled:
            raise ImportThrottledError
        self.starts += 1
        return self.jobs.setdefault(token, f"job{len(self.jobs)}")

    def job(self, job_id: str) -> ImportJob | None:
        return self.states.get(job_id, self.described(job_id, "IN_PROGRESS"))

    def described(self, job_id: str = "job0", status: str = "COMPLETED", *, folder: bool = True) -> ImportJob:
        """A job of ours as events and the service describe it."""
        own = f"{STORE_ID}-DicomImport-{job_id}/"
        token = next(token for token, known in self.jobs.items() if known == job_id)
        return ImportJob(
            job_id=job_id,
            status=status,
            input_uri=f"s3://{UPLOADS}/import-input/{token}/",
            output_uri=f"s3://{UPLOADS}/import-output/{own if folder else ''}",
        )


@dataclass
class FakeQueue:
    sent: list[tuple[Any, ...]] = field(default_factory=list)

    def send(self, *message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def imports(s3: Any, tracking: Any, service: FakeService, queue: FakeQueue, meter: Any, clock: Any) -> Imports:
    store = S3Store(s3)
    batches = ImportBatches(
        store=store,
        tracking=tracking,
        service=service,
        quarantining=Quarantine(store=store, tracking=tracking, meter=meter, clock=clock, bucket=UPLOADS),
        clock=clock,
        bucket=UPLOADS,
        datastore_id=STORE_ID,
        workers=4,
    )
    return Imports(batches=batches, queue=queue, meter=meter, quiet_seconds=5)


@pytest.fixture
def member(tracking: DynamoTrackingTable, s3: Any) -> Any:
    """Makes a validated image of the study, with its upload."""

    def make(name: str, *, image: str = "", content: str = "", at: str = T0, study: str = STUDY) -> TrackedImage:
        answer = s3.put_object(Bucket=UPLOADS, Key=f"upload/{name}.dcm", Body=(content or name).encode())
        etag = answer["ETag"].strip('"')
        tracking.register(TrackedImage(object_id=name, upload_key=f"upload/{name}.dcm", etag=etag, received_at=at))
        changes = {
            "study_key": study,
            "image_key": image or name,
            "validated_key": f"validated/{study}/{image or name}.dcm",
            "validated_at": at,
            "content_sha256": content or name,
            "size_bytes": 10,
        }
        assert tracking.advance(name, "VALIDATED", changes, at)
        found = tracking.get(name)
        assert found is not None
        return found

    return make


@dataclass(frozen=True)
class JobOutput:
    """Writes what HealthImaging writes beside a finished job."""

    s3: Any

    def lines(self, kind: str, lines: list[dict[str, Any]], job_id: str = "job0") -> None:
        body = "\n".join(json.dumps(line) for line in lines).encode()
        self._put(f"{kind.upper()}/{kind}.ndjson", body, job_id)

    def summary(self, imported: int, job_id: str = "job0") -> None:
        body = json.dumps({"jobSummary": {"numberOfImportedFiles": imported}}).encode()
        self._put("job-output-manifest.json", body, job_id)

    def success(self, *names: str, primary: bool = True, prefix: str = "import-input/t/", job_id: str = "job0") -> None:
        response = {"imageSetId": "set1", "isPrimary": primary}
        self.lines("success", [{"inputFile": f"{prefix}{n}.dcm", "importResponse": response} for n in names], job_id)

    def failure(self, name: str, kind: str = "ValidationException", job_id: str = "job0") -> None:
        exception = {"exceptionType": kind, "message": "quotes Zyxwvut^Qwerta"}
        self.lines("failure", [{"inputFile": f"import-input/t/{name}.dcm", "exception": exception}], job_id)

    def _put(self, name: str, body: bytes, job_id: str) -> None:
        key = f"import-output/{STORE_ID}-DicomImport-{job_id}/{name}"
        self.s3.put_object(Bucket=UPLOADS, Key=key, Body=body)


@pytest.fixture
def output(s3: Any) -> JobOutput:
    return JobOutput(s3)


@pytest.fixture
def ask(imports: Imports) -> Any:
    """Sends one message of the study; answers the decision, or raises."""

    def send(at: str = T1, **named: Any) -> Any:
        answer = imports.request([ImportRequest(study_key=STUDY, enqueued_at=at, **named)])[STUDY]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send


@pytest.fixture
def staged(s3: Any) -> Any:
    """Name -> content of everything that lies staged for jobs."""

    def read() -> dict[str, bytes]:
        found = s3.list_objects_v2(Bucket=UPLOADS, Prefix="import-input/").get("Contents", [])
        keys = [entry["Key"] for entry in found]
        return {key.split("/", 1)[1]: s3.get_object(Bucket=UPLOADS, Key=key)["Body"].read() for key in keys}

    return read
