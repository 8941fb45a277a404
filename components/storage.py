"""The five buckets: each encrypted with the key of its class, versioned, private, TLS only and logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._bucket_policy import (
    IMPORT_ROLE,
    Perimeter,
    access_log_delivery,
    balancer_log_delivery,
    configuration_delivery,
    refusals,
    trail_delivery,
)
from components._iam import Statement, policy_document
from components._tags import DataClass
from components.audit_trail import trail_arn
from components.configuration_record import PREFIX as CONFIGURATION_PREFIX

BucketRole = Literal["training-data", "preprocessed", "model-artifacts", "logs", "audit"]

UPLOAD_PREFIX = "upload/"
"""Where presigned URLs may write from outside the VPC; ingestion never deletes what lies here."""
MULTIPART_ABORT_DAYS = 7
"""An upload that nobody finished costs storage and is not readable: gone after a week."""


SCRATCH_PREFIX, SCRATCH_DAYS = "import-input/", 3
"""Images staged for one import job, for longer than a job with all its tries takes; the uploads themselves stay."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Days until objects move or go. None: never.

    Attributes:
        intelligent_tiering_days, glacier_days: after these days to Intelligent-Tiering and to Glacier Instant
            Retrieval (it answers in milliseconds, so that imports, reconciling and roll-back keep working).
        noncurrent_days: how long an overwritten or deleted version can be brought back.
        expiration_days: only for what may be lost, such as access logs.
        scratch_prefix: copies for one job, gone `SCRATCH_DAYS` later with all their versions; "" when there are none.
    """

    intelligent_tiering_days: int | None = 90
    glacier_days: int | None = 180
    noncurrent_days: int | None = 365
    expiration_days: int | None = None
    scratch_prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class ObjectLock:
    """Default retention (days) of every object version; nobody can shorten COMPLIANCE, root included."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: int


@dataclass(frozen=True, kw_only=True)
class SecureBucketArgs:
    """What a bucket needs beyond what all buckets get.

    Attributes:
        key_arn: key of the data class; None only for the target of S3 access logs, which S3 cannot write under a CMK.
        access_log_bucket: name of the target; None only for the target itself.
        eventbridge: object events on the default bus (keys of objects are opaque ids, never identifiers).
        extra_statements: allows for services that write here.
    """

    context: Context
    role: str
    data_class: DataClass
    key_arn: pulumi.Input[str] | None
    access_log_bucket: pulumi.Input[str] | None
    lifecycle: Lifecycle
    eventbridge: bool = True
    object_lock: ObjectLock | None = None
    perimeter: Perimeter | None = None
    force_destroy: bool = False
    extra_statements: Sequence[Statement] = ()


