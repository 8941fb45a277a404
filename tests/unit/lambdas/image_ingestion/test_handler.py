"""The entry point: dispatch, partial batch failures, and errors that say nothing about a patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from image_ingestion import handler as module
from image_ingestion import wiring
from lambda_shared.errors import InvalidEventError, UnexpectedError

UPLOADS = "proj-local-training-data-111122223333"
CONTEXT = SimpleNamespace(
    function_name="image-ingestion",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:image-ingestion",
    aws_request_id="r-1",
    get_remaining_time_in_millis=lambda: 10_000,
)


@pytest.fixture
def deployed(s3: Any, tracking: Any, import_queue: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function with its environment, over the mocked AWS."""
    secret = boto3.client("secretsmanager").create_secret(Name="pseudonym-key", SecretString="5a" * 32)
    values = {
        "TRAINING_DATA_BUCKET": UPLOADS,
        "PREPROCESSED_BUCKET": "proj-local-preprocessed-111122223333",
        "TRACKING_TABLE": "image-tracking",
        "PSEUDONYM_KEY_SECRET_ARN": secret["ARN"],
        "DATASTORE_ID": "d" * 32,
        "IMPORT_ROLE_ARN": "arn:aws:iam::111122223333:role/import",
        "IMPORT_QUEUE_URL": import_queue,
        "UPLOAD_QUEUE_URL": boto3.client("sqs").create_queue(QueueName="upload")["QueueUrl"],
        "INGESTION_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:111122223333:stateMachine:ingestion",
        "OBJECTS_PER_EXECUTION": "100",
        "IMPORT_QUIET_SECONDS": "5",
        "KEEP_PATIENT_CHARACTERISTICS": "true",
        "MAX_OBJECT_BYTES": "100000",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    wiring.forget()
    yield module.handler
    wiring.forget()


def put(s3: Any, data: bytes) -> dict[str, Any]:
    answer = s3.put_object(Bucket=UPLOADS, Key="upload/0a.dcm", Body=data)
    return {"bucket": UPLOADS, "key": "upload/0a.dcm", "etag": answer["ETag"].strip('"'), "size": len(data)}


def test_the_workflow_walks_an_image_through_all_operations(
    deployed: Any, s3: Any, tracking: Any, make_dicom: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = put(s3, make_dicom())
    validated = deployed({"operation": "validate", "object": reference}, CONTEXT)
    identity = {"object": reference, "object_id": validated["object_id"]}
    assert deployed({"operation": "deidentify", **identity}, CONTEXT)["deid_status"] == "DEIDENTIFIED"
    assert deployed({"operation": "queue-import", **identity}, CONTEXT)["queued"] is True
    assert tracking.get(validated["object_id"]).deid_status == "DEIDENTIFIED"
    emitted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert emitted[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0] == [], "alarms read it without a dimension"
    assert emitted[0]["IngestionAccepted"] == [1.0]


@pytest.mark.parametrize("error", ["States.Timeout", {"Error": "States.Timeout", "Cause": "x"}], ids=["name", "object"])
def test_the_catch_path_quarantines(deployed: Any, s3: Any, make_dicom: Any, tracking: Any, error: Any) -> None:
    answer = deployed({"operation": "quarantine", "object": put(s3, make_dicom()), "error": error}, CONTEXT)
    assert answer["valid"] is False
    assert "States.Timeout" in tracking.get(answer["object_id"]).reason


@pytest.mark.parametrize(
    "event",
    [{}, {"operation": "drop-table"}, {"operation": "validate"}, {"operation": "validate", "object": {"bucket": "B!"}}],
    ids=["empty", "unknown operation", "no object", "bad bucket"],
)
def test_an_event_of_another_shape_is_refused_without_repeating_it(deployed: Any, event: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError) as refusal:
        deployed(event, CONTEXT)
    assert "drop-table" not in str(refusal.value)
    assert "B!" not in str(refusal.value)


def test_queue_records_go_to_the_consumer(deployed: Any) -> None:
    answer = deployed({"Records": [{"messageId": "1", "body": "no json"}]}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_an_import_event_is_passed_on(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(
        module, "imports", lambda: SimpleNamespace(finished=lambda job: seen.append(job) or {"imported": 0})
    )
    detail = {
        "imagingVersion": "1.0",
        "datastoreId": "d" * 32,
        "jobId": "j1",
        "jobName": "n",
        "jobStatus": "COMPLETED",
        "inputS3Uri": "s3://b/import-input/x/",
        "outputS3Uri": "s3://b/out/",
    }
    deployed({"source": "aws.medical-imaging", "detail-type": "Import Job Completed", "detail": detail}, CONTEXT)
    assert (seen[0].job_id, seen[0].status) == ("j1", "COMPLETED")


def test_an_unforeseen_error_leaves_the_function_without_its_text(
    deployed: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: Any) -> None:
        raise ValueError("could not read Zyxwvut^Qwerta born 19620807")

    monkeypatch.setattr(module, "ingestion", lambda: SimpleNamespace(validate=defect))
    event = {"operation": "validate", "object": {"bucket": UPLOADS, "key": "upload/a"}}
    with pytest.raises(UnexpectedError) as failure:
        deployed(event, CONTEXT)
    logged = [str(vars(record)) for record in caplog.records if record.name != "botocore"]
    assert any("unexpectedly" in line and "ValueError" in line for line in logged)
    assert "Zyxwvut" not in str(failure.value) + "".join(logged)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None, "the runtime would print the chain"
