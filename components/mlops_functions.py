"""The three functions around the training pipeline, each with the rights that its own code uses."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from components import event_patterns
from components._base import Context
from components._configuration import FunctionsSettings, RegistrySettings
from components._iam import Statement
from components._queues import queue_arn
from components._research_access import ResearchZone, bucket_arns, objects
from components._workload import FunctionPlan, Table, Workload, once_only, put_events, use_key
from components.endpoint_guard import deployment_config, look_at_alarms
from components.endpoint_scaling import scaling_plan, scaling_statements
from components.function import FunctionSize
from components.training_pipeline import model_group, pipeline_arn, pipeline_name

TRIGGER_ROLE = "pipeline-trigger"
REQUESTS_ROLE = "training-requests"
EVALUATION_ROLE = "model-evaluation"
REGISTRY_ROLE = "model-registry"
CAPTURES = "endpoint-data-capture"
DECISIONS = "decisions"
"""Partition of the metrics table that holds what was decided (lambdas/model_registry/decisions.py, contract test)."""


@dataclass(frozen=True, kw_only=True)
class MlopsTables:
    """The tables that training reads and writes."""

    tracking: Table
    labels: Table
    metrics: Table
    training_runs: Table
    idempotency: Table


@dataclass(frozen=True, kw_only=True)
class MlopsSurroundings:
    """Where the functions read, write and report.

    Attributes:
        bus_name, bus_arn: the platform's bus.
        topic_arn: where people are told.
        min_new_labels: labels since the last run that start a training.
        label_quiet_seconds: time without a new label before a training starts, 0 to 900 (SQS's longest delay).
        accuracy_threshold: smallest accuracy of a model that may serve, 0 to 1.
    """

    zone: ResearchZone
    tables: MlopsTables
    bus_name: pulumi.Input[str]
    bus_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    min_new_labels: int
    label_quiet_seconds: int
    accuracy_threshold: float


def capture_uri(place: MlopsSurroundings) -> str:
    """Where the endpoint keeps questions and answers."""
    return f"s3://{place.zone.model_artifacts}/{CAPTURES}/"


def size_of(settings: FunctionsSettings, function: str) -> FunctionSize:
    """The size that the stack's data gives a function (`pipeline_trigger`, ...)."""
    given = getattr(settings, function)
    return FunctionSize(
        memory_mb=given.memory_mb,
        timeout_seconds=given.timeout_seconds,
        reserved_concurrency=given.reserved_concurrency,
    )


def trigger_plan(workload: Workload, place: MlopsSurroundings, size: FunctionSize) -> FunctionPlan:
    """PipelineTrigger: freezes the verified labels as a snapshot and starts one training at a time."""
    context, keys, tables = workload.context, workload.keys, place.tables
    return FunctionPlan(
        role=TRIGGER_ROLE,
        description="Starts a training when enough labels are new, on a frozen snapshot of them",
        package="pipeline_trigger",
        handler="pipeline_trigger.handler.handler",
        size=size,
        environment={
            "LABELS_TABLE": tables.labels.name,
            "TRACKING_TABLE": tables.tracking.name,
            "TRAINING_RUNS_TABLE": tables.training_runs.name,
            "PREPROCESSED_BUCKET": place.zone.preprocessed,
            "PIPELINE_NAME": pipeline_name(context),
            "MODEL_PACKAGE_GROUP": model_group(context),
            "MIN_NEW_LABELS": str(place.min_new_labels),
            "IDEMPOTENCY_TABLE": tables.idempotency.name,
        },
        statements=[
            Statement(
                sid="ReadLabelsAndImages",
                actions=["dynamodb:Query"],
                resources=[tables.labels.arn, tables.labels.index("by-state"), tables.tracking.index("by-study")],
            ),
            Statement(
                sid="RecordRuns",
                actions=["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
                resources=[tables.training_runs.arn],
            ),
            once_only(tables.idempotency),
            use_key(context, "UseTableKeys", "dynamodb", [keys.tracking], write=False),
            Statement(
                sid="FreezeSnapshots",
                actions=["s3:PutObject"],
                resources=objects(context, place.zone.preprocessed, "snapshots"),
            ),
            use_key(context, "UseResearchKey", "s3", [keys.research], write=True),
            Statement(
                sid="TakeTrainingRequests",
                actions=["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                resources=[queue_arn(context, REQUESTS_ROLE)],
            ),
            use_key(context, "UseQueueKey", "sqs", [keys.events], write=False),
            Statement(
                sid="StartTraining",
                actions=["sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"],
                resources=[pipeline_arn(context)],
            ),
            Statement(
                sid="FindChampion",
                actions=["sagemaker:DescribeModelPackage"],
                resources=[context.naming.arn("sagemaker", f"model-package/{model_group(context)}/*")],
            ),
            find_model_versions(),
        ],
        data_class="tracking",
    )


def evaluation_plan(
    workload: Workload,
    place: MlopsSurroundings,
    registry: RegistrySettings,
    *,
    size: FunctionSize,
    evaluation_layer: pulumi.Input[str],
) -> FunctionPlan:
    """ModelEvaluation: judges a trained model again, apart from the training, on the frozen test set."""
    context, keys = workload.context, workload.keys
    group = model_group(context)
    return FunctionPlan(
        role=EVALUATION_ROLE,
        description="Evaluates a trained model independently of its training run and compares the two",
        package="model_evaluation",
        handler="model_evaluation.handler.handler",
        size=size,
        layers=[evaluation_layer],
        environment={
            "MODEL_ARTIFACTS_BUCKET": place.zone.model_artifacts,
            "PREPROCESSED_BUCKET": place.zone.preprocessed,
            "METRICS_TABLE": place.tables.metrics.name,
            "MODEL_PACKAGE_GROUP": group,
            "EVENT_BUS_NAME": place.bus_name,
            "ACCURACY_THRESHOLD": str(place.accuracy_threshold),
            "MAX_DISAGREEMENT": str(registry.max_disagreement),
            "IDEMPOTENCY_TABLE": place.tables.idempotency.name,
            "ENDPOINT_NAME": group,
            "DATA_CAPTURE_URI": capture_uri(place),
            "DRIFT_WINDOW_HOURS": str(registry.drift.window_hours),
            "DRIFT_MIN_IMAGES": str(registry.drift.min_images),
            "DRIFT_PSI": str(registry.drift.psi),
            "DRIFT_SIGNIFICANCE": str(registry.drift.significance),
            "LABELS_TABLE": place.tables.labels.name,
            "TRIAL_ALPHA": str(registry.trial.alpha),
            "TRIAL_MAX_STUDIES": str(registry.trial.max_studies),
        },
        statements=[
            Statement(
                sid="ReadRunsAndModels",
                actions=["s3:GetObject"],
                resources=[
                    *objects(context, place.zone.preprocessed, "runs"),
                    *objects(context, place.zone.model_artifacts, "models", CAPTURES),
                ],
            ),
            Statement(
                sid="NoticeAbsence",  # without ListBucket, S3 says 403 and not 404 for an artifact that is not there
                actions=["s3:ListBucket"],
                resources=bucket_arns(context, place.zone.preprocessed, place.zone.model_artifacts),
            ),
            use_key(context, "UseBucketKeys", "s3", [keys.research, keys.models], write=False),
            Statement(
                sid="RecordMetrics",
                actions=["dynamodb:PutItem"],
                resources=[place.tables.metrics.arn],
            ),
            once_only(place.tables.idempotency),
            use_key(context, "UseTableKeys", "dynamodb", [keys.tracking], write=False),
            Statement(
                sid="ReadModelVersions",
                actions=["sagemaker:DescribeModelPackage"],
                resources=[context.naming.arn("sagemaker", f"model-package/{group}/*")],
            ),
            Statement(
                sid="ReadVerifiedLabels",  # by state and time: what the readers found after a trial's answers
                actions=["dynamodb:Query"],
                resources=[place.tables.labels.index("by-state")],
            ),
            Statement(
                sid="LookAtEndpoint",  # which versions it serves, and for which share
                actions=["sagemaker:DescribeEndpoint"],
                resources=[context.naming.arn("sagemaker", f"endpoint/{group}")],
            ),
            Statement(
                sid="FindModelOfRun",
                actions=["sagemaker:ListPipelineExecutionSteps"],
                resources=[f"{pipeline_arn(context)}/execution/*"],
            ),
            find_model_versions(),
            Statement(
                sid="MeasureCost",  # SageMaker names the jobs of any pipeline so
                actions=["sagemaker:DescribeTrainingJob"],
                resources=[context.naming.arn("sagemaker", "training-job/pipelines-*")],
            ),
            put_events(place.bus_arn, event_patterns.EVALUATION_SOURCE),
        ],
        data_class="research",
    )


def registry_plan(
    workload: Workload,
    place: MlopsSurroundings,
    registry: RegistrySettings,
    *,
    size: FunctionSize,
    model_role_arn: pulumi.Input[str],
) -> FunctionPlan:
    """ModelRegistry: approves or asks, deploys if the stack says so, rolls back, and tells people."""
    context, keys = workload.context, workload.keys
    group = model_group(context)
    return FunctionPlan(
        role=REGISTRY_ROLE,
        description="Approves, deploys and rolls back model versions, and tells people what was decided",
        package="model_registry",
        handler="model_registry.handler.handler",
        size=size,
        environment={
            "MODEL_PACKAGE_GROUP": group,
            "METRICS_TABLE": place.tables.metrics.name,
            "EVENT_BUS_NAME": place.bus_name,
            "ALERTS_TOPIC_ARN": place.topic_arn,
            "ENDPOINT_NAME": group,
            "MODEL_EXECUTION_ROLE_ARN": model_role_arn,
            "AUTO_APPROVE": str(registry.auto_approve).lower(),
            "AUTO_DEPLOY": str(registry.auto_deploy).lower(),
            "INFERENCE_INSTANCE_TYPE": registry.inference_instance_type,
            "DATA_CAPTURE_URI": capture_uri(place),
            "DATA_CAPTURE_PERCENT": str(registry.data_capture_percent),
            "ENDPOINT_KMS_KEY_ARN": keys.models,
            "INFERENCE_INSTANCES": str(registry.inference_instances),
            "DEPLOYMENT_CONFIG": json.dumps(deployment_config(context, registry)),
            "CHALLENGER_PERCENT": str(registry.trial.challenger_percent),
            "SCALING": json.dumps(scaling_plan(registry)),
        },
        statements=[
            *_version_statements(context, group),
            *_endpoint_statements(workload, group, model_role_arn),
            look_at_alarms(context),
            *scaling_statements(context, group),
            Statement(
                sid="RecordDecisions",
                actions=["dynamodb:PutItem", "dynamodb:Query"],
                resources=[place.tables.metrics.arn],
                # evaluations lie in the same table: this function must not write one
                conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [DECISIONS]}},
            ),
            use_key(context, "UseTableKeys", "dynamodb", [keys.tracking], write=False),
            Statement(sid="TellPeople", actions=["sns:Publish"], resources=[place.topic_arn]),
            use_key(context, "UseTopicKey", "sns", [keys.events], write=True),
            put_events(place.bus_arn, event_patterns.REGISTRY_SOURCE),
        ],
        data_class="models",
    )


def _version_statements(context: Context, group: str) -> list[Statement]:
    return [
        Statement(
            sid="DecideModelVersions",
            actions=["sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage"],
            resources=[context.naming.arn("sagemaker", f"model-package/{group}/*")],
        ),
        find_model_versions(),
    ]


def find_model_versions() -> Statement:
    """ListModelPackages has no resource-level right."""
    return Statement(sid="FindModelVersions", actions=["sagemaker:ListModelPackages"], resources=["*"])


def _endpoint_statements(workload: Workload, group: str, model_role_arn: pulumi.Input[str]) -> list[Statement]:
    """Names of models and endpoint configurations begin with the endpoint's name."""
    context = workload.context
    arn = context.naming.arn
    return [
        Statement(
            sid="ServeModels",
            actions=[
                "sagemaker:CreateEndpoint",
                "sagemaker:CreateEndpointConfig",
                "sagemaker:CreateModel",
                "sagemaker:DeleteEndpoint",  # of a failed one: SageMaker does nothing else with it any more
                "sagemaker:DescribeEndpoint",
                "sagemaker:UpdateEndpoint",
            ],
            resources=[
                arn("sagemaker", f"endpoint/{group}"),
                arn("sagemaker", f"endpoint-config/{group}*"),
                arn("sagemaker", f"model/{group}*"),
            ],
        ),
        Statement(
            sid="GrantKeyToEndpointDisks",
            actions=["kms:CreateGrant"],
            resources=[workload.keys.models],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        Statement(sid="DescribeEndpointKey", actions=["kms:DescribeKey"], resources=[workload.keys.models]),
        Statement(
            sid="HandModelRoleToSageMaker",
            actions=["iam:PassRole"],
            resources=[model_role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ]
