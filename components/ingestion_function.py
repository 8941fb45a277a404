"""ImageIngestion: the function behind every state of the workflow, the import queue and the import results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from components._base import Context
from components._iam import Statement
from components._queues import queue_arn
from components._workload import FunctionPlan, KeyArns, Table, Workload, use_key
from components.function import FunctionSize

ROLE: Final = "image-ingestion"
QUEUE_ROLE: Final = "import"
UPLOAD_QUEUE_ROLE: Final = "upload"


@dataclass(frozen=True, kw_only=True)
class IngestionStores:
    """Where ingestion reads and writes.

    Attributes:
        training_data_bucket: Name of the PHI zone's bucket (upload/, validated/, quarantine/, import-output/).
        preprocessed_bucket: Name of the research zone's bucket (deidentified/).
        pseudonym_secret_arn: Secret with the key of the pseudonyms.
        datastore_id, datastore_arn: HealthImaging data store.
        import_role_arn: Role that HealthImaging assumes for an import job.
    """

    training_data_bucket: pulumi.Input[str]
    preprocessed_bucket: pulumi.Input[str]
    tracking: Table
    pseudonym_secret_arn: pulumi.Input[str]
    datastore_id: pulumi.Input[str]
    datastore_arn: pulumi.Input[str]
    import_role_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class IngestionLimits:
    """What the stack decides about a file.

    Attributes:
        import_quiet_seconds: Seconds that a study must be quiet before it is imported.
        max_object_bytes: The largest upload.
        keep_patient_characteristics: Sex, age and size stay in the research zone (PS3.15 E.3.7).
    """

    import_quiet_seconds: int
    max_object_bytes: int
    keep_patient_characteristics: bool


def plan(
    workload: Workload,
    stores: IngestionStores,
    *,
    limits: IngestionLimits,
    size: FunctionSize,
    import_queue_url: pulumi.Input[str],
    upload_queue_url: pulumi.Input[str],
    state_machine_arn: str,
    objects_per_execution: int,
) -> FunctionPlan:
    """The function: 300 s and 512 MiB by default, the environment that its settings read, and its rights."""
    context, keys = workload.context, workload.keys
    return FunctionPlan(
        role=ROLE,
        description="Starts the workflow for uploads, does its operations, and imports quiet studies",
        package="image_ingestion",
        handler="image_ingestion.handler.handler",
        size=size,
        environment={
            "TRAINING_DATA_BUCKET": stores.training_data_bucket,
            "PREPROCESSED_BUCKET": stores.preprocessed_bucket,
            "TRACKING_TABLE": stores.tracking.name,
            "PSEUDONYM_KEY_SECRET_ARN": stores.pseudonym_secret_arn,
            "DATASTORE_ID": stores.datastore_id,
            "IMPORT_ROLE_ARN": stores.import_role_arn,
            "IMPORT_QUEUE_URL": import_queue_url,
            "UPLOAD_QUEUE_URL": upload_queue_url,
            "INGESTION_STATE_MACHINE_ARN": state_machine_arn,
            "OBJECTS_PER_EXECUTION": str(objects_per_execution),
            "IMPORT_QUIET_SECONDS": str(limits.import_quiet_seconds),
            "MAX_OBJECT_BYTES": str(limits.max_object_bytes),
            "KEEP_PATIENT_CHARACTERISTICS": str(limits.keep_patient_characteristics).lower(),
        },
        statements=[
            *_storage_statements(context, keys, stores),
            *_record_statements(context, keys, stores),
            *_queue_statements(context, keys, state_machine_arn),
            *_import_statements(stores),
        ],
        data_class="phi",
    )


def _storage_statements(context: Context, keys: KeyArns, stores: IngestionStores) -> list[Statement]:
    """Reads what was received, writes what was judged; it can delete nothing: uploads are the durable record."""
    phi_zone = pulumi.Output.concat(f"arn:{context.partition}:s3:::", stores.training_data_bucket)
    research_zone = pulumi.Output.concat(f"arn:{context.partition}:s3:::", stores.preprocessed_bucket)
    return [
        Statement(
            sid="ReadReceivedObjects",
            actions=["s3:GetObject", "s3:GetObjectVersion"],  # an overwritten upload is judged by its own version
            resources=[pulumi.Output.concat(phi_zone, f"/{prefix}/*") for prefix in _READ_PREFIXES],
        ),
        Statement(
            sid="WriteJudgedObjects",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.concat(phi_zone, f"/{prefix}/*") for prefix in _WRITE_PREFIXES],
        ),
        Statement(
            sid="FindVersionsAndAbsence",  # without ListBucket, S3 says 403 and not 404 for an object that is not there
            actions=["s3:ListBucket", "s3:ListBucketVersions"],
            resources=[phi_zone],
        ),
        Statement(
            sid="WriteDeidentifiedObjects",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.concat(research_zone, "/deidentified/*")],
        ),
        use_key(context, "UseBucketKeys", "s3", [keys.phi, keys.research], write=True),
    ]


_READ_PREFIXES: Final = ("import-manifests", "import-output", "upload")
_WRITE_PREFIXES: Final = ("import-input", "import-manifests", "quarantine", "validated")


def _record_statements(context: Context, keys: KeyArns, stores: IngestionStores) -> list[Statement]:
    return [
        Statement(
            sid="TrackObjects",
            actions=[
                "dynamodb:BatchGetItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            resources=[stores.tracking.arn, stores.tracking.index("by-study")],
        ),
        use_key(context, "UseTrackingKey", "dynamodb", [keys.tracking], write=False),
        Statement(
            sid="ReadPseudonymKey",
            actions=["secretsmanager:GetSecretValue"],
            resources=[stores.pseudonym_secret_arn],
        ),
        use_key(context, "DecryptPseudonymKey", "secretsmanager", [keys.secrets], write=False),
    ]


def _queue_statements(context: Context, keys: KeyArns, state_machine_arn: str) -> list[Statement]:
    return [
        Statement(
            sid="UseOwnQueues",
            actions=[
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
            ],
            resources=[queue_arn(context, QUEUE_ROLE), queue_arn(context, UPLOAD_QUEUE_ROLE)],
        ),
        use_key(context, "UseQueueKey", "sqs", [keys.events], write=True),
        Statement(sid="StartWorkflow", actions=["states:StartExecution"], resources=[state_machine_arn]),
    ]


def _import_statements(stores: IngestionStores) -> list[Statement]:
    return [
        Statement(
            sid="ImportStudies",
            actions=["medical-imaging:GetDICOMImportJob", "medical-imaging:StartDICOMImportJob"],
            resources=[stores.datastore_arn],
        ),
        Statement(
            sid="HandOverImportRole",
            actions=["iam:PassRole"],
            resources=[stores.import_role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "medical-imaging.amazonaws.com"}},
        ),
    ]
