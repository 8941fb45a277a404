# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""The four workflow operations on real buckets and tables (mocked), with real and hostile objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from image_ingestion.adapters import S3Store, SqsImportQueue
from image_ingestion.library import DicomLibrary
from image_ingestion.models import ObjectReference
from image_ingestion.quarantine import Quarantine
from image_ingestion.service import Ingestion
from lambda_shared.errors import InvalidEventError, NotFoundError, TransientError
from lambda_shared.tracking import object_id

UPLOADS = "proj-local-training-data-111122223333"
RESEARCH = "proj-local-preprocessed-111122223333"
PLANTED = (b"MRN-0042", b"Zyxwvut", b"Qwerta", b"19620807", b"ACC77001", b"1.2.826.0.1.3680043.8.498")


@pytest.fixture
def ingestion(s3: Any, tracking: Any, import_queue: str, meter: Any, clock: Any) -> Ingestion:
    store = S3Store(s3)
    return Ingestion(
        store=store,
        library=DicomLibrary(lambda: "5a" * 32, keep_patient_characteristics=False),
        tracking=tracking,
        queue=SqsImportQueue(boto3.client("sqs"), import_queue),
        quarantining=Quarantine(store=store, tracking=tracking, meter=meter, clock=clock, bucket=UPLOADS),
        meter=meter,
        clock=clock,
        upload_bucket=UPLOADS,
        research_bucket=RESEARCH,
        max_object_bytes=100_000,
        quiet_seconds=5,
    )


@pytest.fixture
def upload(s3: Any) -> Callable[..., ObjectReference]:
    def put(data: bytes, key: str = "upload/0a.dcm") -> ObjectReference:
        answer = s3.put_object(Bucket=UPLOADS, Key=key, Body=data, Metadata={"sender": "Zyxwvut^Qwerta"})
        return ObjectReference(bucket=UPLOADS, key=key, etag=answer["ETag"].strip('"'), size=len(data))

    return put


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def test_a_sound_image_is_copied_byte_for_byte_and_recorded_by_pseudonym(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, meter: Any, make_dicom: Any
) -> None:
    data = make_dicom()
    answer = ingestion.validate(upload(data))
    tracked = tracking.get(answer["object_id"])
    assert answer == {"object_id": tracked.object_id, "valid": True, "study_key": tracked.study_key}
    assert (tracked.status, tracked.modality, tracked.rows, tracked.frames) == ("VALIDATED", "CT", 8, 1)
    copy = s3.get_object(Bucket=UPLOADS, Key=f"validated/{tracked.study_key}/{tracked.image_key}.dcm")
    assert copy["Body"].read() == data
    assert copy["Metadata"] == {}, "a sender's metadata may name a person"
    assert meter.counts == {"IngestionAccepted": 1}


def test_repeating_every_operation_changes_nothing(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, meter: Any, clock: Any, make_dicom: Any
) -> None:
    reference = upload(make_dicom())
    first = ingestion.validate(reference)
    ingestion.deidentify(reference, first["object_id"])
    before = (tracking.get(first["object_id"]), keys(s3, UPLOADS), keys(s3, RESEARCH), dict(meter.counts))
    clock.forward(60)
    assert ingestion.validate(reference) == first
    assert ingestion.deidentify(reference, first["object_id"])["deid_status"] == "DEIDENTIFIED"
    assert len(ingestion.tracking.get(first["object_id"]).pixel_sha256) == 64, "what a label will hold for"
    assert (tracking.get(first["object_id"]), keys(s3, UPLOADS), keys(s3, RESEARCH), meter.counts) == before


