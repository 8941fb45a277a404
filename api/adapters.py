"""The ports over boto3."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any

from api.models import (
    Decision,
    DecisionRecord,
    Evaluation,
    Execution,
    ExecutionDetail,
    Model,
    Status,
    Step,
    UploadPlace,
)
from api.ports import Outcome, StudyImages
from lambda_shared.clock import iso
from lambda_shared.errors import (
    ConflictError,
    InvalidEventError,
    NotFoundError,
    PlatformError,
    TransientError,
    aws_code,
    aws_errors,
)
from lambda_shared.logs import logger
from lambda_shared.tracking import DynamoTrackingTable, TrackedImage

LISTED: tuple[Status, ...] = ("IMPORTED", "VALIDATED", "QUARANTINED")
DECISIONS = "decisions"
"""Partition of the metrics table (lambdas/model_registry/decisions.py, contract test)."""
FIGURES = ("accuracy", "precision", "recall", "f1", "roc_auc")
UPLOAD_HEADERS = {"Content-Type": "application/dicom"}


class PresignedUploads:
    """`UploadSigner` over S3: Signature Version 4, the content type signed, encryption by the bucket's default."""

    def __init__(self, s3_client: Any, bucket: str, seconds: int) -> None:
        self._s3 = s3_client
        self._bucket = bucket
        self._seconds = seconds

    def place(self, upload_id: str) -> UploadPlace:
        """A place for one object."""
        url = self._s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": f"upload/{upload_id}.dcm",
                "ContentType": UPLOAD_HEADERS["Content-Type"],
            },
            ExpiresIn=self._seconds,
        )
        return UploadPlace(upload_id=upload_id, url=url, headers=UPLOAD_HEADERS, expires_in_seconds=self._seconds)


