"""The function radiologist-api: what it is told and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from components import event_patterns
from components._base import Context
from components._configuration import ApiSettings
from components._iam import Statement
from components._research_access import objects
from components._workload import FunctionPlan, Table, Workload, put_events, use_key
from components.function import FunctionSize
from components.training_pipeline import model_group, pipeline_arn, pipeline_name

ROLE: Final = "radiologist-api"
PREDICTIONS: Final = "prediction#*"
"""Partitions of the metrics table that hold what models said of studies (api/endpoint.py, contract test)."""


@dataclass(frozen=True, kw_only=True)
class ApiStores:
    """What the API reads and writes.

    Attributes:
        training_data_bucket: PHI zone, where presigned URLs may put uploads.
        preprocessed_bucket: research zone, whose de-identified images the model in service is asked about.
        datastore_id: HealthImaging data store, named in answers.
        pseudonym_secret_arn: secret with the key of the pseudonyms.
        registry_function_name, registry_function_arn: the function that decides about models.
    """

    training_data_bucket: str
    preprocessed_bucket: str
    tracking: Table
    assignments: Table
    labels: Table
    outbox: Table
    metrics: Table
    bus_name: pulumi.Input[str]
    bus_arn: pulumi.Input[str]
    datastore_id: pulumi.Input[str]
    pseudonym_secret_arn: pulumi.Input[str]
    registry_function_name: pulumi.Input[str]
    registry_function_arn: pulumi.Input[str]


def plan(
    workload: Workload,
    stores: ApiStores,
    settings: ApiSettings,
    *,
    size: FunctionSize,
    api_layer: pulumi.Input[str],
    client_ids: pulumi.Input[str],
) -> FunctionPlan:
    """The function behind every route of `openapi.ROUTES`.

    Args:
        client_ids: app clients whose tokens are taken, with commas between them: API Gateway's authorizer lets every
            client of the pool pass.
    """
    context, keys = workload.context, workload.keys
    return FunctionPlan(
        role=ROLE,
        description="The radiologist API: uploads, studies, labels, models, training runs",
        package="api",
        handler="api.lambda_handler.handler",
        path="api",
        size=size,
        layers=[api_layer],
        environment={
            "TRAINING_DATA_BUCKET": stores.training_data_bucket,
            "PREPROCESSED_BUCKET": stores.preprocessed_bucket,
            "TRACKING_TABLE": stores.tracking.name,
            "ASSIGNMENTS_TABLE": stores.assignments.name,
            "LABELS_TABLE": stores.labels.name,
            "OUTBOX_TABLE": stores.outbox.name,
            "READERS_PER_STUDY": str(settings.readers_per_study),
            "ADJUDICATE_ON": ",".join(settings.adjudicate_on),
            "METRICS_TABLE": stores.metrics.name,
            "EVENT_BUS_NAME": stores.bus_name,
            "MODEL_PACKAGE_GROUP": model_group(context),
            "ENDPOINT_NAME": model_group(context),
            "PIPELINE_NAME": pipeline_name(context),
            "DATASTORE_ID": stores.datastore_id,
            "CLIENT_IDS": client_ids,
            "PSEUDONYM_KEY_SECRET_ARN": stores.pseudonym_secret_arn,
            "ALLOWED_ORIGIN": ",".join(settings.cors_origins) or "none",
            "UPLOAD_URL_SECONDS": str(settings.upload_url_seconds),
            "MODEL_REGISTRY_FUNCTION": stores.registry_function_name,
        },
        statements=[
            Statement(
                sid="SignUploads",  # a presigned URL carries the signer's rights: put below upload/, nothing else
                actions=["s3:PutObject"],
                resources=objects(context, stores.training_data_bucket, "upload"),
            ),
            Statement(
                sid="ContinueUploads",
                actions=["s3:ListMultipartUploadParts"],
                resources=objects(context, stores.training_data_bucket, "upload"),
            ),
            Statement(
                sid="SignDownloads",
                actions=["s3:GetObject"],
                # what was found sound; of uploads only whether one is complete
                resources=objects(context, stores.training_data_bucket, "upload", "validated"),
            ),
            use_key(context, "UseLandingKey", "s3", [keys.phi], write=True),
            Statement(
                sid="NameStudies",  # a viewer knows a study by its UID, everything here by its pseudonym
                actions=["secretsmanager:GetSecretValue"],
                resources=[stores.pseudonym_secret_arn],
            ),
            use_key(context, "ReadPseudonymKey", "secretsmanager", [keys.secrets], write=False),
            *_record_statements(stores),
            use_key(context, "UseTableKeys", "dynamodb", [keys.tracking], write=False),
            *_model_statements(context),
            *_prediction_statements(workload, stores),
            Statement(
                sid="AskRegistryToDecide",
                actions=["lambda:InvokeFunction"],
                resources=[stores.registry_function_arn],
            ),
            put_events(stores.bus_arn, event_patterns.API_SOURCE),
        ],
        data_class="phi",
        log_class="audit",  # it tells who read which study
    )


def _record_statements(stores: ApiStores) -> list[Statement]:
    return [
        Statement(
            sid="ReadStudies",
            actions=["dynamodb:Query"],
            resources=[stores.tracking.index(name) for name in ("by-patient", "by-status", "by-study")],
        ),
        Statement(
            sid="AskAndChangeAssignments",
            actions=["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            resources=[stores.assignments.arn, stores.assignments.index("by-patient")],
        ),
        Statement(
            sid="AppendLabels",
            actions=["dynamodb:PutItem", "dynamodb:Query"],
            resources=[stores.labels.arn, stores.labels.index("by-state")],
        ),
        Statement(
            sid="AnnounceLabels",  # what is written with a label is taken out when the bus has it
            actions=["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan"],
            resources=[stores.outbox.arn],
        ),
        Statement(sid="ReadMetrics", actions=["dynamodb:Query"], resources=[stores.metrics.arn]),
    ]


def _prediction_statements(workload: Workload, stores: ApiStores) -> list[Statement]:
    """Ask the model in service about de-identified images, and keep its answers."""
    context = workload.context
    return [
        Statement(
            sid="ReadDeidentifiedImages",
            actions=["s3:GetObject"],
            resources=objects(context, stores.preprocessed_bucket, "deidentified"),
        ),
        use_key(context, "ReadResearchKey", "s3", [workload.keys.research], write=False),
        Statement(
            sid="AskModel",
            actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
            resources=[context.naming.arn("sagemaker", f"endpoint/{model_group(context)}")],
        ),
        Statement(
            sid="KeepPredictions",
            actions=["dynamodb:PutItem"],
            resources=[stores.metrics.arn],
            # evaluations and decisions lie in the same table: this function must not write one
            conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [PREDICTIONS]}},
        ),
    ]


def _model_statements(context: Context) -> list[Statement]:
    return [
        Statement(
            sid="ReadTrainingRuns",
            actions=[
                "sagemaker:DescribePipelineExecution",
                "sagemaker:ListPipelineExecutionSteps",
                "sagemaker:ListPipelineExecutions",
            ],
            resources=[pipeline_arn(context), f"{pipeline_arn(context)}/execution/*"],
        ),
        Statement(
            sid="FindModelVersions",  # ListModelPackages has no resource-level right
            actions=["sagemaker:ListModelPackages"],
            resources=["*"],
        ),
    ]
