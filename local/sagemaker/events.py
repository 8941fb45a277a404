"""Events on the default bus, with the detail members that the EventBridge pages of the SageMaker guide document."""

from __future__ import annotations

import datetime as dt
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.listing import pick
from local.sagemaker.state import Record

EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
STEP = "SageMaker Model Building Pipeline Execution Step Status Change"
PACKAGE = "SageMaker Model Package State Change"
ENDPOINT = "SageMaker Endpoint State Change"
_ENDPOINT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "UpdateRollbackFailed": "UPDATE_ROLLBACK_FAILED",
    "InService": "IN_SERVICE",
    "Failed": "FAILED",
    "Deleting": "DELETING",
}


def instant(seconds: float | None) -> str | None:
    """ISO 8601 UTC text of an epoch time."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def execution_changed(context: Context, execution: Record, previous: str | None) -> None:
    """A pipeline execution has a new status."""
    pipeline, arn = execution["PipelineArn"], execution["PipelineExecutionArn"]
    ended = execution["PipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped")
    detail = {
        "pipelineExecutionDescription": execution.get("PipelineExecutionDescription"),
        "pipelineExecutionDisplayName": execution.get("PipelineExecutionDisplayName"),
        "currentPipelineExecutionStatus": execution["PipelineExecutionStatus"],
        "previousPipelineExecutionStatus": previous,
        "executionStartTime": instant(execution["CreationTime"]),
        "executionEndTime": instant(execution["LastModifiedTime"]) if ended else None,
        "failureReason": execution.get("FailureReason"),
        "pipelineExecutionArn": arn,
        "pipelineArn": pipeline,
    }
    context.cloud.emit(EXECUTION, _present(detail), [pipeline, arn])


def step_changed(context: Context, execution: Record, step: Record, previous: str | None) -> None:
    """A step of an execution has a new status."""
    pipeline, arn = execution["PipelineArn"], execution["PipelineExecutionArn"]
    detail = {
        "metadata": _lower(step.get("Metadata") or {}),
        "stepStartTime": instant(step.get("StartTime")),
        "stepEndTime": instant(step.get("EndTime")),
        "stepName": step["StepName"],
        "stepType": step["StepType"],
        "previousStepStatus": previous,
        "currentStepStatus": step["StepStatus"],
        "failureReason": step.get("FailureReason"),
        "cacheHitResult": _lower(step.get("CacheHitResult") or {}) or None,
        "pipelineExecutionArn": arn,
        "pipelineArn": pipeline,
    }
    context.cloud.emit(STEP, _present(detail), [pipeline, arn])


def package_changed(context: Context, package: Record) -> None:
    """A model package was made or its approval changed."""
    detail = pick(
        package,
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageArn",
        "ModelPackageDescription",
        "InferenceSpecification",
        "ModelPackageStatus",
        "ModelPackageStatusDetails",
        "ModelApprovalStatus",
        "ApprovalDescription",
        "ModelMetrics",
        "CustomerMetadataProperties",
        "MetadataProperties",
    )
    detail["CreationTime"] = instant(package["CreationTime"])
    detail["LastModifiedTime"] = instant(package["LastModifiedTime"])
    context.cloud.emit(PACKAGE, detail, [package["ModelPackageArn"]])


def endpoint_changed(context: Context, endpoint: Record) -> None:
    """An endpoint has a new status."""
    detail = pick(endpoint, "EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants", "FailureReason")
    detail |= pick(endpoint, "PendingDeploymentSummary")
    detail["EndpointStatus"] = _ENDPOINT_STATUS[endpoint["EndpointStatus"]]
    detail["CreationTime"] = instant(endpoint["CreationTime"])
    detail["LastModifiedTime"] = instant(endpoint["LastModifiedTime"])
    context.cloud.emit(ENDPOINT, detail, [endpoint["EndpointArn"]])


def _present(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}


def _lower(value: Any) -> Any:
    """Member names as events write them: first letter small ({"ProcessingJob": {"Arn": ..}} -> processingJob.arn)."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _lower(item) for name, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value
