"""Entry point of PipelineTrigger: the queue of training requests, and a person who asks for a run."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.errors import InvalidEventError
from lambda_shared.events.models import Envelope, ImageVerified, MetricViolation
from lambda_shared.idempotency import once
from lambda_shared.labels import DynamoLabelsTable
from lambda_shared.logs import describe, logger
from lambda_shared.metrics import EmfMeter
from lambda_shared.runtime import lambda_handler, parse
from lambda_shared.tracking import DynamoTrackingTable
from pipeline_trigger.adapters import DynamoTrainingRuns, S3SnapshotStore, SageMakerPipeline
from pipeline_trigger.service import Trigger
from pipeline_trigger.settings import Settings

StudyKey = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class VerifiedEvent(BaseModel):
    """EventBridge envelope of ImageVerified."""

    model_config = ConfigDict(populate_by_name=True)

    detail_type: Literal["ImageVerified"] = Field(alias="detail-type")
    detail: Envelope[ImageVerified]


class DriftEvent(BaseModel):
    """EventBridge envelope of MetricViolation, as the rule about drift lets it through."""

    model_config = ConfigDict(populate_by_name=True)

    detail_type: Literal["MetricViolation"] = Field(alias="detail-type")
    detail: Envelope[MetricViolation]


class StartRequest(BaseModel):
    """A person asks for a run on these studies (row B6); keys are pseudonyms."""

    operation: Literal["start"]
    study_keys: list[StudyKey] = Field(min_length=1, max_length=20_000)


@lru_cache(maxsize=1)
def trigger() -> Trigger:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    return Trigger(
        labels=DynamoLabelsTable(aws.table(values.labels_table)),
        tracking=DynamoTrackingTable(aws.table(values.tracking_table)),
        runs=DynamoTrainingRuns(aws.table(values.training_runs_table), values.pipeline_name),
        snapshots=S3SnapshotStore(aws.client("s3"), values.preprocessed_bucket),
        pipeline=SageMakerPipeline(aws.client("sagemaker"), values.pipeline_name, values.model_package_group),
        meter=EmfMeter(),
        clock=SystemClock(),
        bucket=values.preprocessed_bucket,
        min_new_labels=values.min_new_labels,
    )


@lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Dispatch by the shape of the event."""
    if "Records" in event:
        return run_queue(event["Records"], context)
    if event.get("operation") == "start":
        return _logged(trigger().start_selected(parse(StartRequest, event).study_keys))
    raise InvalidEventError("UNKNOWN_EVENT", "neither queue records nor the operation start")


def run_queue(records: list[dict[str, Any]], context: Any) -> dict[str, Any]:
    """Messages of the queue; only those that failed come back to the queue."""
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            decide(json.loads(record["body"]), context)
        except Exception as error:
            logger().error("A training request failed", extra=describe(error))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def decide(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One EventBridge event: a verified study, an execution that ended, or a model that has drifted."""
    if event.get("source") == "aws.sagemaker":
        return _logged(trigger().pipeline_ended())
    if event.get("detail-type") == "MetricViolation":
        found = parse(DriftEvent, event).detail
        return _logged(once(Settings.from_env().idempotency_table, found.event_id, context, trigger().drifted))
    detail = parse(VerifiedEvent, event).detail
    work = detail.data
    return _logged(
        once(
            Settings.from_env().idempotency_table,
            detail.event_id,
            context,
            lambda: trigger().verified(work.study_key, work.label_version),
        )
    )


def _logged(answer: dict[str, Any]) -> dict[str, Any]:
    logger().info("training decision", extra={"decision": answer["decision"]})
    return answer
