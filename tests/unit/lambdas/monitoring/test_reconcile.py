# ruff: noqa: PLR0917 - fixtures arrive as arguments, fakes have the service's argument names
"""Reconciling: nothing acknowledged is lost, what stopped is driven again, and every stage has to agree."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_shared.tracking import object_id
from monitoring.adapters import HealthImagingArchive, S3Copies, S3Reports, S3Uploads
from monitoring.ports import Upload
from monitoring.reconcile import Reconciler
from monitoring.report import MAX_LISTED, SENTENCES, Difference, Report

UPLOADS = "proj-local-training-data-111122223333"
RESEARCH = "proj-local-preprocessed-111122223333"
LONG_AGO = "2026-11-01T00:00:00.000000Z"
STUDY = "a" * 32


@dataclass
class Recorder:
    """The workflow, the bus and the archive."""

    started: list[list[str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    queued: list[str] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    sets: dict[str, int] = field(default_factory=dict)

    def start(self, uploads: list[Upload], name: str) -> bool:
        fresh = name not in self.names
        self.names.add(name)
        if fresh:
            self.started.append([upload.key for upload in uploads])
        return fresh

    def queue_import(self, study_key: str, enqueued_at: str) -> None:
        self.queued.append(study_key)

    def publish(self, data: Any, event_id: str) -> None:
        self.events.append(data)

    def instances(self, image_set_id: str) -> int | None:
        return self.sets.get(image_set_id)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def reconciler(s3: Any, tracking: Any, recorder: Recorder, meter: Any, clock: Any) -> Reconciler:
    clock.moment = datetime.now(UTC) + timedelta(hours=1)  # the mocked S3 dates objects by the machine's clock
    return Reconciler(
        uploads=S3Uploads(s3, UPLOADS),
        copies=S3Copies(s3, phi_bucket=UPLOADS, research_bucket=RESEARCH),
        tracking=tracking,
        workflow=recorder,
        archive=recorder,
        reports=S3Reports(s3, UPLOADS),
        publisher=recorder,
        meter=meter,
        clock=clock,
        bucket=UPLOADS,
        grace_seconds=900,
    )


@pytest.fixture
def upload(s3: Any, tracking_table: Any) -> Any:
    """Makes an object below upload/ and its tracked item (none without a status)."""

    def make(name: str, status: str | None, **values: Any) -> str:
        etag = s3.put_object(Bucket=UPLOADS, Key=f"upload/{name}", Body=name.encode())["ETag"].strip('"')
        identity = object_id(UPLOADS, f"upload/{name}", etag)
        if status:
            item = {"object_id": identity, "upload_key": f"upload/{name}", "etag": etag, "status": status}
            tracking_table.put_item(Item={**item, "updated_at": LONG_AGO, "size_bytes": 1, **values})
        return identity

    return make


@pytest.fixture
def imported(s3: Any, upload: Any, recorder: Recorder) -> Any:
    """Makes an image that went all the way, with its copies and its place in the archive."""

    def make(name: str, **values: Any) -> str:
        kept = {"validated_key": f"validated/{STUDY}/{name}.dcm", "processed_key": f"deidentified/p/{STUDY}/{name}.dcm"}
        s3.put_object(Bucket=UPLOADS, Key=kept["validated_key"], Body=b"v")
        s3.put_object(Bucket=RESEARCH, Key=kept["processed_key"], Body=b"d")
        recorder.sets["set1"] = recorder.sets.get("set1", 0) + 1
        facts = {"study_key": STUDY, "patient_key": "p", "image_key": name, "image_set_id": "set1"}
        return upload(name, "IMPORTED", deid_status="DEIDENTIFIED", **{**facts, **kept, **values})

    return make


def report_of(s3: Any, answer: dict[str, object]) -> dict[str, Any]:
    return json.loads(s3.get_object(Bucket=UPLOADS, Key=str(answer["report"]))["Body"].read())


def test_everything_without_a_final_state_is_driven_again_where_it_stopped(
    reconciler: Reconciler, s3: Any, upload: Any, recorder: Recorder, meter: Any
) -> None:
    upload("imported", "IMPORTED", deid_status="REFUSED")
    upload("quarantined", "QUARANTINED")
    upload("never-seen", None)
    upload("received", "RECEIVED")
    upload("no-deid", "VALIDATED", deid_status="PENDING", study_key="s1")
    upload("overtaken", "IMPORTED", deid_status="PENDING", study_key="s3")
    upload("no-import-1", "VALIDATED", deid_status="DEIDENTIFIED", study_key="s2")
    upload("no-import-2", "VALIDATED", deid_status="REFUSED", study_key="s2")
    answer = reconciler.run()
    assert {name: answer[name] for name in ("received", "imported", "quarantined", "redriven", "missing")} == {
        "received": 8,
        "imported": 2,
        "quarantined": 1,
        "redriven": 5,
        "missing": 0,
    }
    assert recorder.started == [["upload/never-seen", "upload/no-deid", "upload/overtaken", "upload/received"]]
    assert recorder.queued == ["s2"]
    assert report_of(s3, answer)["differences_by_kind"] == {"not-deidentified": 1, "not-final": 4, "not-tracked": 1}
    assert meter.counts["ReconcileRedriven"] == 5
    assert meter.counts["StorageBytes"] > 0
    assert recorder.events[0].metric == "ReconcileDifferences"


def test_when_every_stage_agrees_nobody_is_told(
    reconciler: Reconciler, s3: Any, imported: Any, recorder: Recorder, meter: Any
) -> None:
    imported("i1")
    imported("i2", is_primary=False)
    answer = reconciler.run(full=True)
    assert answer["clean"] is True
    assert (answer["validated"], answer["deidentified"], answer["indexed"], answer["non_primary"]) == (2, 2, 2, 1)
    assert recorder.events == []
    assert meter.counts["ReconcileDifferences"] == 0
    text = s3.get_object(Bucket=UPLOADS, Key=str(answer["report"]).replace(".json", ".txt"))["Body"].read().decode()
    assert "Every stage agrees." in text


def drop_validated(s3: Any, **_: Any) -> None:
    s3.delete_object(Bucket=UPLOADS, Key=f"validated/{STUDY}/i1.dcm")


def drop_research(s3: Any, **_: Any) -> None:
    s3.delete_object(Bucket=RESEARCH, Key=f"deidentified/p/{STUDY}/i1.dcm")


def drop_image_set(recorder: Recorder, **_: Any) -> None:
    del recorder.sets["set1"]


def drop_instance(recorder: Recorder, **_: Any) -> None:
    recorder.sets["set1"] -= 1


def double_instance(recorder: Recorder, **_: Any) -> None:
    recorder.sets["set1"] += 1


DAMAGES = [
    (drop_validated, {"not-validated": 1}),
    (drop_research, {"not-deidentified": 1}),
    (drop_image_set, {"not-imported": 2}),
    (drop_instance, {"archive-lacks": 1}),
    (double_instance, {"archive-exceeds": 1}),
]


@pytest.mark.parametrize(("damage", "expected"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_the_tables_word_is_checked_against_what_is_there(
    reconciler: Reconciler, s3: Any, imported: Any, recorder: Recorder, damage: Any, expected: dict[str, int]
) -> None:
    imported("i1")
    imported("i2")
    damage(s3=s3, recorder=recorder)
    answer = reconciler.run(full=True)
    assert report_of(s3, answer)["differences_by_kind"] == expected
    assert recorder.events[0].detail == ", ".join(f"{number} {kind}" for kind, number in expected.items())


def test_an_image_that_the_index_does_not_show_is_a_difference(
    reconciler: Reconciler, s3: Any, imported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = imported("i1")
    monkeypatch.setattr(reconciler.tracking, "study_members", lambda study_key: [])
    (difference,) = report_of(s3, reconciler.run(full=True))["differences"]
    assert (difference["kind"], difference["subject"]) == ("not-indexed", identity)


def test_every_night_only_what_changed_lately_is_verified(reconciler: Reconciler, imported: Any, clock: Any) -> None:
    imported("old")
    assert reconciler.run()["verified_studies"] == 0
    imported("new", updated_at=clock.moment.isoformat().replace("+00:00", "Z"))
    assert reconciler.run()["verified_studies"] == 1
    assert reconciler.run(full=True)["verified_studies"] == 1


@pytest.mark.parametrize(("grace", "redriven"), [(None, 0), (0, 2)], ids=["the stack's own", "none"])
def test_what_is_on_its_way_is_left_alone_for_the_grace_time(
    reconciler: Reconciler, upload: Any, clock: Any, grace: int | None, redriven: int
) -> None:
    clock.moment = datetime.now(UTC) + timedelta(seconds=60)
    upload("fresh", None)
    earlier = clock.moment - timedelta(seconds=1)
    upload("busy", "RECEIVED", updated_at=earlier.isoformat().replace("+00:00", "Z"))
    assert reconciler.run(grace_seconds=grace)["redriven"] == redriven


def test_a_second_run_in_the_same_hour_starts_nothing_twice(
    reconciler: Reconciler, upload: Any, recorder: Recorder
) -> None:
    upload("received", "RECEIVED")
    assert [reconciler.run()["redriven"], reconciler.run()["redriven"]] == [1, 0]
    assert len(recorder.started) == 1


def test_a_tracked_object_that_is_no_current_upload_is_missing_and_driven(
    reconciler: Reconciler, s3: Any, upload: Any, recorder: Recorder, meter: Any
) -> None:
    upload("lost", "RECEIVED")
    s3.delete_object(Bucket=UPLOADS, Key="upload/lost")
    answer = reconciler.run()
    assert (answer["missing"], answer["redriven"]) == (1, 1)
    assert recorder.started == [["upload/lost"]]
    assert meter.counts["ReconcileMissing"] == 1


def test_many_uploads_go_in_batches(reconciler: Reconciler, upload: Any, recorder: Recorder) -> None:
    for number in range(120):
        upload(f"u{number:03d}", None)
    assert reconciler.run()["redriven"] == 120
    assert [len(batch) for batch in recorder.started] == [100, 20]


def test_a_report_of_many_differences_stays_within_bounds_and_explains_each_kind() -> None:
    report = Report(at=LONG_AGO, full=True)
    report.differences = [Difference(kind=kind, subject=f"{n:032x}") for kind in SENTENCES for n in range(200)]
    document = json.loads(report.as_json())
    assert len(document["differences"]) == MAX_LISTED
    assert document["counts"]["differences"] == 200 * len(SENTENCES)
    assert all(sentence in report.as_text() for sentence in SENTENCES.values())


def metadata(instances: list[int]) -> dict[str, Any]:
    series = {str(number): {"Instances": dict.fromkeys(range(count))} for number, count in enumerate(instances)}
    body = gzip.compress(json.dumps({"Study": {"Series": series}}).encode())
    return {"imageSetMetadataBlob": io.BytesIO(body)}


def test_the_archive_counts_instances_of_all_series() -> None:
    client = SimpleNamespace(get_image_set_metadata=lambda **_: metadata([3, 2]))
    assert HealthImagingArchive(client, "d" * 32).instances("i1") == 5


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_an_image_set_that_is_not_there_is_none_and_a_refusal_is_an_error(code: str) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetImageSetMetadata")

    archive = HealthImagingArchive(SimpleNamespace(get_image_set_metadata=refuse), "d" * 32)
    if code == "ResourceNotFoundException":
        assert archive.instances("i1") is None
    else:
        with pytest.raises(ClientError):
            archive.instances("i1")
