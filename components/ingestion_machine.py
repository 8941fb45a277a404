"""The state machines `ingestion` and `backfill`: their documents on the stack's common ground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components import _machine
from components._base import Context
from components._iam import Statement
from components._workload import Workload, use_key
from components.backfill_workflow import LABELS, MANIFESTS, RESULTS, UPLOADS, backfill_json
from components.ingestion_workflow import PATIENT, WITHIN_FIVE_MINUTES, definition_json

ROLE: Final = "ingestion"
BACKFILL_ROLE: Final = "backfill"
Kind = _machine.Kind


def machine_arn(context: Context) -> str:
    """ARN of the state machine, known before it exists."""
    return _machine.machine_arn(context, ROLE)


def ingestion_machine(
    logical_name: str,
    *,
    workload: Workload,
    function_arn: pulumi.Output[str],
    max_concurrency: int,
    kind: Kind,
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> aws.sfn.StateMachine:
    """The state machine of every upload; its history and logs hold references only and are encrypted with our key."""
    pace = WITHIN_FIVE_MINUTES if kind == "EXPRESS" else PATIENT
    return _machine.state_machine(
        logical_name,
        workload=workload,
        role=ROLE,
        execution_role="ingestion-machine",
        description="Runs the ingestion state machine",
        definition=function_arn.apply(lambda arn: definition_json(arn, max_concurrency, pace)),
        statements=[Statement(sid="InvokeIngestion", actions=["lambda:InvokeFunction"], resources=[function_arn])],
        tags=tags,
        parent=parent,
        kind=kind,
    )


def backfill_machine(
    logical_name: str,
    *,
    workload: Workload,
    function_arn: pulumi.Output[str],
    bucket: pulumi.Input[str],
    max_concurrency: int,
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> aws.sfn.StateMachine:
    """The state machine that takes up what was received without being ingested; `bucket` holds uploads and results."""

    def document(given: list[str]) -> str:
        return backfill_json(given[0], given[1], max_concurrency)

    return _machine.state_machine(
        logical_name,
        workload=workload,
        role=BACKFILL_ROLE,
        execution_role="backfill-machine",
        description="Runs the back-fill state machine",
        definition=pulumi.Output.all(function_arn, bucket).apply(document),
        statements=[
            Statement(sid="InvokeIngestion", actions=["lambda:InvokeFunction"], resources=[function_arn]),
            *_dataset_statements(workload, bucket),
            *_child_statements(workload.context),
        ],
        tags=tags,
        parent=parent,
        map_labels=LABELS,
    )


def _dataset_statements(workload: Workload, bucket: pulumi.Input[str]) -> list[Statement]:
    """Lists uploads without reading one, reads manifests, writes results.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    """
    arn = pulumi.Output.concat(f"arn:{workload.context.partition}:s3:::", bucket)
    return [
        Statement(
            sid="ListUploads",
            actions=["s3:ListBucket"],
            resources=[arn],
            conditions={"StringLike": {"s3:prefix": f"{UPLOADS}*"}},
        ),
        Statement(
            sid="ReadManifests", actions=["s3:GetObject"], resources=[pulumi.Output.concat(arn, f"/{MANIFESTS}*")]
        ),
        Statement(
            sid="WriteResults",
            actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
            resources=[pulumi.Output.concat(arn, f"/{RESULTS}/*")],
        ),
        use_key(workload.context, "UseBucketKey", "s3", [workload.keys.phi], write=True),
    ]


def _child_statements(context: Context) -> list[Statement]:
    """A Distributed Map starts, follows and redrives children of its own machine."""
    name = context.naming.name(BACKFILL_ROLE, limit=_machine.NAME_LIMIT)
    return [
        Statement(
            sid="StartChildren",
            actions=["states:StartExecution"],
            resources=[_machine.machine_arn(context, BACKFILL_ROLE)],
        ),
        Statement(
            sid="FollowChildren",
            actions=["states:DescribeExecution", "states:StopExecution"],
            resources=[
                context.naming.arn("states", f"execution:{name}:*"),
                *(context.naming.arn("states", f"express:{name}/{label}:*:*") for label in LABELS),
            ],
        ),
        Statement(
            sid="RedriveChildren",
            actions=["states:RedriveExecution"],
            resources=[context.naming.arn("states", f"execution:{name}/{label}:*") for label in LABELS],
        ),
    ]