class SecureBucket(PlatformComponent):
    """A bucket that cannot be made insecure by an argument.

    Creates the bucket with ownership controls, public access block, default encryption, versioning, lifecycle, policy,
    access logs, EventBridge notification and, for records, object lock.
    """

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecureBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the bucket; see `SecureBucketArgs` for what it takes."""
        super().__init__("imaging:storage:SecureBucket", name, opts)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.context.naming.bucket(args.role),
            force_destroy=args.force_destroy,
            object_lock_enabled=args.object_lock is not None,
            tags=args.context.tags_for(args.role, args.data_class),
            opts=self.child(),
        )
        self._build_access(name, args, bucket)
        self._build_encryption(name, args, bucket)
        self._build_versions(name, args, bucket)
        self._build_trail(name, args, bucket)
        self.bucket_name = bucket.bucket
        self.bucket_arn = bucket.arn
        self.register_outputs({"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn})

    def _build_access(self, name: str, args: SecureBucketArgs, bucket: aws.s3.Bucket) -> None:
        blocked = aws.s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.child(),
        )
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=policy_document(
                *refusals(args.context.naming.bucket_arn(args.role), args.key_arn, args.perimeter),
                *args.extra_statements,
            ),
            opts=self.child(depends_on=[blocked]),  # S3 refuses two such changes at the same moment
        )

    def _build_encryption(self, name: str, args: SecureBucketArgs, bucket: aws.s3.Bucket) -> None:
        default = (
            aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="AES256"
            )
            if args.key_arn is None
            else aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="aws:kms", kms_master_key_id=args.key_arn
            )
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=default,
                    bucket_key_enabled=args.key_arn is not None,  # one KMS call a while instead of one an object
                )
            ],
            opts=self.child(),
        )

    def _build_versions(self, name: str, args: SecureBucketArgs, bucket: aws.s3.Bucket) -> None:
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=self.child(),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[_lifecycle_rule(args.lifecycle), *_scratch_rules(args.lifecycle.scratch_prefix)],
            opts=self.child(depends_on=[versioning]),
        )
        if args.object_lock is not None:
            aws.s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                bucket=bucket.id,
                rule={"default_retention": {"mode": args.object_lock.mode, "days": args.object_lock.days}},
                opts=self.child(depends_on=[versioning]),
            )

    def _build_trail(self, name: str, args: SecureBucketArgs, bucket: aws.s3.Bucket) -> None:
        if args.access_log_bucket is not None:
            aws.s3.BucketLogging(
                f"{name}-access-logs",
                bucket=bucket.id,
                target_bucket=args.access_log_bucket,
                target_prefix=f"{args.role}/",
                opts=self.child(),
            )
        if args.eventbridge:
            aws.s3.BucketNotification(f"{name}-events", bucket=bucket.id, eventbridge=True, opts=self.child())


def _lifecycle_rule(lifecycle: Lifecycle) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    steps = (("INTELLIGENT_TIERING", lifecycle.intelligent_tiering_days), ("GLACIER_IR", lifecycle.glacier_days))
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="tier-and-clean",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        transitions=[
            aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(storage_class=storage_class, days=days)
            for storage_class, days in steps
            if days is not None
        ]
        or None,
        expiration=None
        if lifecycle.expiration_days is None
        else aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=lifecycle.expiration_days),
        noncurrent_version_expiration=None
        if lifecycle.noncurrent_days is None
        else aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=lifecycle.noncurrent_days
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=MULTIPART_ABORT_DAYS
        ),
    )


def _scratch_rules(prefix: str) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    if not prefix:
        return []
    return [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="scratch",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=SCRATCH_DAYS),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=1
            ),
        )
    ]


@dataclass(frozen=True, kw_only=True)
class PlatformBucketsArgs:
    """What the stack decides about its buckets.

    Attributes:
        perimeter: None where clients reach the buckets without the VPC's endpoint (the embedded AWS).
        access_log_days: life of S3 access logs.
    """

    context: Context
    phi_key_arn: pulumi.Input[str]
    research_key_arn: pulumi.Input[str]
    models_key_arn: pulumi.Input[str]
    audit_key_arn: pulumi.Input[str]
    lifecycle: Lifecycle
    access_log_days: int
    audit_lock: ObjectLock
    perimeter: Perimeter | None
    force_destroy: bool = False


def _landing_zone(args: PlatformBucketsArgs) -> Perimeter | None:
    """The perimeter of training-data: presigned uploads and HealthImaging's import jobs come from outside the VPC."""
    inside = _with_arns(args)
    if inside is None:
        return None
    naming = args.context.naming
    import_role = naming.arn("iam", f"role/{naming.name(IMPORT_ROLE)}", regional=False)
    return replace(
        inside,
        direct_principals=[*inside.direct_principals, import_role],
        presigned_prefixes=[UPLOAD_PREFIX],
        presigned_read_prefixes=["validated/"],  # images that were found sound
    )


def _with_arns(args: PlatformBucketsArgs) -> Perimeter | None:
    """The perimeter with plain role names made ARNs, so that a stack's data need not know its account."""
    if args.perimeter is None:
        return None
    naming = args.context.naming
    principals = [
        principal if principal.startswith("arn:") else naming.arn("iam", f"role/{principal}", regional=False)
        for principal in args.perimeter.direct_principals
    ]
    return replace(args.perimeter, direct_principals=principals)