def test_the_research_copy_has_no_planted_identifier_in_its_bytes_or_its_name(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, make_dicom: Any
) -> None:
    reference = upload(make_dicom())
    answer = ingestion.validate(reference)
    ingestion.deidentify(reference, answer["object_id"])
    tracked = tracking.get(answer["object_id"])
    assert keys(s3, RESEARCH) == [f"deidentified/{tracked.patient_key}/{tracked.study_key}/{tracked.image_key}.dcm"]
    clean = s3.get_object(Bucket=RESEARCH, Key=tracked.processed_key)["Body"].read()
    assert clean[128:132] == b"DICM"
    for planted in PLANTED:
        assert planted not in clean
        assert planted not in repr(tracked).encode()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "EMPTY"),
    "text": (b"this is no image" * 20, "NOT_DICOM"),
    "too large": (b"\0" * 100_001, "TOO_LARGE"),
    "header only": (b"\0" * 128 + b"DICM", ""),
}


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_upload_ends_in_quarantine_with_a_reason_beside_it(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, meter: Any, data: bytes, code: str
) -> None:
    answer = ingestion.validate(upload(data))
    tracked = tracking.get(answer["object_id"])
    assert answer["valid"] is False
    assert answer["reason_code"] == tracked.reason_code
    if code:
        assert tracked.reason_code == code
    target = f"quarantine/{tracked.object_id}"
    assert s3.get_object(Bucket=UPLOADS, Key=target)["Body"].read() == data
    reason = json.loads(s3.get_object(Bucket=UPLOADS, Key=f"{target}.reason.json")["Body"].read())
    assert (reason["code"], reason["object_id"]) == (tracked.reason_code, tracked.object_id)
    assert keys(s3, UPLOADS, "upload/") == ["upload/0a.dcm"], "the upload is the durable record"
    assert keys(s3, UPLOADS, "validated/") == []
    assert meter.counts == {"IngestionQuarantined": 1}


def test_a_truncated_image_is_quarantined_without_quoting_it(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, make_dicom: Any
) -> None:
    answer = ingestion.validate(upload(make_dicom()[:-40]))
    reason = s3.get_object(Bucket=UPLOADS, Key=f"quarantine/{answer['object_id']}.reason.json")["Body"].read()
    assert answer["valid"] is False
    for planted in PLANTED:
        assert planted not in reason
        assert planted not in repr(tracking.get(answer["object_id"])).encode()


def test_an_overwritten_upload_is_read_by_its_own_version(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, make_dicom: Any
) -> None:
    first_data = make_dicom()
    first = upload(first_data)
    second = upload(make_dicom(SOPInstanceUID="1.2.826.0.1.3680043.8.498.1.1.2"))
    identities = {ingestion.validate(second)["object_id"], ingestion.validate(first)["object_id"]}
    assert len(identities) == 2
    tracked = tracking.get(object_id(UPLOADS, first.key, first.etag))
    assert s3.get_object(Bucket=UPLOADS, Key=tracked.validated_key)["Body"].read() == first_data
    assert len(keys(s3, UPLOADS, "validated/")) == 2


def test_a_deleted_upload_is_still_found_as_a_version(
    ingestion: Ingestion, upload: Any, s3: Any, make_dicom: Any
) -> None:
    reference = upload(make_dicom())
    s3.delete_object(Bucket=UPLOADS, Key=reference.key)
    assert ingestion.validate(reference)["valid"] is True


def test_an_upload_that_is_gone_gets_a_final_state_too(ingestion: Ingestion, tracking: Any, s3: Any) -> None:
    answer = ingestion.validate(ObjectReference(bucket=UPLOADS, key="upload/gone.dcm", etag="ab", size=3))
    assert answer["reason_code"] == "OBJECT_MISSING"
    assert tracking.get(answer["object_id"]).status == "QUARANTINED"
    assert keys(s3, UPLOADS) == [f"quarantine/{answer['object_id']}.reason.json"]


def test_without_an_etag_the_current_version_is_meant(ingestion: Ingestion, upload: Any, make_dicom: Any) -> None:
    reference = upload(make_dicom())
    by_hand = ObjectReference(bucket=UPLOADS, key=reference.key)
    assert ingestion.validate(by_hand) == ingestion.validate(reference)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [(UPLOADS, "validated/a/b.dcm"), (RESEARCH, "upload/a.dcm")],
    ids=["other folder", "other bucket"],
)
def test_objects_outside_the_upload_folder_are_refused(ingestion: Ingestion, bucket: str, key: str) -> None:
    with pytest.raises(InvalidEventError):
        ingestion.validate(ObjectReference(bucket=bucket, key=key, etag="ab"))


def test_a_deidentification_refusal_does_not_stop_the_clinical_import(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, meter: Any, make_dicom: Any, import_queue: str
) -> None:
    reference = upload(make_dicom(BurnedInAnnotation="YES"))
    identity = ingestion.validate(reference)["object_id"]
    assert ingestion.deidentify(reference, identity)["deid_status"] == "REFUSED"
    assert ingestion.queue_import(reference, identity) == {"object_id": identity, "queued": True}
    tracked = tracking.get(identity)
    assert (tracked.status, tracked.deid_status, tracked.deid_reason) == (
        "VALIDATED",
        "REFUSED",
        "BURNED_IN_ANNOTATION",
    )
    assert keys(s3, RESEARCH) == []
    assert meter.counts["DeidentificationRefused"] == 1


