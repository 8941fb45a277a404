"""The BreachResponse function: what it is told and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from components._base import Context
from components._configuration import SecuritySettings
from components._iam import Statement
from components._workload import FunctionPlan, KeyArns, Workload, use_key
from components.break_glass import ROLE as BREAK_GLASS_ROLE
from components.function import FunctionSize

ROLE: Final = "breach-response"
MACHINE_ROLE: Final = "breach-machine"
START_ROLE: Final = "breach-start"
INCIDENTS: Final = "incidents"
"""Folder of the audit bucket (lambdas/breach_response/adapters.py says the same, contract test)."""


@dataclass(frozen=True, kw_only=True)
class BreachStores:
    """Where evidence goes, who is told, and the group that cuts a machine off."""

    audit_bucket_name: pulumi.Input[str]
    audit_bucket_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    quarantine_group_id: pulumi.Input[str]


def protected_roles(context: Context) -> list[str]:
    """Roles that no finding shuts: the responders' own and emergency access."""
    return [context.naming.name(role) for role in (ROLE, MACHINE_ROLE, START_ROLE, BREAK_GLASS_ROLE)]


def plan(workload: Workload, stores: BreachStores, security: SecuritySettings, size: FunctionSize) -> FunctionPlan:
    """Contain, keep evidence, tell, report."""
    context, keys = workload.context, workload.keys
    all_keys = [getattr(keys, name) for name in KeyArns.__dataclass_fields__]
    return FunctionPlan(
        role=ROLE,
        description="Contains a security finding, keeps its evidence, tells the compliance list and reports",
        package="breach_response",
        handler="breach_response.handler.handler",
        size=size,
        environment={
            "AUDIT_BUCKET": stores.audit_bucket_name,
            "COMPLIANCE_TOPIC_ARN": stores.topic_arn,
            "QUARANTINE_GROUP_ID": stores.quarantine_group_id,
            "KEY_ARNS": pulumi.Output.all(*all_keys).apply(",".join),
            "ROLE_PREFIX": context.naming.prefix,
            "PROTECTED_ROLES": ",".join(protected_roles(context)),
            "DRY_RUN": str(security.breach_dry_run).lower(),
            "QUARANTINE_HOURS": str(security.breach_quarantine_hours),
            "NOTIFY_HOURS": str(security.breach_notify_hours),
        },
        statements=[
            Statement(
                sid="KeepEvidence",
                actions=["s3:GetObject", "s3:PutObject"],
                resources=[pulumi.Output.concat(stores.audit_bucket_arn, f"/{INCIDENTS}/*")],
            ),
            Statement(
                sid="TellMissingFromForbidden",
                actions=["s3:ListBucket"],
                resources=[stores.audit_bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{INCIDENTS}/*"}},
            ),
            use_key(context, "UseAuditKey", "s3", [keys.audit], write=True),
            Statement(
                sid="SeeNetworkInterfaces",  # EC2 has no resource-level rights to describe
                actions=["ec2:DescribeNetworkInterfaces"],
                resources=["*"],
            ),
            Statement(
                sid="CutOff",  # into the quarantine group and into no other
                actions=["ec2:ModifyNetworkInterfaceAttribute"],
                resources=[
                    context.naming.arn("ec2", "network-interface/*"),
                    pulumi.Output.concat(context.naming.arn("ec2", "security-group/"), stores.quarantine_group_id),
                ],
            ),
            Statement(sid="EndGrants", actions=["kms:ListGrants", "kms:RevokeGrant"], resources=all_keys),
            Statement(
                sid="ReadTrail",  # the event history has no resource-level rights
                actions=["cloudtrail:LookupEvents"],
                resources=["*"],
            ),
            Statement(sid="TellCompliance", actions=["sns:Publish"], resources=[stores.topic_arn]),
            use_key(context, "UseTopicKey", "sns", [keys.events], write=True),
        ],
        data_class="operations",
        log_class="audit",  # what was done about an incident (45 CFR 164.308(a)(6)(ii), 164.414(b))
    )
