"""The state machine `ingestion`: role, log group and encryption around the document of `ingestion_workflow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._iam import ServiceRole, Statement, service_role
from components._workload import Workload
from components.ingestion_workflow import definition_json

ROLE: Final = "ingestion"
DATA_KEY_REUSE_SECONDS: Final = 900
"""The longest that Step Functions reuses a data key: fewer calls of KMS, the same protection."""


def machine_arn(context: Context) -> str:
    """ARN of the state machine, known before it exists."""
    return context.naming.arn("states", f"stateMachine:{context.naming.name(ROLE, limit=80)}")


def ingestion_machine(
    logical_name: str,
    *,
    workload: Workload,
    function_arn: pulumi.Output[str],
    max_concurrency: int,
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> aws.sfn.StateMachine:
    """The standard state machine; its history and logs hold references only and are encrypted with our key."""
    context = workload.context
    opts = pulumi.ResourceOptions(parent=parent)
    log_group = aws.cloudwatch.LogGroup(
        f"{logical_name}-logs",
        # the prefix lets Step Functions write without growing the account's log resource policy
        name=f"/aws/vendedlogs/states/{context.naming.name(ROLE)}",
        kms_key_id=workload.keys.logs,
        retention_in_days=workload.log_retention_days,
        tags=dict(tags),
        opts=opts,
    )
    role = _role(f"{logical_name}-role", workload, function_arn, tags, opts)
    return aws.sfn.StateMachine(
        logical_name,
        name=context.naming.name(ROLE, limit=80),
        role_arn=role.arn,
        definition=function_arn.apply(lambda arn: definition_json(arn, max_concurrency)),
        logging_configuration={
            "level": "ALL",
            "include_execution_data": False,  # inputs and outputs stay out of the logs (minimum necessary)
            "log_destination": log_group.arn.apply(_all_streams),
        },
        encryption_configuration={
            "type": "CUSTOMER_MANAGED_KMS_KEY",
            "kms_key_id": workload.keys.events,
            "kms_data_key_reuse_period_seconds": DATA_KEY_REUSE_SECONDS,
        },
        tracing_configuration={"enabled": True},
        tags=dict(tags),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[role.policy]),
    )


def _all_streams(log_group_arn: str) -> str:
    """Step Functions wants the destination to end in `:*`; the provider reports the ARN with and without it."""
    return f"{log_group_arn.removesuffix(':*')}:*"


def _role(
    logical_name: str,
    workload: Workload,
    function_arn: pulumi.Output[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> ServiceRole:
    context = workload.context
    own_arn = machine_arn(context)
    return service_role(
        logical_name,
        context=context,
        role="ingestion-machine",
        services=["states.amazonaws.com"],
        source_arn=own_arn,
        statements=[
            Statement(sid="InvokeIngestion", actions=["lambda:InvokeFunction"], resources=[function_arn]),
            Statement(
                sid="EncryptHistory",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[workload.keys.events],
                conditions={"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": own_arn}},
            ),
            Statement(
                sid="DeliverLogs",  # CloudWatch Logs has no resource-level rights for log delivery
                actions=[
                    "logs:CreateLogDelivery",
                    "logs:DeleteLogDelivery",
                    "logs:DescribeLogGroups",
                    "logs:DescribeResourcePolicies",
                    "logs:GetLogDelivery",
                    "logs:ListLogDeliveries",
                    "logs:PutResourcePolicy",
                    "logs:UpdateLogDelivery",
                ],
                resources=["*"],
            ),
            Statement(
                sid="SendTraces",  # X-Ray has no resource-level rights for these actions
                actions=[
                    "xray:GetSamplingRules",
                    "xray:GetSamplingTargets",
                    "xray:PutTelemetryRecords",
                    "xray:PutTraceSegments",
                ],
                resources=["*"],
            ),
        ],
        tags=tags,
        description="Runs the ingestion state machine",
        opts=opts,
    )
