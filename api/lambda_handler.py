"""Entry point in Lambda: API Gateway's proxy events through Mangum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from api.adapters import CognitoAudit, DynamoStudies, PresignedUploads, SageMakerModels, SageMakerRuns
from api.app import create_app
from api.endpoint import DynamoPredictions, SageMakerEndpoint
from api.labels import relay
from api.names import PseudonymousNames
from api.ports import Ports
from api.problems import MEDIA_TYPE
from api.settings import Settings
from api.transfers import S3Delivery
from lambda_shared import aws
from lambda_shared.assignments import DynamoAssignmentsTable
from lambda_shared.clock import SystemClock
from lambda_shared.events.outbox import DynamoOutbox
from lambda_shared.events.publisher import EventPublisher
from lambda_shared.labels import DynamoLabelsTable
from lambda_shared.runtime import lambda_handler

SWEEP = "relay-outbox"
SWEEP_AGE_SECONDS = 30  # longer than a request may take: what is younger is being announced right now


def build_ports(values: Settings) -> Ports:
    """The ports over real clients."""
    return Ports(
        uploads=PresignedUploads(aws.client("s3"), values.training_data_bucket, values.upload_url_seconds),
        delivery=S3Delivery(aws.client("s3"), values.training_data_bucket, values.upload_url_seconds),
        studies=DynamoStudies(aws.table(values.tracking_table)),
        assignments=DynamoAssignmentsTable(aws.table(values.assignments_table)),
        labels=DynamoLabelsTable(aws.table(values.labels_table), values.outbox_table),
        outbox=DynamoOutbox(aws.table(values.outbox_table)),
        rules=values.rules(),
        names=PseudonymousNames(aws.client("secretsmanager"), values.pseudonym_key_secret_arn),
        models=SageMakerModels(
            aws.client("sagemaker"),
            aws.client("lambda"),
            aws.table(values.metrics_table),
            group=values.model_package_group,
            registry_function=values.model_registry_function,
        ),
        endpoint=SageMakerEndpoint(
            {name: aws.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime")},
            values.preprocessed_bucket,
            values.endpoint_name,
        ),
        predictions=DynamoPredictions(aws.table(values.metrics_table)),
        pipeline=SageMakerRuns(aws.client("sagemaker"), values.pipeline_name),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.api"),
        audit=CognitoAudit(),
        clock=SystemClock(),
        datastore_id=values.datastore_id,
        client_ids=values.clients(),
    )


def gateway(ports: Ports, origins: Sequence[str] = ()) -> Mangum:
    """The application as API Gateway's proxy integration calls it.

    Problems are text to it: an unlisted media type would be answered in base64, which a REST API passes on as it is.
    """
    return Mangum(create_app(ports, origins), lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])


@lru_cache(maxsize=1)
def adapter() -> Mangum:
    """The application behind Mangum, once per process."""
    values = Settings.from_env()
    return gateway(build_ports(values), values.origins())


@lru_cache(maxsize=1)
def sweeping() -> Ports:
    """The ports of the sweep, once per process."""
    return build_ports(Settings.from_env())


@lambda_handler
def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer one request of the gateway, or sweep the outbox when the schedule asks."""
    if event.get("operation") == SWEEP:
        return {"relayed": relay(sweeping(), SWEEP_AGE_SECONDS)}
    return adapter()(event, context)
