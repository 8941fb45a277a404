"""Entry point of ModelEvaluation: a pipeline execution succeeded, or it is time to look at the endpoint."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.events.publisher import EventPublisher
from lambda_shared.idempotency import once
from lambda_shared.labels import DynamoLabelsTable
from lambda_shared.logs import logger
from lambda_shared.metrics import EmfMeter
from lambda_shared.runtime import lambda_handler, parse
from model_evaluation.adapters import DynamoMetricsTable, S3Artifacts, S3Captures, SageMakerEndpoint, SageMakerRegistry
from model_evaluation.drift import DriftCheck, Limits
from model_evaluation.judge import OnnxJudge
from model_evaluation.service import Evaluation
from model_evaluation.settings import Settings
from model_evaluation.trial import TrialCheck


class ExecutionDetail(BaseModel):
    """Detail of "SageMaker Model Building Pipeline Execution Status Change"."""

    execution_arn: str = Field(alias="pipelineExecutionArn", pattern=r"^arn:[a-z-]+:sagemaker:")
    status: Literal["Succeeded"] = Field(alias="currentPipelineExecutionStatus")


class ExecutionEvent(BaseModel):
    """EventBridge envelope."""

    source: Literal["aws.sagemaker"]
    detail: ExecutionDetail


@lru_cache(maxsize=1)
def evaluation() -> Evaluation:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    return Evaluation(
        registry=SageMakerRegistry(aws.client("sagemaker"), values.model_package_group),
        artifacts=S3Artifacts(aws.client("s3"), frozenset({values.model_artifacts_bucket, values.preprocessed_bucket})),
        judge=OnnxJudge(),
        table=DynamoMetricsTable(aws.table(values.metrics_table)),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.model-evaluation"),
        meter=EmfMeter(),
        clock=SystemClock(),
        accuracy_threshold=values.accuracy_threshold,
        max_disagreement=values.max_disagreement,
    )


class DriftRequest(BaseModel):
    """What the schedule, or a person, sends."""

    operation: Literal["drift"]
    since: AwareDatetime | None = None
    """Begin of the window; absent: as many hours ago as the stack says."""


@lru_cache(maxsize=1)
def drift_check() -> DriftCheck:
    """The check over real clients, once per process."""
    values = Settings.from_env()
    return DriftCheck(
        registry=SageMakerRegistry(aws.client("sagemaker"), values.model_package_group),
        artifacts=S3Artifacts(aws.client("s3"), frozenset({values.preprocessed_bucket})),
        captures=S3Captures(aws.client("s3"), values.data_capture_uri, values.endpoint_name),
        table=DynamoMetricsTable(aws.table(values.metrics_table)),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.model-evaluation"),
        meter=EmfMeter(),
        clock=SystemClock(),
        limits=Limits(
            window_hours=values.drift_window_hours,
            min_images=values.drift_min_images,
            psi=values.drift_psi,
            significance=values.drift_significance,
        ),
    )


class TrialRequest(BaseModel):
    """What the schedule, or a person, sends."""

    operation: Literal["trial"]
    dry_run: bool = False
    """Only say how the trial stands: nothing is recorded, nobody is told."""


@lru_cache(maxsize=1)
def trial_check() -> TrialCheck:
    """The look at a trial over real clients, once per process."""
    values = Settings.from_env()
    return TrialCheck(
        endpoint=SageMakerEndpoint(aws.client("sagemaker"), values.endpoint_name),
        captures=S3Captures(aws.client("s3"), values.data_capture_uri, values.endpoint_name),
        labels=DynamoLabelsTable(aws.table(values.labels_table)),
        table=DynamoMetricsTable(aws.table(values.metrics_table)),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.model-evaluation"),
        meter=EmfMeter(),
        clock=SystemClock(),
        alpha=values.trial_alpha,
        most=values.trial_max_studies,
    )


@lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Judge the execution's model, once per execution; or compare the one in service with baseline or challenger."""
    if event.get("operation") == "trial":
        told = trial_check().run(dry_run=parse(TrialRequest, event).dry_run)
        logger().info("trial", extra={"decision": told["decision"]})
        return told
    if "operation" in event:
        told = drift_check().run(parse(DriftRequest, event).since)
        logger().info("drift check", extra={"decision": told["decision"]})
        return told
    arn = parse(ExecutionEvent, event).detail.execution_arn
    answer = once(Settings.from_env().idempotency_table, arn, context, lambda: evaluation().succeeded(arn))
    logger().info("independent evaluation", extra={"decision": answer["decision"]})
    return answer
