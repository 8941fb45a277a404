"""Entry point of Monitoring: schedules, and people who want an answer now."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, Field

from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.events.publisher import EventPublisher
from lambda_shared.metrics import EmfMeter
from lambda_shared.runtime import lambda_handler, parse
from lambda_shared.tracking import DynamoTrackingTable
from monitoring.adapters import (
    AwsProbes,
    HealthImagingArchive,
    IngestionWorkflow,
    S3Copies,
    S3Reports,
    S3Uploads,
)
from monitoring.reconcile import Reconciler
from monitoring.service import Monitoring
from monitoring.settings import Settings


class Command(BaseModel):
    """What to do; a schedule's bare event asks for health. `full` and `grace_seconds` are for reconcile."""

    operation: Literal["health", "reconcile", "audit-lag"] = "health"
    full: bool = False
    grace_seconds: int | None = Field(default=None, ge=0)


@lru_cache(maxsize=1)
def monitoring() -> Monitoring:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    tracking = DynamoTrackingTable(aws.table(values.tracking_table))
    clients = {name: aws.client(name) for name in ("medical-imaging", "stepfunctions", "sqs", "cloudtrail")}
    return Monitoring(
        probes=AwsProbes(
            clients,
            tracking,
            datastore_id=values.datastore_id,
            state_machine_arn=values.ingestion_state_machine_arn,
            queue_url=values.import_queue_url,
        ),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.monitoring"),
        meter=EmfMeter(),
        clock=SystemClock(),
    )


@lru_cache(maxsize=1)
def reconciler() -> Reconciler:
    """The reconciler over real clients, once per process."""
    values = Settings.from_env()
    s3, bucket = aws.client("s3"), values.training_data_bucket
    return Reconciler(
        uploads=S3Uploads(s3, bucket),
        copies=S3Copies(s3, phi_bucket=bucket, research_bucket=values.preprocessed_bucket),
        tracking=DynamoTrackingTable(aws.table(values.tracking_table)),
        workflow=IngestionWorkflow(
            aws.client("stepfunctions"),
            aws.client("sqs"),
            state_machine_arn=values.ingestion_state_machine_arn,
            queue_url=values.import_queue_url,
            bucket=bucket,
        ),
        archive=HealthImagingArchive(aws.client("medical-imaging"), values.datastore_id),
        reports=S3Reports(s3, bucket),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.monitoring"),
        meter=EmfMeter(),
        clock=SystemClock(),
        bucket=bucket,
        grace_seconds=values.reconcile_grace_seconds,
    )


@lambda_handler
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Dispatch by operation."""
    command = parse(Command, event)
    if command.operation == "reconcile":
        return reconciler().run(full=command.full, grace_seconds=command.grace_seconds)
    if command.operation == "audit-lag":
        return dict(monitoring().audit_lag())
    return monitoring().health()