def test_a_defect_of_the_deidentifier_is_a_refusal_and_a_storage_fault_is_not(
    ingestion: Ingestion, upload: Any, tracking: Any, make_dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = upload(make_dicom())
    identity = ingestion.validate(reference)["object_id"]

    def fault(*_: Any) -> None:
        raise TransientError("SlowDown", "later")

    with monkeypatch.context() as patched:
        patched.setattr(ingestion.store, "put", fault)
        with pytest.raises(TransientError):
            ingestion.deidentify(reference, identity)
    assert tracking.get(identity).deid_status == "PENDING"

    def defect(_: bytes) -> bytes:
        raise ZeroDivisionError("quotes Zyxwvut^Qwerta")

    monkeypatch.setattr(ingestion.library, "deidentify", defect)
    assert ingestion.deidentify(reference, identity)["deid_status"] == "REFUSED"
    assert tracking.get(identity).deid_reason == "DEIDENTIFIER_FAILED"


def test_queue_import_sends_the_study_with_the_quiet_delay(
    ingestion: Ingestion, upload: Any, tracking: Any, make_dicom: Any, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    sent: list[tuple[str, str, int, str]] = []
    monkeypatch.setattr(ingestion.queue, "send", lambda *message: sent.append(message))
    reference = upload(make_dicom())
    identity = ingestion.validate(reference)["object_id"]
    ingestion.queue_import(reference, identity)
    assert sent == [(tracking.get(identity).study_key, "2026-11-21T12:00:00.000000Z", 5, identity)]


def test_the_last_resort_quarantines_with_the_error_name_only(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, make_dicom: Any
) -> None:
    answer = ingestion.quarantine(upload(make_dicom()), "Weird Zyxwvut^Qwerta 1")
    tracked = tracking.get(answer["object_id"])
    assert (tracked.status, tracked.reason_code) == ("QUARANTINED", "PROCESSING_FAILED")
    assert "^" not in tracked.reason
    assert f"quarantine/{tracked.object_id}" in keys(s3, UPLOADS)
    assert ingestion.validate(ObjectReference(bucket=UPLOADS, key="upload/0a.dcm"))["valid"] is False


def test_the_last_resort_imports_a_sound_object_without_a_research_copy(
    ingestion: Ingestion, upload: Any, tracking: Any, make_dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(ingestion.queue, "send", lambda *message: sent.append(message))
    reference = upload(make_dicom())
    identity = ingestion.validate(reference)["object_id"]
    assert ingestion.quarantine(reference, "Sandbox.Timedout")["valid"] is True
    tracked = tracking.get(identity)
    assert (tracked.status, tracked.deid_status) == ("VALIDATED", "REFUSED")
    assert tracked.deid_reason == "PROCESSING_FAILED Sandbox.Timedout"
    assert len(sent) == 1, "the clinical copy goes on"


def test_an_imported_object_is_never_moved_to_quarantine(
    ingestion: Ingestion, upload: Any, s3: Any, tracking: Any, make_dicom: Any
) -> None:
    reference = upload(make_dicom())
    identity = ingestion.validate(reference)["object_id"]
    assert tracking.advance(identity, "IMPORTED", {"image_set_id": "x"}, "2026-11-21T12:00:01.000000Z")
    ingestion.quarantine(reference, "States.Timeout")
    assert tracking.get(identity).status == "IMPORTED"
    assert keys(s3, UPLOADS, "quarantine/") == []


def test_an_object_id_of_another_object_is_refused(ingestion: Ingestion, upload: Any, make_dicom: Any) -> None:
    identity = ingestion.validate(upload(make_dicom()))["object_id"]
    stranger = ObjectReference(bucket=UPLOADS, key="upload/other.dcm", etag="ab")
    with pytest.raises(InvalidEventError):
        ingestion.deidentify(stranger, identity)
    with pytest.raises(NotFoundError):
        ingestion.queue_import(stranger, None)


def test_a_crash_between_copy_and_status_is_repaired_by_the_retry(
    ingestion: Ingestion, upload: Any, tracking: Any, make_dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = upload(make_dicom())

    def crash(*_: Any) -> bool:
        raise TransientError("InternalServerError", "table away")

    with monkeypatch.context() as patched:
        patched.setattr(tracking, "advance", crash)
        with pytest.raises(TransientError):
            ingestion.validate(reference)
    identity = object_id(UPLOADS, reference.key, reference.etag)
    assert tracking.get(identity).status == "RECEIVED"
    assert ingestion.validate(reference)["valid"] is True
    assert tracking.get(identity).status == "VALIDATED"
