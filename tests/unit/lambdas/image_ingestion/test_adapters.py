"""The adapters: HealthImaging's request, its throttling, and S3's answers for what changed or is not there."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from image_ingestion.adapters import HealthImagingImports, S3Store, SqsDeliveries, StateMachine
from image_ingestion.ports import ImportThrottledError, StoredObject
from lambda_shared.errors import TransientError

BUCKET = "proj-local-training-data-111122223333"


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


def imports(**calls: Any) -> HealthImagingImports:
    return HealthImagingImports(SimpleNamespace(**calls), datastore_id="d" * 32, role_arn="arn:role", bucket=BUCKET)


def raising(error: Exception) -> Any:
    def call(**_: Any) -> None:
        raise error

    return call


def test_a_job_imports_its_batchs_folder_under_its_token() -> None:
    requests: list[dict[str, Any]] = []
    service = imports(start_dicom_import_job=lambda **request: requests.append(request) or {"jobId": "j1"})
    assert service.start("t" * 64) == "j1"
    (request,) = requests
    assert request["inputS3Uri"] == f"s3://{BUCKET}/import-input/{'t' * 64}/"
    assert (request["clientToken"], len(request["jobName"]) <= 64) == ("t" * 64, True)


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceQuotaExceededException"])
def test_a_full_service_is_not_an_error(code: str) -> None:
    with pytest.raises(ImportThrottledError):
        imports(start_dicom_import_job=raising(refusal(code))).start("t")


def test_other_refusals_keep_their_kind() -> None:
    with pytest.raises(TransientError):
        imports(start_dicom_import_job=raising(refusal("InternalServerException", 500))).start("t")
    with pytest.raises(ClientError):
        imports(start_dicom_import_job=raising(refusal("AccessDeniedException", 403))).start("t")


def test_a_job_is_described_and_a_forgotten_one_is_none() -> None:
    properties = {"jobStatus": "COMPLETED", "inputS3Uri": "s3://i/", "outputS3Uri": "s3://o/"}
    found = imports(get_dicom_import_job=lambda **_: {"jobProperties": properties}).job("j1")
    assert found is not None
    assert (found.status, found.output_uri) == ("COMPLETED", "s3://o/")
    assert imports(get_dicom_import_job=raising(refusal("ResourceNotFoundException"))).job("j1") is None


def test_what_changed_between_two_reads_is_read_again_later(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="upload/a", Body=b"x")
    stale = StoredObject(bucket=BUCKET, key="upload/a", etag="0" * 32, size=1)
    with pytest.raises(TransientError):
        S3Store(s3).read(stale)


@pytest.mark.parametrize("status", [404, 412], ids=["gone", "changed"])
def test_a_copy_of_what_changed_is_tried_again(status: int) -> None:
    store = S3Store(SimpleNamespace(copy_object=raising(refusal("PreconditionFailed", status))))
    with pytest.raises(TransientError):
        store.copy(StoredObject(bucket=BUCKET, key="k", etag="e", size=1), BUCKET, "t")


def test_a_role_that_may_not_list_finds_nothing_and_does_not_fail() -> None:
    denied = raising(refusal("AccessDenied", 403))
    store = S3Store(SimpleNamespace(head_object=denied, list_object_versions=denied))
    assert store.locate(BUCKET, "upload/a", "e") is None


def test_a_failed_message_is_hidden_for_the_pause_in_its_own_queue() -> None:
    requests: list[dict[str, Any]] = []
    client = SimpleNamespace(change_message_visibility=lambda **request: requests.append(request))
    deliveries = SqsDeliveries(client, ["https://sqs/1/p-import", "https://sqs/1/p-upload"])
    deliveries.delay("arn:aws:sqs:us-east-1:1:p-upload", "r1", 60)
    assert requests == [{"QueueUrl": "https://sqs/1/p-upload", "ReceiptHandle": "r1", "VisibilityTimeout": 60}]


def test_an_execution_that_exists_is_as_good_as_a_started_one() -> None:
    started: list[dict[str, Any]] = []
    objects = [{"bucket": BUCKET, "key": "upload/a", "etag": "e", "size": 1}]
    StateMachine(SimpleNamespace(start_execution=lambda **request: started.append(request)), "arn").start(objects, "n")
    assert json.loads(started[0]["input"]) == {"objects": objects}
    StateMachine(SimpleNamespace(start_execution=raising(refusal("ExecutionAlreadyExists"))), "arn").start(objects, "n")
    with pytest.raises(ClientError):
        StateMachine(SimpleNamespace(start_execution=raising(refusal("AccessDenied"))), "arn").start(objects, "n")
