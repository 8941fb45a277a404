# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""Import jobs: one per quiet study, safe to repeat, and every file of a finished job gets its state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from image_ingestion.adapters import S3Store
from image_ingestion.imports import Imports, import_token
from image_ingestion.models import ImportRequest
from image_ingestion.ports import ImportJob, ImportThrottledError
from image_ingestion.quarantine import Quarantine
from lambda_shared.errors import TransientError
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
    states: dict[str, ImportJob] = field(default_factory=dict)
    throttled: bool = False
    starts: int = 0

    def start(self, study_key: str, token: str) -> str:
        if self.throttled:
            raise ImportThrottledError
        self.starts += 1
        return self.jobs.setdefault(token, f"job{len(self.jobs)}")

    def job(self, job_id: str) -> ImportJob | None:
        return self.states.get(job_id)


@dataclass
class FakeQueue:
    sent: list[tuple[str, str, int]] = field(default_factory=list)

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
    return Imports(
        store=store,
        tracking=tracking,
        service=service,
        queue=queue,
        quarantining=Quarantine(store=store, tracking=tracking, meter=meter, clock=clock, bucket=UPLOADS),
        meter=meter,
        clock=clock,
        bucket=UPLOADS,
        datastore_id=STORE_ID,
        quiet_seconds=5,
    )


def member(
    tracking: DynamoTrackingTable, name: str, *, image: str = "", content: str = "", at: str = T0
) -> TrackedImage:
    """A validated image of the study."""
    key = f"validated/{STUDY}/{image or name}.dcm"
    tracking.register(TrackedImage(object_id=name, upload_key=f"upload/{name}.dcm", etag="e" + name, received_at=T0))
    changes = {
        "study_key": STUDY,
        "image_key": image or name,
        "validated_key": key,
        "validated_at": at,
        "content_sha256": content or name,
        "size_bytes": 10,
    }
    assert tracking.advance(name, "VALIDATED", changes, at)
    found = tracking.get(name)
    assert found is not None
    return found


def job(job_id: str = "job0", status: str = "COMPLETED", *, folder: bool = True) -> ImportJob:
    own = f"{STORE_ID}-DicomImport-{job_id}/"
    output = f"s3://{UPLOADS}/import-output/{own if folder else ''}"
    return ImportJob(job_id=job_id, status=status, input_uri=f"s3://{UPLOADS}/validated/{STUDY}/", output_uri=output)


def write_output(s3: Any, kind: str, lines: list[dict[str, Any]], job_id: str = "job0") -> None:
    key = f"import-output/{STORE_ID}-DicomImport-{job_id}/{kind.upper()}/{kind}.ndjson"
    s3.put_object(Bucket=UPLOADS, Key=key, Body="\n".join(json.dumps(line) for line in lines).encode())


def success(name: str, primary: bool = True, prefix: str = f"validated/{STUDY}/") -> dict[str, Any]:
    return {"inputFile": f"{prefix}{name}.dcm", "importResponse": {"imageSetId": "set1", "isPrimary": primary}}


def failure(name: str, kind: str = "ValidationException") -> dict[str, Any]:
    return {
        "inputFile": f"validated/{STUDY}/{name}.dcm",
        "exception": {"exceptionType": kind, "message": "quotes Zyxwvut^Qwerta"},
    }


def ask(imports: Imports, at: str = T1) -> str:
    return imports.request(ImportRequest(study_key=STUDY, enqueued_at=at))


def test_a_quiet_study_is_imported_once_however_often_the_message_comes(
    imports: Imports, tracking: Any, service: FakeService, meter: Any
) -> None:
    member(tracking, "m1")
    member(tracking, "m2")
    assert [ask(imports), ask(imports), ask(imports)] == ["started", "already-started", "already-started"]
    assert service.starts == 1
    assert {tracking.get(name).import_job_id for name in ("m1", "m2")} == {"job0"}
    assert meter.counts == {"ImportJobStarted": 1}


def test_a_message_older_than_the_newest_member_is_dropped(
    imports: Imports, tracking: Any, service: FakeService
) -> None:
    member(tracking, "m1")
    member(tracking, "m2", at="2026-11-21T12:00:05.000000Z")
    assert ask(imports, T1) == "superseded"
    assert ask(imports, "2026-11-21T12:00:06.000000Z") == "started"
    assert service.starts == 1


def test_an_import_that_ends_meanwhile_does_not_swallow_a_late_arrival(
    imports: Imports, tracking: Any, service: FakeService, s3: Any, clock: Any
) -> None:
    member(tracking, "m1")
    ask(imports)
    member(tracking, "m2", at=T1)
    clock.forward(100)  # m1's update by the finished job is now newer than m2's message
    write_output(s3, "success", [success("m1")])
    imports.finished(job())
    assert ask(imports, T1) == "started"
    assert service.starts == 2


