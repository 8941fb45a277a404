"""The bucket that holds the state of every stack of the account, and the key of each environment's secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bootstrap.settings import StateSettings
from components._base import BUCKET_LIMIT, Context, PlatformComponent, physical_name
from components._bucket_policy import refusals
from components._iam import Statement, policy_document
from components.keys import key_policy

PROJECT_STATE = "state"
SECRETS_KEY = "pulumi-secrets"


@dataclass(frozen=True, kw_only=True)
class StateStoreArgs:
    """What the state store needs.

    Attributes:
        project: project of the platform, whose names everything here carries.
        environments: stacks of the platform in this account; each gets its own secrets key.
    """

    context: Context
    project: str
    environments: Sequence[str]
    settings: StateSettings


def bucket_name(project: str, role: str, account: str) -> str:
    """`{project}-{role}-{account}`: outside every stack's own prefix, so no stack's role owns it."""
    return physical_name(project, role, account, limit=BUCKET_LIMIT)


def secrets_alias(project: str, environment: str) -> str:
    """Alias of an environment's secrets key: `pulumi stack init --secrets-provider=awskms:///ALIAS`."""
    return f"alias/{project}-{environment}-{SECRETS_KEY}"


class StateStore(PlatformComponent):
    """State bucket with its access logs, the key of both, and one secrets key an environment.

    Creates `{name}-key`, `{name}-bucket`, `{name}-logs` with their settings, and `{name}-secrets-{environment}`.
    Guarantees: versions of a year, TLS 1.2, one key, nothing public, deletion only by hand (`protect`).
    """

    bucket: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    secrets_key_arns: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: StateStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the store."""
        super().__init__("imaging:bootstrap:StateStore", name, opts)
        self._args = args
        self.key_arn = self._build_key(f"{name}-key", "state of the stacks", f"alias/{args.project}-state")
        logs = self._build_bucket(f"{name}-logs", "state-logs", None)
        state = self._build_bucket(f"{name}-bucket", PROJECT_STATE, self.key_arn)
        aws.s3.BucketLogging(
            f"{name}-bucket-logging",
            bucket=state.id,
            target_bucket=logs.id,
            target_prefix="state/",
            opts=self.child(),
        )
        self._build_lock(f"{name}-bucket-lock", state)
        keys = {
            environment: self._build_key(
                f"{name}-secrets-{environment}",
                f"secrets in the state of {environment}",
                secrets_alias(args.project, environment),
            )
            for environment in args.environments
        }
        self.bucket = state.bucket
        self.secrets_key_arns = pulumi.Output.all(**keys)
        self.register_outputs(
            {"bucket": self.bucket, "key_arn": self.key_arn, "secrets_key_arns": self.secrets_key_arns}
        )

    def _build_key(self, name: str, purpose: str, alias: str) -> pulumi.Output[str]:
        key = aws.kms.Key(
            name,
            description=f"{self._args.project}: {purpose}",
            policy=key_policy(self._args.context, "secrets"),
            enable_key_rotation=True,
            rotation_period_in_days=365,
            deletion_window_in_days=30,
            is_enabled=True,
            tags=self._args.context.tags_for("state", "secrets"),
            opts=self.child(protect=True),
        )
        aws.kms.Alias(f"{name}-alias", name=alias, target_key_id=key.key_id, opts=self.child())
        return key.arn

    def _build_bucket(self, name: str, role: str, key_arn: pulumi.Output[str] | None) -> aws.s3.Bucket:
        context, settings = self._args.context, self._args.settings
        physical = bucket_name(self._args.project, role, context.account)
        is_state = key_arn is not None
        bucket = aws.s3.Bucket(
            name,
            bucket=physical,
            object_lock_enabled=is_state and settings.object_lock_days is not None,
            force_destroy=False,
            tags=context.tags_for("state", "secrets" if is_state else "logs"),
            opts=self.child(protect=is_state),
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self.child(),
        )
        aws.s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self.child(),
        )
        self._build_encryption(f"{name}-encryption", bucket, key_arn)
        days = settings.noncurrent_version_days if is_state else settings.access_log_days
        self._build_lifecycle(f"{name}-lifecycle", bucket, days, expire_current=not is_state)
        arn = f"arn:{context.partition}:s3:::{physical}"
        delivery = [] if is_state else [self._delivery(arn)]
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=policy_document(*refusals(arn, key_arn, None), *delivery),
            opts=self.child(),
        )
        return bucket

    def _delivery(self, arn: str) -> Statement:
        context = self._args.context
        source = f"arn:{context.partition}:s3:::{bucket_name(self._args.project, PROJECT_STATE, context.account)}"
        return Statement(
            sid="AccessLogsOfTheState",
            actions=["s3:PutObject"],
            resources=[f"{arn}/*"],
            principals={"Service": ["logging.s3.amazonaws.com"]},
            conditions={
                "StringEquals": {"aws:SourceAccount": context.account},
                "ArnLike": {"aws:SourceArn": source},
            },
        )

    def _build_encryption(self, name: str, bucket: aws.s3.Bucket, key_arn: pulumi.Output[str] | None) -> None:
        by_default = (
            aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="AES256"  # S3 takes no other for the target of access logs
            )
            if key_arn is None
            else aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="aws:kms", kms_master_key_id=key_arn
            )
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_default, bucket_key_enabled=key_arn is not None
                )
            ],
            opts=self.child(),
        )

    def _build_lifecycle(self, name: str, bucket: aws.s3.Bucket, days: int, *, expire_current: bool) -> None:
        expiration = aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days) if expire_current else None
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="retention",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=expiration,
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=days if not expire_current else 30
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=7
                    ),
                )
            ],
            opts=self.child(),
        )

    def _build_lock(self, name: str, bucket: aws.s3.Bucket) -> None:
        days = self._args.settings.object_lock_days
        if days is None:
            return
        retention = aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode="GOVERNANCE", days=days)
        aws.s3.BucketObjectLockConfiguration(
            name,
            bucket=bucket.id,
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
            opts=self.child(),
        )
