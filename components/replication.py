"""Copies of the audit, raw and model buckets in a second region, within fifteen minutes and under keys of their own.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-walkthrough-4.html (SSE-KMS)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._bucket_policy import reads_by
from components._iam import ServiceRole, Statement, service_role
from components._runbooks import described
from components._tags import DataClass
from components.alarms import MINUTE
from components.replica_keys import in_region
from components.storage import Lifecycle, ObjectLock, SecureBucket, SecureBucketArgs

RTC_MINUTES: Final = 15
"""S3 Replication Time Control: the only value that S3 takes; metrics and events come with it."""
LOGS_ROLE: Final = "logs-replica"
RULE_ID: Final = "everything"
_WATCHED: Final = (
    # part of the alarm's name, meaning, metric, statistic of five minutes, bound
    ("late", "The copy in the second region is more than 15 minutes behind.", "ReplicationLatency", "Maximum", 900),
    ("failed", "S3 could not copy objects into the second region.", "OperationsFailedReplication", "Sum", 0),
)


def replica_role(role: str) -> str:
    """Role of a bucket's copy in names."""
    return f"{role}-replica"


@dataclass(frozen=True, kw_only=True)
class ReplicatedBucket:
    """A bucket and the keys on both sides; `lock` where the source has Object Lock, for then the copy must too."""

    role: str
    data_class: DataClass
    name: pulumi.Input[str]
    arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    replica_key_arn: pulumi.Input[str]
    lock: ObjectLock | None = None


@dataclass(frozen=True, kw_only=True)
class ReplicationArgs:
    """What is copied, where to, and what a deletion means there.

    Attributes:
        sources: component that made the buckets: versioning must be on before replication.
        replicate_deletes: also hide in the copy what was deleted; off, a wrong or hostile deletion stays here.
        restorers: roles (names or ARNs) that may read the copies; nobody else reads there.
        access_log_days: life of the copies' access logs.
        topic_arn: where a late or failed copy is told.
    """

    context: Context
    region: str
    provider: aws.Provider
    sources: pulumi.Resource
    buckets: Sequence[ReplicatedBucket]
    lifecycle: Lifecycle
    access_log_days: int
    restorers: Sequence[str]
    topic_arn: pulumi.Input[str]
    replicate_deletes: bool = False
    force_destroy: bool = False


