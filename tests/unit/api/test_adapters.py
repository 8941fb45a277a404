# ruff: noqa: N803 - fakes have the service's argument names
"""The API's adapters: presigned places, exact paging over an index of images, answers, the entry point."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from api import lambda_handler
from api.adapters import CognitoAudit, DynamoStudies, PresignedUploads, SageMakerModels, SageMakerRuns
from api.settings import Settings
from lambda_shared import aws
from lambda_shared.errors import ConflictError, InvalidEventError, NotFoundError, PlatformError, TransientError

EXECUTION = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        aws.forget()
        yield
    aws.forget()


@pytest.fixture
def table(cloud: None) -> Any:
    names = ("object_id", "study_key", "status", "updated_at")
    boto3.client("dynamodb").create_table(
        TableName="image-tracking",
        KeySchema=[{"AttributeName": "object_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, partition, sort in (
                ("by-study", "study_key", "object_id"),
                ("by-status", "status", "updated_at"),
            )
        ],
    )
    return aws.table("image-tracking")


def fill(table: Any, studies: int = 5, images: int = 4) -> None:
    """Images of the studies arrive interleaved; the last image of odd studies is not imported yet."""
    for image in range(images):
        for study in range(studies):
            waiting = image == images - 1 and study % 2
            table.put_item(
                Item={
                    "object_id": f"{study:02d}-{image:02d}",
                    "study_key": f"{study:032x}",
                    "status": "VALIDATED" if waiting else "IMPORTED",
                    "updated_at": f"2026-11-21T12:{image:02d}:{study:02d}.000000Z",
                }
            )
    table.put_item(Item={"object_id": "q", "status": "QUARANTINED", "updated_at": "2026-11-21T13:00:00.000000Z"})


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize(("status", "expected"), [(None, 5), ("IMPORTED", 5), ("VALIDATED", 2), ("QUARANTINED", 0)])
def test_every_study_comes_exactly_once_whatever_the_page(table: Any, status: Any, expected: int, limit: int) -> None:
    fill(table)
    studies, cursor, found = DynamoStudies(table), None, []
    while True:
        page, cursor = studies.page(status, limit, cursor)
        found += [study.study_key for study in page]
        assert len(page) <= limit
        if cursor is None:
            break
    assert len(found) == len(set(found)) == expected


@pytest.mark.parametrize("cursor", ["x", "!!", "WzAsIHt9XQ==", "WzksMV0="])
def test_a_made_up_cursor_is_refused(table: Any, cursor: str) -> None:
    with pytest.raises(InvalidEventError):
        DynamoStudies(table).page(None, 5, cursor)


def test_a_place_is_signed_with_version_4_and_for_dicom_only(cloud: None) -> None:
    place = PresignedUploads(aws.client("s3"), "uploads-111122223333", 60).place("ab")
    parts = urlsplit(place.url)
    query = parse_qs(parts.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["60"]
    assert "content-type" in query["X-Amz-SignedHeaders"][0]
    assert place.headers == {"Content-Type": "application/dicom"}


def test_an_overridden_endpoint_is_addressed_by_path(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:4999")
    aws.forget()
    place = PresignedUploads(aws.client("s3"), "uploads-111122223333", 60).place("ab")
    parts = urlsplit(place.url)
    assert (parts.netloc, parts.path) == ("127.0.0.1:4999", "/uploads-111122223333/upload/ab.dcm")


def models(lambda_answer: dict[str, Any], metrics: list[dict[str, Any]] | None = None) -> SageMakerModels:
    created = datetime(2026, 11, 21, tzinfo=UTC)
    summaries = [
        {
            "ModelPackageVersion": version,
            "ModelPackageArn": f"arn/{version}",
            "ModelApprovalStatus": "Approved",
            "CreationTime": created,
        }
        for version in (1, 2)
    ]
    pages = iter(
        [{"ModelPackageSummaryList": summaries[:1], "NextToken": "n"}, {"ModelPackageSummaryList": summaries[1:]}]
    )
    return SageMakerModels(
        SimpleNamespace(list_model_packages=lambda **_: next(pages)),
        SimpleNamespace(invoke=lambda **_: lambda_answer),
        SimpleNamespace(query=lambda **_: {"Items": metrics or []}),
        group="g",
        registry_function="f",
    )


def payload(body: Any, error: bool = False) -> dict[str, Any]:
    return {"Payload": io.BytesIO(json.dumps(body).encode()), **({"FunctionError": "Unhandled"} if error else {})}


def test_models_and_evaluations_are_read(cloud: None) -> None:
    item = {"evaluation_timestamp": "t", "decision": "passed", "accuracy": Decimal("0.9"), "test_images": Decimal(8)}
    registry = models({}, [item])
    assert [model.version for model in registry.models()] == [2, 1]
    (evaluation,) = registry.evaluations(1)
    assert (evaluation.figures, evaluation.test_images) == ({"accuracy": 0.9}, 8)


def test_the_record_of_decisions_is_read() -> None:
    item = {"decided_at": "t", "step": "rolled-back", "version": Decimal(1), "actor": "a", "reason": "r", "more": "x"}
    (found,) = models({}, [item]).history(5)
    assert (found.step, found.version, found.actor) == ("rolled-back", 1, "a")


def test_a_decision_is_carried_out_by_the_registry_function() -> None:
    decision = models(payload({"model_version": 2, "decision": "approved"})).decide(2, "approve", "r", "a")
    assert (decision.version, decision.decision) == (2, "approved")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("NotFoundError", NotFoundError),
        ("ConflictError", ConflictError),
        ("TransientError", TransientError),
        ("Weird", PlatformError),
    ],
)
def test_a_refusal_of_the_registry_function_keeps_its_kind(kind: str, expected: type[Exception]) -> None:
    with pytest.raises(expected) as refusal:
        models(payload({"errorType": kind, "errorMessage": "secret"}, error=True)).decide(2, "approve", "r", "a")
    assert "secret" not in str(refusal.value)


class FakePipelines:
    def list_pipeline_executions(self, **request: Any) -> dict[str, Any]:
        if request.get("NextToken") == "bad":
            raise ClientError({"Error": {"Code": "ValidationException", "Message": ""}}, "ListPipelineExecutions")
        entry = {
            "PipelineExecutionArn": f"{EXECUTION}e1",
            "PipelineExecutionStatus": "Executing",
            "StartTime": datetime(2026, 11, 21, tzinfo=UTC),
        }
        return {"PipelineExecutionSummaries": [entry], "NextToken": "n"}

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict[str, Any]:
        if not PipelineExecutionArn.endswith("/e1"):
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "DescribePipelineExecution")
        return {
            "PipelineExecutionArn": PipelineExecutionArn,
            "PipelineExecutionStatus": "Failed",
            "CreationTime": datetime(2026, 11, 21, tzinfo=UTC),
            "FailureReason": "AccuracyBelowThreshold",
        }

    def list_pipeline_execution_steps(self, **_: Any) -> dict[str, Any]:
        step = {"StepName": "Train", "StepStatus": "Succeeded", "StartTime": datetime(2026, 11, 21, tzinfo=UTC)}
        return {"PipelineExecutionSteps": [step]}


def test_runs_are_listed_and_described_by_id() -> None:
    runs = SageMakerRuns(FakePipelines(), "p")
    listed, cursor = runs.executions(5, None)
    assert ([run.id for run in listed], cursor) == (["e1"], "n")
    found = runs.execution("e1")
    assert (found.failure_reason, [step.name for step in found.steps]) == ("AccuracyBelowThreshold", ["Train"])
    with pytest.raises(NotFoundError):
        runs.execution("e2")
    with pytest.raises(InvalidEventError):
        runs.executions(5, "bad")


def test_the_audit_record_names_person_action_and_study(caplog: pytest.LogCaptureFixture) -> None:
    CognitoAudit().record("person-1", "getStudy", ["a" * 32])
    record = vars(caplog.records[-1])
    assert (record["audit"], record["person"], record["action"]) == (True, "person-1", "getStudy")
    assert (record["keys"], record["outcome"]) == (["a" * 32], "allowed")


def test_the_entry_point_answers_a_gateway_event(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.__dataclass_fields__:
        monkeypatch.setenv(name.upper(), "60")
    monkeypatch.setenv("READERS_PER_STUDY", "2")
    monkeypatch.setenv("ADJUDICATE_ON", "finding,uncertain")
    lambda_handler.adapter.cache_clear()
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    event = {
        "resource": "/health",
        "path": "/health",
        "httpMethod": "GET",
        "headers": {"Host": "api"},
        "multiValueHeaders": {"Host": ["api"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "10.0.0.1"}},
        "body": None,
        "isBase64Encoded": False,
    }
    answer = lambda_handler.handler(event, context)
    lambda_handler.adapter.cache_clear()
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})