def test_a_crash_after_the_start_starts_no_second_job(
    imports: Imports, tracking: Any, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    member(tracking, "m1")

    def crash(*_: Any) -> None:
        raise TransientError("InternalServerError", "table away")

    with monkeypatch.context() as patched:
        patched.setattr(tracking, "annotate", crash)
        with pytest.raises(TransientError):
            ask(imports)
    assert ask(imports) == "started"
    assert (service.starts, len(service.jobs)) == (2, 1), "the client token makes the second start the same job"


def test_a_throttled_start_waits_in_the_queue_with_its_old_time(
    imports: Imports, tracking: Any, service: FakeService, queue: FakeQueue, meter: Any
) -> None:
    member(tracking, "m1")
    service.throttled = True
    assert ask(imports) == "throttled"
    assert queue.sent == [(STUDY, T1, 30)]
    assert "DataStoreErrors" not in meter.counts


def test_a_study_the_index_does_not_show_comes_again(imports: Imports) -> None:
    with pytest.raises(TransientError):
        ask(imports)


def test_the_same_content_sent_twice_is_not_imported_twice(
    imports: Imports, tracking: Any, service: FakeService, s3: Any
) -> None:
    member(tracking, "m1", image="i1", content="c1")
    ask(imports)
    write_output(s3, "success", [success("i1")])
    imports.finished(job())
    member(tracking, "m2", image="i1", content="c1")
    assert ask(imports) == "nothing-to-import"
    assert service.starts == 1
    assert (tracking.get("m2").status, tracking.get("m2").image_set_id) == ("IMPORTED", "set1")


def test_another_content_under_the_same_image_is_imported_again(
    imports: Imports, tracking: Any, service: FakeService, s3: Any
) -> None:
    member(tracking, "m1", image="i1", content="c1")
    ask(imports)
    write_output(s3, "success", [success("i1")])
    imports.finished(job())
    member(tracking, "m2", image="i1", content="c2")
    assert ask(imports) == "started"
    assert service.starts == 2


@pytest.mark.parametrize("folder", [True, False], ids=["with job folder", "without job folder"])
@pytest.mark.parametrize(
    "prefix", [f"validated/{STUDY}/", "", f"s3://{UPLOADS}/validated/{STUDY}/"], ids=["key", "name", "uri"]
)
def test_a_finished_job_gives_every_file_its_state(
    imports: Imports, tracking: Any, s3: Any, folder: bool, prefix: str
) -> None:
    for name in ("m1", "m2", "m3"):
        member(tracking, name)
    write_output(s3, "success", [success("m1", prefix=prefix), success("m2", primary=False, prefix=prefix)])
    write_output(s3, "failure", [failure("m3")])
    assert imports.finished(job(folder=folder)) == {"imported": 2, "failed": 1, "requeued": 0}
    states = {name: tracking.get(name) for name in ("m1", "m2", "m3")}
    assert [states[name].status for name in states] == ["IMPORTED", "IMPORTED", "QUARANTINED"]
    assert [states["m1"].is_primary, states["m2"].is_primary] == [True, False]
    assert states["m3"].reason_code == "IMPORT_FAILED"
    assert "Zyxwvut" not in states["m3"].reason


def test_a_repeated_or_late_finish_moves_nothing_back(imports: Imports, tracking: Any, s3: Any, meter: Any) -> None:
    member(tracking, "m1")
    write_output(s3, "success", [success("m1")])
    imports.finished(job())
    before = (tracking.get("m1"), dict(meter.counts))
    write_output(s3, "failure", [failure("m1")], job_id="job1")
    imports.finished(job())
    imports.finished(job("job1", "FAILED"))
    assert (tracking.get("m1"), meter.counts) == before


def test_a_fault_of_the_service_is_tried_again_and_gives_up_at_last(
    imports: Imports, tracking: Any, s3: Any, queue: FakeQueue
) -> None:
    member(tracking, "m1")
    for number, expected in enumerate(["requeued", "requeued", "failed"]):
        ask(imports)
        write_output(s3, "failure", [failure("m1", "InternalServerException")], job_id=f"job{number}")
        assert imports.finished(job(f"job{number}"))[expected] == 1
    assert tracking.get("m1").status == "QUARANTINED"
    assert len(queue.sent) == 2


def test_a_job_that_failed_as_a_whole_is_tried_again_for_its_members_only(
    imports: Imports, tracking: Any, queue: FakeQueue
) -> None:
    member(tracking, "m1")
    ask(imports)
    member(tracking, "m2")  # came later: the failed job never saw it
    assert imports.finished(job(status="FAILED")) == {"imported": 0, "failed": 0, "requeued": 1}
    assert [tracking.get(name).import_attempts for name in ("m1", "m2")] == [1, 0]


def test_a_lost_finish_event_is_made_good_by_the_next_message(
    imports: Imports, tracking: Any, s3: Any, service: FakeService
) -> None:
    member(tracking, "m1")
    ask(imports)
    write_output(s3, "success", [success("m1")])
    service.states["job0"] = job()
    assert ask(imports) == "finished"
    assert tracking.get("m1").status == "IMPORTED"


def test_output_that_is_not_readable_yet_is_asked_for_again(imports: Imports, tracking: Any) -> None:
    member(tracking, "m1")
    with pytest.raises(TransientError):
        imports.finished(job())
    assert tracking.get("m1").status == "VALIDATED"


def test_files_the_index_lacks_do_not_hold_up_the_others(imports: Imports, tracking: Any, s3: Any) -> None:
    member(tracking, "m1")
    write_output(s3, "success", [success("m1"), success("stranger")])
    with pytest.raises(TransientError):
        imports.finished(job())
    assert tracking.get("m1").status == "IMPORTED"


def test_somebody_elses_import_is_none_of_ours(imports: Imports) -> None:
    foreign = ImportJob(job_id="x", status="COMPLETED", input_uri="s3://elsewhere/x/", output_uri="s3://elsewhere/y/")
    assert imports.finished(foreign) == {"imported": 0, "failed": 0, "requeued": 0}


def test_the_client_token_fits_the_api_and_depends_on_content_only(tracking: Any) -> None:
    one, two = member(tracking, "m1"), member(tracking, "m2", image="m1", content="m1")
    token = import_token(STUDY, [one], 0)
    assert len(token) == 64
    assert token == import_token(STUDY, [two, one], 0)
    assert token != import_token(STUDY, [one], 1)
