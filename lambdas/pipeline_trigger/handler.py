"""Entry point of PipelineTrigger: ImageVerified on the platform bus."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.events.models import Envelope, ImageVerified
from lambda_shared.idempotency import once
from lambda_shared.labels import DynamoLabelsTable
from lambda_shared.logs import logger
from lambda_shared.metrics import EmfMeter
from lambda_shared.runtime import lambda_handler, parse
from lambda_shared.tracking import DynamoTrackingTable
from pipeline_trigger.adapters import DynamoTrainingRuns, S3SnapshotStore, SageMakerPipeline
from pipeline_trigger.service import Trigger
from pipeline_trigger.settings import Settings


class VerifiedEvent(BaseModel):
    """EventBridge envelope of ImageVerified."""

    model_config = ConfigDict(populate_by_name=True)

    detail_type: Literal["ImageVerified"] = Field(alias="detail-type")
    detail: Envelope[ImageVerified]


@lru_cache(maxsize=1)
def trigger() -> Trigger:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    return Trigger(
        labels=DynamoLabelsTable(aws.table(values.labels_table)),
        tracking=DynamoTrackingTable(aws.table(values.tracking_table)),
        runs=DynamoTrainingRuns(aws.table(values.training_runs_table), values.pipeline_name),
        snapshots=S3SnapshotStore(aws.client("s3"), values.preprocessed_bucket),
        pipeline=SageMakerPipeline(aws.client("sagemaker"), values.pipeline_name),
        meter=EmfMeter(),
        clock=SystemClock(),
        bucket=values.preprocessed_bucket,
        min_new_labels=values.min_new_labels,
    )


@lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Decide about a training run, once per event id."""
    detail = parse(VerifiedEvent, event).detail
    work = detail.data
    answer = once(
        Settings.from_env().idempotency_table,
        detail.event_id,
        context,
        lambda: trigger().verified(work.study_key, work.label_version),
    )
    logger().info("training decision", extra={"decision": answer["decision"]})
    return answer
