"""State machines made one way: own role, encrypted history, a log without inputs and outputs, traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._iam import Statement, service_role
from components._logs import LogClass, log_group
from components._workload import Workload

DATA_KEY_REUSE_SECONDS: Final = 900
"""The longest that Step Functions reuses a data key: fewer calls of KMS, the same protection."""
NAME_LIMIT: Final = 80

Kind = Literal["STANDARD", "EXPRESS"]
"""STANDARD keeps a history for 90 days and can be redriven; EXPRESS ends within five minutes, costs by time and memory,
may run a piece of work twice, and is told of by its log alone."""


def machine_arn(context: Context, role: str) -> str:
    """ARN of the state machine with that role, known before it exists."""
    return context.naming.arn("states", f"stateMachine:{context.naming.name(role, limit=NAME_LIMIT)}")


def state_machine(
    logical_name: str,
    *,
    workload: Workload,
    role: str,
    execution_role: str,
    description: str,
    definition: pulumi.Input[str],
    statements: Sequence[Statement],
    tags: Mapping[str, str],
    parent: pulumi.Resource,
    log_class: LogClass = "operations",
    kind: Kind = "STANDARD",
    map_labels: Sequence[str] = (),
) -> aws.sfn.StateMachine:
    """The machine; its history and logs are encrypted with our key.

    Args:
        logical_name: Pulumi name; the log group and the role get the suffixes `-logs` and `-role`.
        role: last part of the physical name of machine and log group.
        execution_role: last part of the name of the role that it runs under.
        definition: the document in Amazon States Language.
        statements: what it may do beyond its own history, logs and traces.
        log_class: `audit` where its history is a record that the law asks for.
        kind: changing it replaces the machine.
        map_labels: labels of its Distributed Maps, whose children's histories are encrypted under `machine/label`.
    """
    context = workload.context
    opts = pulumi.ResourceOptions(parent=parent)
    logs = log_group(
        f"{logical_name}-logs",
        # the prefix lets Step Functions write without growing the account's log resource policy
        name=f"/aws/vendedlogs/states/{context.naming.name(role)}",
        log_class=log_class,
        keeping=workload.logs,
        tags=tags,
        opts=opts,
    )
    runs_as = service_role(
        f"{logical_name}-role",
        context=context,
        role=execution_role,
        services=["states.amazonaws.com"],
        source_arn=machine_arn(context, role),
        statements=[*statements, *_machine_statements(workload, machine_arn(context, role), map_labels)],
        tags=tags,
        description=description,
        opts=opts,
    )
    return aws.sfn.StateMachine(
        logical_name,
        name=context.naming.name(role, limit=NAME_LIMIT),
        type=kind,
        role_arn=runs_as.arn,
        definition=definition,
        logging_configuration={
            "level": "ALL",
            "include_execution_data": False,  # inputs and outputs stay out of the logs (minimum necessary)
            "log_destination": logs.arn.apply(_all_streams),
        },
        encryption_configuration={
            "type": "CUSTOMER_MANAGED_KMS_KEY",
            "kms_key_id": workload.keys.events,
            "kms_data_key_reuse_period_seconds": DATA_KEY_REUSE_SECONDS,
        },
        tracing_configuration={"enabled": True},
        tags=dict(tags),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[runs_as.policy]),
    )


def _all_streams(log_group_arn: str) -> str:
    """Step Functions wants the destination to end in `:*`; the provider reports the ARN with and without it."""
    return f"{log_group_arn.removesuffix(':*')}:*"


def _machine_statements(workload: Workload, own_arn: str, map_labels: Sequence[str]) -> list[Statement]:
    """What any machine needs: its history, its logs, traces."""
    context = workload.context
    histories = [own_arn, *(f"{own_arn}/{label}" for label in map_labels)]
    return [
        Statement(
            sid="EncryptHistory",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[workload.keys.events],
            conditions={"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": histories}},
        ),
        Statement(
            sid="EncryptLogsOnTheirWay",
            actions=["kms:GenerateDataKey"],
            resources=[workload.keys.events],
            conditions={"StringEquals": {"kms:EncryptionContext:SourceArn": context.naming.arn("logs", "*")}},
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
    ]
