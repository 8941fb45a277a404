"""CloudTrail of the stack: who did what to PHI, keys and the platform itself, where nobody can change it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/filtering-data-events.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._iam import ServiceRole, Statement, service_role
from components._logs import LogKeeping, log_group

Insight = Literal["ApiCallRateInsight", "ApiErrorRateInsight"]
ROLE: Final = "audit-trail"
TRAIL_NAME_LIMIT: Final = 128


def trail_name(context: Context) -> str:
    """Name of the trail, known before it exists."""
    return context.naming.name(ROLE, limit=TRAIL_NAME_LIMIT)


def trail_arn(context: Context) -> str:
    """ARN of the trail, known before it exists: bucket and key policies name it."""
    return context.naming.arn("cloudtrail", f"trail/{trail_name(context)}")


def trail_log_group(context: Context) -> str:
    """Log group that the trail also writes to, where the alarms look."""
    return f"/aws/cloudtrail/{context.naming.name(ROLE)}"


@dataclass(frozen=True, kw_only=True)
class AuditTrailArgs:
    """What the trail records and where it keeps it.

    Attributes:
        bucket: component that made the audit bucket: the trail waits for its policy, without which CloudTrail refuses.
        phi_bucket_arns: buckets whose reads and writes are recorded object by object.
        logs: how logs are kept, by class; the bucket's own retention is its Object Lock.
        insights: what CloudTrail learns the usual rate of, to report what is unusual.
    """

    context: Context
    bucket: pulumi.Resource
    bucket_name: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    phi_bucket_arns: Sequence[pulumi.Input[str]]
    datastore_arn: pulumi.Input[str]
    logs: LogKeeping
    insights: Sequence[Insight] = ()


class AuditTrail(PlatformComponent):
    """Multi-region trail into the audit bucket (Object Lock) and into a log group that alarms read.

    Creates `{name}-logs`, `{name}-role` and `{name}`. Guarantees: digests for validation, our own key, management
    events, and data events of PHI buckets, the image data store, tables and functions (45 CFR 164.312(b)).
    """

    trail_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: AuditTrailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the trail; see `AuditTrailArgs` for what it takes."""
        super().__init__("imaging:audit_trail:AuditTrail", name, opts)
        tags = args.context.tags_for("audit-trail", "audit")
        group = log_group(
            f"{name}-logs",
            name=trail_log_group(args.context),
            log_class="audit",
            keeping=args.logs,
            tags=tags,
            opts=self.child(),
        )
        role = self._build_role(name, args.context, tags)
        trail = aws.cloudtrail.Trail(
            name,
            name=trail_name(args.context),
            s3_bucket_name=args.bucket_name,
            kms_key_id=args.key_arn,
            cloud_watch_logs_group_arn=group.arn.apply(_all_streams),
            cloud_watch_logs_role_arn=role.arn,
            enable_logging=True,
            enable_log_file_validation=True,
            include_global_service_events=True,
            is_multi_region_trail=True,
            advanced_event_selectors=_selectors(args),
            insight_selectors=[
                aws.cloudtrail.TrailInsightSelectorArgs(insight_type=insight) for insight in args.insights
            ]
            or None,
            tags=tags,
            opts=self.child(depends_on=[args.bucket, role.policy]),
        )
        self.trail_arn = trail.arn
        self.log_group_name = group.name
        self.register_outputs({"trail_arn": self.trail_arn, "log_group_name": self.log_group_name})

    def _build_role(self, name: str, context: Context, tags: dict[str, str]) -> ServiceRole:
        streams = context.naming.arn("logs", f"log-group:{trail_log_group(context)}:log-stream:*")
        return service_role(
            f"{name}-role",
            context=context,
            role=ROLE,
            services=["cloudtrail.amazonaws.com"],
            source_arn=trail_arn(context),
            statements=[
                Statement(
                    sid="WriteTrailToItsLogGroup",
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[streams],
                )
            ],
            tags=tags,
            description="CloudTrail writes the audit log group",
            opts=self.child(),
        )


def _all_streams(log_group_arn: str) -> str:
    """CloudTrail wants the log group's ARN to end in `:*`; the provider reports it with and without."""
    return f"{log_group_arn.removesuffix(':*')}:*"


def _selectors(args: AuditTrailArgs) -> list[aws.cloudtrail.TrailAdvancedEventSelectorArgs]:
    """Management events of everything; data events of what holds or handles PHI.

    Of the audit bucket reads alone: its writes are the trail's own, and recording them would never end. Tables and
    functions go by the project's prefix, so that a new one is recorded without being listed.
    """
    naming = args.context.naming
    return [
        _selector("Management events", _Field("eventCategory", "equals", ["Management"])),
        _data(
            "Objects of PHI buckets",
            "AWS::S3::Object",
            _Field("resources.ARN", "starts_withs", [pulumi.Output.concat(arn, "/") for arn in args.phi_bucket_arns]),
        ),
        _data(
            "Reads of the audit bucket",
            "AWS::S3::Object",
            _Field("readOnly", "equals", ["true"]),
            _Field("resources.ARN", "starts_withs", [pulumi.Output.concat(args.bucket_arn, "/")]),
        ),
        _data(
            "Image sets and frames",
            "AWS::MedicalImaging::Datastore",
            _Field("resources.ARN", "equals", [args.datastore_arn]),
        ),
        _data(
            "Items of the project's tables",
            "AWS::DynamoDB::Table",
            _Field("resources.ARN", "starts_withs", [naming.arn("dynamodb", f"table/{naming.project}-")]),
        ),
        _data(
            "Calls of the project's functions",
            "AWS::Lambda::Function",
            _Field("resources.ARN", "starts_withs", [naming.arn("lambda", f"function:{naming.project}-")]),
        ),
    ]


@dataclass(frozen=True)
class _Field:
    """One condition of a selector: a field of the event, how it is compared, and with what."""

    name: str
    comparison: Literal["equals", "starts_withs"]
    values: Sequence[pulumi.Input[str]]


def _data(name: str, resource_type: str, *fields: _Field) -> aws.cloudtrail.TrailAdvancedEventSelectorArgs:
    return _selector(
        name,
        _Field("eventCategory", "equals", ["Data"]),
        _Field("resources.type", "equals", [resource_type]),
        *fields,
    )


def _selector(name: str, *fields: _Field) -> aws.cloudtrail.TrailAdvancedEventSelectorArgs:
    return aws.cloudtrail.TrailAdvancedEventSelectorArgs(
        name=name,
        field_selectors=[
            aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs(
                field=field.name,
                equals=list(field.values) if field.comparison == "equals" else None,
                starts_withs=list(field.values) if field.comparison == "starts_withs" else None,
            )
            for field in fields
        ],
    )
