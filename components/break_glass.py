"""Emergency access to PHI (45 CFR 164.312(a)(2)(ii)): a role made beforehand, for named people, loud when used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._iam import Statement, policy_document

ROLE: Final = "break-glass"
SESSION_SECONDS: Final = 3600
MFA_AGE_SECONDS: Final = 900
"""The second factor must have been shown within a quarter of an hour."""


def break_glass_arn(context: Context) -> str:
    """ARN of the role, known before it exists: the alarm on its use names it."""
    return context.naming.arn("iam", f"role/{context.naming.name(ROLE)}", regional=False)


@dataclass(frozen=True, kw_only=True)
class BreakGlassArgs:
    """Who may break the glass, and what is behind it.

    Attributes:
        people: names of IAM users of this account, or ARNs: they show a hardware factor where sign-in by Identity
            Center may be what is broken. docs/SECURITY.md says how they are kept.
        bucket_arns: PHI buckets to read.
        table_arns: PHI tables to read.
        key_arns: keys of both and of the data store, used through the services alone.
    """

    context: Context
    people: Sequence[str]
    bucket_arns: Sequence[pulumi.Input[str]]
    table_arns: Sequence[pulumi.Input[str]]
    datastore_arn: pulumi.Input[str]
    key_arns: Sequence[pulumi.Input[str]]


class BreakGlass(PlatformComponent):
    """The role `break-glass`: reads PHI, changes nothing, one hour, with second factor, name and ticket.

    Creates `{name}-role` (+ policy). Guarantees: the boundary still denies blinding the trail; every session carries
    its person (`sts:SourceIdentity`) and the ticket (session tag) into the trail; `components.security_alarms` sounds.
    """

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BreakGlassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the role; see `BreakGlassArgs` for what it takes."""
        super().__init__("imaging:break_glass:BreakGlass", name, opts)
        context = args.context
        role = aws.iam.Role(
            f"{name}-role",
            name=context.naming.name(ROLE),
            description="Emergency reading of PHI by named people; every use sounds an alarm",
            assume_role_policy=trust(context, args.people),
            permissions_boundary=context.boundary_arn,
            max_session_duration=SESSION_SECONDS,
            tags={**context.tags_for(ROLE, "phi"), "break-glass": "true"},
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            f"{name}-role-policy",
            name=context.naming.name(ROLE),
            role=role.name,
            policy=policy_document(*_reading(args)),
            opts=self.child(),
        )
        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})


def trust(context: Context, people: Sequence[str]) -> pulumi.Input[str]:
    """Named people of this account, with a fresh second factor, under their own name, with a ticket."""
    arns = [
        person if person.startswith("arn:") else context.naming.arn("iam", f"user/{person}", regional=False)
        for person in people
    ]
    return policy_document(
        Statement(
            sid="NamedPeopleWithSecondFactor",
            actions=["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            principals={"AWS": [f"arn:{context.partition}:iam::{context.account}:root"]},
            conditions={
                "ArnEquals": {"aws:PrincipalArn": arns},
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
                "NumericLessThan": {"aws:MultiFactorAuthAge": str(MFA_AGE_SECONDS)},
                "StringLike": {"sts:SourceIdentity": "?*", "aws:RequestTag/ticket": "?*"},
            },
        )
    )


def _reading(args: BreakGlassArgs) -> list[Statement]:
    context = args.context
    services = [f"{service}.{context.region}.amazonaws.com" for service in ("dynamodb", "medical-imaging", "s3")]
    return [
        Statement(sid="ListPhiBuckets", actions=["s3:ListBucket"], resources=list(args.bucket_arns)),
        Statement(
            sid="ReadPhiObjects",
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[pulumi.Output.concat(arn, "/*") for arn in args.bucket_arns],
        ),
        Statement(
            sid="ReadPhiTables",
            actions=["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
            resources=list(args.table_arns),
        ),
        Statement(
            sid="ReadImages",
            actions=[
                "medical-imaging:GetImageFrame",
                "medical-imaging:GetImageSet",
                "medical-imaging:GetImageSetMetadata",
                "medical-imaging:SearchImageSets",
            ],
            resources=[args.datastore_arn, pulumi.Output.concat(args.datastore_arn, "/imageset/*")],
        ),
        Statement(
            sid="DecryptThroughServices",
            actions=["kms:Decrypt"],
            resources=list(args.key_arns),
            conditions={"StringEquals": {"kms:ViaService": services}},
        ),
    ]