class Replication(PlatformComponent):
    """A secure bucket in the second region for each source, one replication role, one rule a source.

    Guarantees: encrypted objects are copied and stay encrypted, under the second region's key; the copy of a locked
    bucket is locked alike; what is late shows in S3's own metrics (45 CFR 164.308(a)(7)(ii)(A)-(B)).
    """

    replica_names: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds copies and rules; see `ReplicationArgs` for what it takes."""
        super().__init__("imaging:replication:Replication", name, opts)
        self._there = in_region(args.context, args.region)
        self._abroad = self.child(providers=[args.provider])
        logs = SecureBucket(
            f"{name}-logs",
            SecureBucketArgs(
                context=self._there,
                role=LOGS_ROLE,
                data_class="logs",
                key_arn=None,  # S3 delivers access logs to SSE-S3 buckets only
                access_log_bucket=None,
                eventbridge=False,
                lifecycle=Lifecycle(
                    intelligent_tiering_days=None, glacier_days=None, expiration_days=args.access_log_days
                ),
                force_destroy=args.force_destroy,
            ),
            self._abroad,
        )
        role = self._build_role(name, args)
        copies: dict[str, pulumi.Output[str]] = {}
        for bucket in args.buckets:
            copy = self._build_copy(name, args, bucket, logs)
            self._build_rule(name, args, bucket, copy, role)
            self._build_alarms(name, args, bucket, copy)
            copies[bucket.role] = copy.bucket_name
        sources = {bucket.role: pulumi.Output.from_input(bucket.name) for bucket in args.buckets}
        self.replica_names = pulumi.Output.all(
            *(pulumi.Output.all(sources[role], copies[role]) for role in sorted(copies))
        ).apply(_as_mapping)
        self.register_outputs({"replica_names": self.replica_names})

    def _build_copy(
        self, name: str, args: ReplicationArgs, bucket: ReplicatedBucket, logs: SecureBucket
    ) -> SecureBucket:
        role = replica_role(bucket.role)
        return SecureBucket(
            f"{name}-{bucket.role}",
            SecureBucketArgs(
                context=self._there,
                role=role,
                data_class=bucket.data_class,
                key_arn=bucket.replica_key_arn,
                access_log_bucket=logs.bucket_name,
                eventbridge=False,  # a copy starts no workflow
                lifecycle=replace(args.lifecycle, noncurrent_days=bucket.lock.days) if bucket.lock else args.lifecycle,
                object_lock=bucket.lock,
                force_destroy=args.force_destroy,
                extra_statements=[reads_by(self._there, role, args.restorers)] if args.restorers else [],
            ),
            self._abroad,
        )

    def _build_rule(
        self, name: str, args: ReplicationArgs, bucket: ReplicatedBucket, copy: SecureBucket, role: ServiceRole
    ) -> None:
        aws.s3.BucketReplicationConfig(
            f"{name}-{bucket.role}-rule",
            bucket=bucket.name,
            role=role.arn,
            rules=[
                {
                    "id": RULE_ID,
                    "status": "Enabled",
                    "priority": 1,
                    "filter": {"prefix": ""},
                    "delete_marker_replication": {"status": "Enabled" if args.replicate_deletes else "Disabled"},
                    "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
                    "destination": {
                        "bucket": copy.bucket_arn,
                        "encryption_configuration": {"replica_kms_key_id": bucket.replica_key_arn},
                        "metrics": {"status": "Enabled", "event_threshold": {"minutes": RTC_MINUTES}},
                        "replication_time": {"status": "Enabled", "time": {"minutes": RTC_MINUTES}},
                    },
                }
            ],
            opts=self.child(depends_on=[args.sources, copy, role.policy]),
        )

    def _build_alarms(self, name: str, args: ReplicationArgs, bucket: ReplicatedBucket, copy: SecureBucket) -> None:
        """A copy that is late, and objects that S3 gave up on: both are records with one place only.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html#s3-cloudwatch-replication-metrics
        """
        for trouble, meaning, metric, statistic, threshold in _WATCHED:
            role = f"replication-{trouble}-{bucket.role}"
            aws.cloudwatch.MetricAlarm(
                f"{name}-{role}",
                name=args.context.naming.name(role, limit=255),
                alarm_description=described(meaning, role, args.context),
                namespace="AWS/S3",
                metric_name=metric,
                dimensions={
                    "SourceBucket": bucket.name,
                    "DestinationBucket": copy.bucket_name,
                    "RuleId": RULE_ID,
                },
                statistic=statistic,
                period=5 * MINUTE,
                evaluation_periods=3,
                datapoints_to_alarm=1 if statistic == "Sum" else 3,
                threshold=threshold,
                comparison_operator="GreaterThanThreshold",
                treat_missing_data="notBreaching",  # nothing to copy, nothing is late
                actions_enabled=True,
                alarm_actions=[args.topic_arn],
                ok_actions=[args.topic_arn],
                tags=args.context.tags_for("replication", bucket.data_class),
                opts=self.child(),
            )

    def _build_role(self, name: str, args: ReplicationArgs) -> ServiceRole:
        sources = [bucket.arn for bucket in args.buckets]
        copies = [f"{self._there.naming.bucket_arn(replica_role(bucket.role))}/*" for bucket in args.buckets]
        return service_role(
            f"{name}-role",
            context=args.context,
            role="replication",
            services=["s3.amazonaws.com"],
            source_is_said=False,
            statements=[
                Statement(
                    sid="ReadRules",
                    actions=["s3:GetReplicationConfiguration", "s3:ListBucket"],
                    resources=sources,
                ),
                Statement(
                    sid="ReadVersions",
                    actions=[
                        "s3:GetObjectLegalHold",
                        "s3:GetObjectRetention",
                        "s3:GetObjectVersionAcl",
                        "s3:GetObjectVersionForReplication",
                        "s3:GetObjectVersionTagging",
                    ],
                    resources=[pulumi.Output.concat(arn, "/*") for arn in sources],
                ),
                Statement(
                    sid="WriteCopies",
                    actions=["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"],
                    resources=copies,
                ),
                _key("DecryptHere", "kms:Decrypt", args.context, [bucket.key_arn for bucket in args.buckets]),
                _key("EncryptThere", "kms:Encrypt", self._there, [bucket.replica_key_arn for bucket in args.buckets]),
            ],
            tags=args.context.tags_for("replication"),
            description="S3 copies buckets into the second region",
            opts=self.child(),
        )


def _key(sid: str, action: str, context: Context, keys: Sequence[pulumi.Input[str]]) -> Statement:
    """Use of keys through S3 of one region alone."""
    return Statement(
        sid=sid,
        actions=[action],
        resources=keys,
        conditions={"StringEquals": {"kms:ViaService": f"s3.{context.region}.amazonaws.com"}},
    )


def _as_mapping(pairs: Sequence[Sequence[str]]) -> dict[str, str]:
    """Source bucket -> its copy."""
    return {source_and_copy[0]: source_and_copy[1] for source_and_copy in pairs}
