"""The Monitoring function: what it is told and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from components import event_patterns
from components._iam import Statement
from components._research_access import bucket_arns
from components._workload import FunctionPlan, Table, Workload, put_events, use_key
from components.function import FunctionSize

ROLE: Final = "monitoring"


@dataclass(frozen=True, kw_only=True)
class MonitoringStores:
    """What is checked, and what drives a forgotten object again.

    Attributes:
        training_data_bucket: PHI zone: keys are listed, no object is read; the reconciler's reports are written there.
        preprocessed_bucket: research zone: keys are listed.
        reconcile_grace_seconds: age from which an object without a final state counts as forgotten.
    """

    training_data_bucket: str
    preprocessed_bucket: str
    tracking: Table
    state_machine_arn: pulumi.Input[str]
    import_queue_url: pulumi.Input[str]
    import_queue_arn: pulumi.Input[str]
    datastore_id: pulumi.Input[str]
    datastore_arn: pulumi.Input[str]
    bus_name: pulumi.Input[str]
    bus_arn: pulumi.Input[str]
    reconcile_grace_seconds: int


def plan(workload: Workload, stores: MonitoringStores, size: FunctionSize) -> FunctionPlan:
    """Health every few minutes, reconciling every night."""
    context, keys = workload.context, workload.keys
    return FunctionPlan(
        role=ROLE,
        description="Checks the platform's health and drives forgotten objects again",
        package="monitoring",
        handler="monitoring.handler.handler",
        size=size,
        environment={
            "TRAINING_DATA_BUCKET": stores.training_data_bucket,
            "PREPROCESSED_BUCKET": stores.preprocessed_bucket,
            "TRACKING_TABLE": stores.tracking.name,
            "INGESTION_STATE_MACHINE_ARN": stores.state_machine_arn,
            "IMPORT_QUEUE_URL": stores.import_queue_url,
            "DATASTORE_ID": stores.datastore_id,
            "EVENT_BUS_NAME": stores.bus_name,
            "RECONCILE_GRACE_SECONDS": str(stores.reconcile_grace_seconds),
        },
        statements=[
            Statement(
                sid="ListObjects",
                actions=["s3:ListBucket"],
                resources=bucket_arns(context, stores.training_data_bucket, stores.preprocessed_bucket),
            ),
            Statement(
                sid="WriteReports",
                actions=["s3:PutObject"],
                resources=[f"{arn}/reports/*" for arn in bucket_arns(context, stores.training_data_bucket)],
            ),
            use_key(context, "UseBucketKey", "s3", [keys.phi], write=True),
            Statement(
                sid="ReadTracking",
                actions=["dynamodb:BatchGetItem", "dynamodb:Query"],
                resources=[
                    stores.tracking.arn,
                    stores.tracking.index("by-status"),
                    stores.tracking.index("by-study"),
                ],
            ),
            use_key(context, "UseTableKey", "dynamodb", [keys.tracking], write=False),
            Statement(
                sid="CheckAndDriveAgain",
                actions=["states:DescribeStateMachine", "states:StartExecution"],
                resources=[stores.state_machine_arn],
            ),
            Statement(
                sid="CheckAndQueueAgain",
                actions=["sqs:GetQueueAttributes", "sqs:SendMessage"],
                resources=[stores.import_queue_arn],
            ),
            use_key(context, "UseQueueKey", "sqs", [keys.events], write=True),
            Statement(
                sid="AskDataStore",  # one frame is read to time the retrieval; it is thrown away unseen
                actions=[
                    "medical-imaging:GetDatastore",
                    "medical-imaging:GetImageFrame",
                    "medical-imaging:GetImageSetMetadata",
                    "medical-imaging:SearchImageSets",
                ],
                resources=[stores.datastore_arn, pulumi.Output.concat(stores.datastore_arn, "/imageset/*")],
            ),
            use_key(context, "ReadThroughDataStore", "medical-imaging", [keys.imaging], write=False),
            Statement(
                sid="FindTrails",  # DescribeTrails lists; it has no resource-level right
                actions=["cloudtrail:DescribeTrails"],
                resources=["*"],
            ),
            Statement(
                sid="MeasureAuditLag",
                actions=["cloudtrail:GetTrailStatus"],
                resources=[context.naming.arn("cloudtrail", f"trail/{context.naming.prefix}*")],
            ),
            put_events(stores.bus_arn, event_patterns.MONITORING_SOURCE),
        ],
        data_class="phi",
    )