class PlatformBuckets(PlatformComponent):
    """training-data (PHI), preprocessed (pseudonyms), model-artifacts, logs (access logs) and audit (object lock).

    Creates `{name}-<role>` for each. The audit bucket keeps every version for its whole retention.
    """

    training_data_name: pulumi.Output[str]
    training_data_arn: pulumi.Output[str]
    preprocessed_name: pulumi.Output[str]
    preprocessed_arn: pulumi.Output[str]
    model_artifacts_name: pulumi.Output[str]
    model_artifacts_arn: pulumi.Output[str]
    logs_name: pulumi.Output[str]
    logs_arn: pulumi.Output[str]
    audit_name: pulumi.Output[str]
    audit_arn: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformBucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the buckets; see `PlatformBucketsArgs` for what it takes."""
        super().__init__("imaging:storage:PlatformBuckets", name, opts)
        inside = _with_arns(args)
        logs = SecureBucket(
            f"{name}-logs",
            SecureBucketArgs(
                context=args.context,
                role="logs",
                data_class="logs",
                key_arn=None,  # S3 delivers access logs to SSE-S3 buckets only
                access_log_bucket=None,
                eventbridge=False,
                lifecycle=Lifecycle(
                    intelligent_tiering_days=None, glacier_days=None, expiration_days=args.access_log_days
                ),
                perimeter=inside,
                force_destroy=args.force_destroy,
                extra_statements=[
                    access_log_delivery(args.context),
                    balancer_log_delivery(args.context),
                    *configuration_delivery(args.context, CONFIGURATION_PREFIX),
                ],
            ),
            self.child(),
        )
        training = self._bucket(
            name,
            args,
            logs,
            "training-data",
            data_class="phi",
            key_arn=args.phi_key_arn,
            perimeter=_landing_zone(args),
            scratch_prefix=SCRATCH_PREFIX,
        )
        preprocessed = self._bucket(
            name, args, logs, "preprocessed", data_class="research", key_arn=args.research_key_arn, perimeter=inside
        )
        models = self._bucket(
            name, args, logs, "model-artifacts", data_class="models", key_arn=args.models_key_arn, perimeter=inside
        )
        audit = self._bucket(
            name,
            args,
            logs,
            "audit",
            data_class="audit",
            key_arn=args.audit_key_arn,
            perimeter=inside,
            lock=args.audit_lock,
            extra_statements=trail_delivery(args.context, trail_arn(args.context)),
        )
        self.training_data_name, self.training_data_arn = training.bucket_name, training.bucket_arn
        self.preprocessed_name, self.preprocessed_arn = preprocessed.bucket_name, preprocessed.bucket_arn
        self.model_artifacts_name, self.model_artifacts_arn = models.bucket_name, models.bucket_arn
        self.logs_name, self.logs_arn = logs.bucket_name, logs.bucket_arn
        self.audit_name, self.audit_arn = audit.bucket_name, audit.bucket_arn
        self.register_outputs({output: getattr(self, output) for output in sorted(self.output_names())})

    def _bucket(
        self,
        name: str,
        args: PlatformBucketsArgs,
        logs: SecureBucket,
        role: BucketRole,
        *,
        data_class: DataClass,
        key_arn: pulumi.Input[str],
        perimeter: Perimeter | None,
        lock: ObjectLock | None = None,
        extra_statements: Sequence[Statement] = (),
        scratch_prefix: str = "",
    ) -> SecureBucket:
        # a locked version outlives every lifecycle rule anyway: expiring it would only be a promise that is not kept
        noncurrent = args.lifecycle.noncurrent_days if lock is None else max(lock.days, 1)
        return SecureBucket(
            f"{name}-{role}",
            SecureBucketArgs(
                context=args.context,
                role=role,
                data_class=data_class,
                key_arn=key_arn,
                access_log_bucket=logs.bucket_name,
                lifecycle=replace(args.lifecycle, noncurrent_days=noncurrent, scratch_prefix=scratch_prefix),
                object_lock=lock,
                perimeter=perimeter,
                force_destroy=args.force_destroy,
                extra_statements=extra_statements,
            ),
            self.child(),
        )