class DynamoStudies:
    """`Studies` over the tracking table's indexes.

    Walks the images of a status from the newest on and answers a study when it meets the study's newest image, so
    every study comes once although the index holds images, and pages need no memory.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._tracking = DynamoTrackingTable(table)

    def images(self, study_key: str) -> list[TrackedImage]:
        """All images of a study."""
        return self._tracking.study_members(study_key)

    def page(self, status: Status | None, limit: int, cursor: str | None) -> tuple[list[StudyImages], str | None]:
        """Studies that have an image in the status (any if None), recently changed first; and the next cursor."""
        wanted: tuple[Status, ...] = (status,) if status else LISTED
        number, start = _read_cursor(cursor, wanted)
        found: list[StudyImages] = []
        known: dict[str, list[TrackedImage]] = {}
        for position in range(number, len(wanted)):
            for item in self._walk(wanted[position], start):
                study_key = str(item.get("study_key", ""))
                if not study_key:
                    continue
                images = known.setdefault(study_key, []) or self.images(study_key)
                known[study_key] = images
                rivals = [image for image in images if status is None or image.status == status]
                newest = max(rivals, key=lambda image: (image.updated_at, image.object_id), default=None)
                if newest is None or newest.object_id != item["object_id"]:
                    continue
                found.append(StudyImages(study_key=study_key, images=images))
                if len(found) == limit:
                    return found, _write_cursor(position, item)
            start = None
        return found, None

    def page_of(
        self, patients: Iterable[str], status: Status | None, limit: int
    ) -> tuple[list[StudyImages], str | None]:
        """Studies of the patients, patient by patient; and the last patient that fitted, None when all did.

        A page holds all studies of its patients, so it may be longer than the limit, and a cursor is a patient.
        """
        found: list[StudyImages] = []
        for patient_key in patients:
            found += self._studies_of(patient_key, status)
            if len(found) >= limit:
                return found, patient_key
        return found, None

    def _studies_of(self, patient_key: str, status: Status | None) -> list[StudyImages]:
        by_study: dict[str, list[TrackedImage]] = {}
        for image in self._tracking.patient_members(patient_key):
            by_study.setdefault(image.study_key, []).append(image)
        return [
            StudyImages(study_key=study_key, images=images)
            for study_key, images in by_study.items()
            if status is None or any(image.status == status for image in images)
        ]

    def _walk(self, status: Status, start: dict[str, str] | None) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "IndexName": "by-status",
            "KeyConditionExpression": "#status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": status},
            "ScanIndexForward": False,
        }
        if start:
            request["ExclusiveStartKey"] = start
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            yield from page["Items"]
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _write_cursor(position: int, item: dict[str, Any]) -> str:
    key = {name: str(item[name]) for name in ("status", "updated_at", "object_id")}
    return base64.urlsafe_b64encode(json.dumps([position, key], separators=(",", ":")).encode()).decode()


def _read_cursor(cursor: str | None, wanted: tuple[Status, ...]) -> tuple[int, dict[str, str] | None]:
    if not cursor:
        return 0, None
    try:
        position, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        start = {name: str(key[name]) for name in ("status", "updated_at", "object_id")}
        matches = wanted[int(position)] == start["status"]
    except (ValueError, KeyError, TypeError, IndexError, binascii.Error):
        matches = False
        position, start = 0, {}
    if not matches:
        raise InvalidEventError("INVALID_CURSOR", "the cursor is not one of this list")
    return int(position), start


class SageMakerModels:
    """`ModelRegistry` over SageMaker, the metrics table and the ModelRegistry function."""

    def __init__(
        self, sagemaker_client: Any, lambda_client: Any, metrics_table: Any, *, group: str, registry_function: str
    ) -> None:
        self._sagemaker = sagemaker_client
        self._lambda = lambda_client
        self._metrics = metrics_table
        self._group = group
        self._function = registry_function

    def models(self) -> list[Model]:
        """All versions, newest first."""
        request: dict[str, Any] = {
            "ModelPackageGroupName": self._group,
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        }
        found: list[Model] = []
        while True:
            with aws_errors("ListModelPackages"):
                page = self._sagemaker.list_model_packages(**request)
            found += [_model(summary) for summary in page["ModelPackageSummaryList"]]
            if not page.get("NextToken"):
                return sorted(found, key=lambda model: -model.version)
            request["NextToken"] = page["NextToken"]

    def evaluations(self, version: int) -> list[Evaluation]:
        """The independent evaluations of a version, oldest first."""
        with aws_errors("Query"):
            page = self._metrics.query(
                KeyConditionExpression="model_version = :version",
                ExpressionAttributeValues={":version": str(version)},
                ConsistentRead=True,
            )
        return [_evaluation(item) for item in page["Items"]]

    def history(self, limit: int) -> list[DecisionRecord]:
        """The record of decisions, newest first (lambdas/model_registry/decisions.py)."""
        with aws_errors("Query"):
            page = self._metrics.query(
                KeyConditionExpression="model_version = :partition",
                ExpressionAttributeValues={":partition": DECISIONS},
                ScanIndexForward=False,
                Limit=limit,
                ConsistentRead=True,
            )
        return [_decision(item) for item in page["Items"]]

    def decide(self, version: int, decision: str, reason: str, actor: str) -> Decision:
        """Carry out a decision. Raises NotFoundError, ConflictError, TransientError."""
        command = {"operation": decision, "version": version, "reason": reason, "actor": actor}
        with aws_errors("Invoke"):
            answer = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(command).encode())
        body: Any = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            kind = str(body.get("errorType", "")) if isinstance(body, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            known = {"NotFoundError": NotFoundError, "ConflictError": ConflictError, "TransientError": TransientError}
            raise known.get(kind, PlatformError)("REGISTRY_REFUSED", "the registry did not carry out the decision")
        return Decision(version=int(body["model_version"]), decision=str(body["decision"]))


def _model(summary: dict[str, Any]) -> Model:
    return Model(
        version=int(summary["ModelPackageVersion"]),
        model_package_arn=str(summary["ModelPackageArn"]),
        approval=str(summary["ModelApprovalStatus"]),
        description=str(summary.get("ModelPackageDescription", "")),
        created_at=iso(summary["CreationTime"]),
    )


def _decision(item: dict[str, Any]) -> DecisionRecord:
    return DecisionRecord(
        decided_at=str(item["decided_at"]),
        step=str(item["step"]),
        version=int(item["version"]),
        actor=str(item["actor"]),
        reason=str(item["reason"]),
    )


def _evaluation(item: dict[str, Any]) -> Evaluation:
    return Evaluation(
        evaluation_timestamp=str(item["evaluation_timestamp"]),
        decision=str(item.get("decision", "")),
        figures={name: float(item[name]) for name in FIGURES if name in item},
        threshold=float(item.get("threshold", 0)),
        disagreement=float(item.get("disagreement", 0)),
        test_images=int(item.get("test_images", 0)),
        snapshot_id=str(item.get("snapshot_id", "")),
    )


class SageMakerRuns:
    """`Pipeline` over SageMaker Pipelines."""

    def __init__(self, sagemaker_client: Any, pipeline_name: str) -> None:
        self._sagemaker = sagemaker_client
        self._pipeline = pipeline_name

    def executions(self, limit: int, cursor: str | None) -> tuple[list[Execution], str | None]:
        """Newest first; and the next cursor."""
        page = self._list(limit, cursor)
        return [_execution(item) for item in page["PipelineExecutionSummaries"]], page.get("NextToken")

    def execution(self, execution_id: str) -> ExecutionDetail:
        """One run. Raises NotFoundError."""
        newest = self._list(1, None)["PipelineExecutionSummaries"]
        if not newest:
            raise NotFoundError("UNKNOWN_EXECUTION", "the pipeline never ran")
        arn = f"{newest[0]['PipelineExecutionArn'].rsplit('/', 1)[0]}/{execution_id}"
        try:
            with aws_errors("DescribePipelineExecution"):
                found = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        except Exception as error:
            if aws_code(error) in {"ResourceNotFound", "ResourceNotFoundException", "ValidationException"}:
                raise NotFoundError("UNKNOWN_EXECUTION", "there is no such run") from None
            raise
        return ExecutionDetail(
            **_execution(
                {"StartTime": found["CreationTime"], **found},
            ).model_dump(),
            failure_reason=str(found.get("FailureReason", "")),
            steps=[_step(step) for step in self._steps(arn)],
        )

    def _steps(self, arn: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {"PipelineExecutionArn": arn, "SortOrder": "Ascending"}
        while True:
            with aws_errors("ListPipelineExecutionSteps"):
                page = self._sagemaker.list_pipeline_execution_steps(**request)
            yield from page["PipelineExecutionSteps"]
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def _list(self, limit: int, cursor: str | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "PipelineName": self._pipeline,
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": limit,
        }
        if cursor:
            request["NextToken"] = cursor
        try:
            with aws_errors("ListPipelineExecutions"):
                page: dict[str, Any] = self._sagemaker.list_pipeline_executions(**request)
        except Exception as error:
            if cursor and aws_code(error) == "ValidationException":
                raise InvalidEventError("INVALID_CURSOR", "the cursor is not one of this list") from None
            raise
        return page


def _execution(item: dict[str, Any]) -> Execution:
    return Execution(
        id=str(item["PipelineExecutionArn"]).rsplit("/", 1)[-1],
        status=str(item["PipelineExecutionStatus"]),
        started_at=iso(item["StartTime"]),
        display_name=str(item.get("PipelineExecutionDisplayName", "")),
    )


def _step(step: dict[str, Any]) -> Step:
    return Step(
        name=str(step["StepName"]),
        status=str(step["StepStatus"]),
        started_at=iso(step["StartTime"]) if step.get("StartTime") else "",
        ended_at=iso(step["EndTime"]) if step.get("EndTime") else "",
    )


class CognitoAudit:
    """`AuditLog` as structured log lines with ``audit: true``; the log group keeps and encrypts them."""

    def record(self, person: str, action: str, keys: list[str], outcome: Outcome = "allowed") -> None:
        """Write a record with the pseudonyms concerned; if that fails, the request must fail too."""
        facts = {"audit": True, "person": person, "action": action, "keys": keys, "outcome": outcome}
        logger().info("audit", extra=facts)
