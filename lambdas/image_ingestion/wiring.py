"""Builds the services over real AWS clients, once per process and on first use."""

from __future__ import annotations

from functools import lru_cache

from image_ingestion.adapters import (
    HealthImagingImports,
    S3Store,
    SqsDeliveries,
    SqsImportQueue,
    StateMachine,
    read_secret,
)
from image_ingestion.batches import ImportBatches
from image_ingestion.imports import Imports
from image_ingestion.library import DicomLibrary
from image_ingestion.quarantine import Quarantine
from image_ingestion.queues import QueueConsumer
from image_ingestion.service import Ingestion
from image_ingestion.settings import Settings
from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.metrics import EmfMeter
from lambda_shared.tracking import DynamoTrackingTable

IMPORT_WORKERS = 16
"""Calls at a time while a batch is staged: 5,000 files within the function's time, well below S3's rate a prefix."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings."""
    return Settings.from_env()


@lru_cache(maxsize=1)
def quarantining() -> Quarantine:
    """Quarantine over S3 and DynamoDB."""
    return Quarantine(
        store=S3Store(aws.client("s3")),
        tracking=DynamoTrackingTable(aws.table(settings().tracking_table)),
        meter=EmfMeter(),
        clock=SystemClock(),
        bucket=settings().training_data_bucket,
    )


@lru_cache(maxsize=1)
def ingestion() -> Ingestion:
    """The workflow's operations."""
    values = settings()
    return Ingestion(
        store=quarantining().store,
        library=DicomLibrary(
            lambda: read_secret(aws.client("secretsmanager"), values.pseudonym_key_secret_arn),
            keep_patient_characteristics=values.keep_patient_characteristics,
        ),
        tracking=quarantining().tracking,
        queue=SqsImportQueue(aws.client("sqs"), values.import_queue_url),
        quarantining=quarantining(),
        meter=EmfMeter(),
        clock=SystemClock(),
        upload_bucket=values.training_data_bucket,
        research_bucket=values.preprocessed_bucket,
        max_object_bytes=values.max_object_bytes,
        quiet_seconds=values.import_quiet_seconds,
    )


@lru_cache(maxsize=1)
def imports() -> Imports:
    """Import jobs."""
    values = settings()
    return Imports(
        batches=ImportBatches(
            store=quarantining().store,
            tracking=quarantining().tracking,
            service=HealthImagingImports(
                aws.client("medical-imaging"),
                datastore_id=values.datastore_id,
                role_arn=values.import_role_arn,
                bucket=values.training_data_bucket,
            ),
            quarantining=quarantining(),
            clock=SystemClock(),
            bucket=values.training_data_bucket,
            datastore_id=values.datastore_id,
            workers=IMPORT_WORKERS,
        ),
        queue=SqsImportQueue(aws.client("sqs"), values.import_queue_url),
        meter=EmfMeter(),
        quiet_seconds=values.import_quiet_seconds,
    )


@lru_cache(maxsize=1)
def consumer() -> QueueConsumer:
    """The function's two queues."""
    values = settings()
    queues = [values.import_queue_url, values.upload_queue_url]
    return QueueConsumer(
        request_imports=lambda messages: imports().request(messages),
        workflow=StateMachine(aws.client("stepfunctions"), values.ingestion_state_machine_arn),
        deliveries=SqsDeliveries(aws.client("sqs"), queues),
        objects_per_execution=values.objects_per_execution,
    )


def forget() -> None:
    """Drop everything built (tests change the environment)."""
    for builder in (settings, quarantining, ingestion, imports, consumer):
        builder.cache_clear()
    aws.forget()
