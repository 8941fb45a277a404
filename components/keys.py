"""One customer-managed key a data class, and the secret that pseudonyms are made with.

Separate keys let one class be cut off (a key disabled, a grant revoked) without touching another, and make the trail
of decryptions readable by class (45 CFR 164.312(a)(2)(iv), 164.312(b)).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_logs import LogsSettings
from components._iam import Statement, Text, policy_document
from components._logs import EXECUTION_LOGS, LogKeeping
from components._tags import DataClass

KEY_CLASSES: tuple[DataClass, ...] = tuple(kind for kind in get_args(DataClass) if kind != "operations")
"""The data classes that have a key; operations metadata holds no data of its own."""

_DELETION_WINDOW_DAYS = 30
_ROTATION_DAYS = 365
_PSEUDONYM_KEY_BYTES = 32

_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:Describe*",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Get*",
    "kms:List*",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:UpdateKeyDescription",
)
_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:RetireGrant")
_SERVICE_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*")
_EVENT_PUBLISHERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com", "sqs.amazonaws.com")


@dataclass(frozen=True, kw_only=True)
class DataKeysArgs:
    """What the keys need.

    Attributes:
        secret_recovery_days: days in which a deleted pseudonym key can be brought back; 0 deletes at once.
    """

    context: Context
    secret_recovery_days: int = 30


def make_pseudonym_key(_secret_arn: str) -> str:
    """32 random bytes as 64 hex digits, the key of the HMAC that makes pseudonyms (imaging.pseudonym)."""
    return secrets.token_hex(_PSEUDONYM_KEY_BYTES)


def key_policy(
    context: Context, data_class: DataClass, *, log_groups: Sequence[str] | None = None
) -> pulumi.Input[str]:
    """The key policy of one class; `log_groups` are the names of the only groups it encrypts, None: the stack's own.

    The account's IAM policies decide who may administer and who may use the key, as two separate sets of actions, so
    that no workload needs `kms:*`; services get their own statement only where they act without a caller's rights.
    """
    account_root = {"AWS": [f"arn:{context.partition}:iam::{context.account}:root"]}
    statements = [
        Statement(
            sid="AdministrationByIamPolicies",
            actions=_ADMINISTRATION,
            resources=["*"],
            principals=account_root,
        ),
        Statement(sid="UseByIamPolicies", actions=_USE, resources=["*"], principals=account_root),
        Statement(
            sid="GrantsOnlyForAwsResources",  # DynamoDB, SageMaker volumes, HealthImaging and Lambda work by grants
            actions=["kms:CreateGrant"],
            resources=["*"],
            principals=account_root,
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]
    if data_class == "phi":
        statements += _task_disks(context)
    if data_class in {"logs", "audit"}:
        statements.append(_log_groups(context, log_groups))
    if data_class == "events":
        statements.append(_services("PublishEncryptedMessages", context, _EVENT_PUBLISHERS))
    if data_class == "audit":
        statements += _trails(context)
    return policy_document(*statements)


def _log_groups(context: Context, names: Sequence[str] | None) -> Statement:
    own = [
        f"*{context.naming.prefix}*",  # the services' own prefixes stand before ours: /aws/lambda/, aws-waf-logs-
        f"{EXECUTION_LOGS}*",  # named by API Gateway after the id of the API
    ]
    groups = [context.naming.arn("logs", f"log-group:{name}") for name in (own if names is None else names)]
    return Statement(
        sid="EncryptLogGroupsOfThisAccount",
        actions=["kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        resources=["*"],
        principals={"Service": [f"logs.{context.region}.amazonaws.com"]},
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )


def _trails(context: Context) -> list[Statement]:
    """What CloudTrail needs of a key, for this stack's trails alone.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    trails = context.naming.arn("cloudtrail", f"trail/{context.naming.prefix}*")
    principal = {"Service": ["cloudtrail.amazonaws.com"]}
    return [
        Statement(
            sid="WriteEncryptedTrails",
            actions=["kms:GenerateDataKey*"],
            resources=["*"],
            principals=principal,
            conditions={
                "ArnLike": {"aws:SourceArn": trails},
                "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails},
            },
        ),
        Statement(
            sid="DescribeKeyForTrails",
            actions=["kms:DescribeKey"],
            resources=["*"],
            principals=principal,
            conditions={"ArnLike": {"aws:SourceArn": trails}},
        ),
    ]


def _task_disks(context: Context) -> list[Statement]:
    """What Fargate needs to encrypt the disks of this stack's tasks.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-create-storage-key.html
    """
    clusters = {
        "StringEquals": {"kms:EncryptionContext:aws:ecs:clusterAccount": [context.account]},
        "StringLike": {"kms:EncryptionContext:aws:ecs:clusterName": [f"{context.naming.prefix}*"]},
    }
    principal = {"Service": ["fargate.amazonaws.com"]}
    return [
        Statement(
            sid="EncryptDisksOfTasks",
            actions=["kms:GenerateDataKeyWithoutPlaintext"],
            resources=["*"],
            principals=principal,
            conditions=clusters,
        ),
        Statement(
            sid="GrantDisksToTasks",
            actions=["kms:CreateGrant"],
            resources=["*"],
            principals=principal,
            conditions={**clusters, "ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}},
        ),
    ]


def _services(sid: str, context: Context, services: Sequence[Text]) -> Statement:
    return Statement(
        sid=sid,
        actions=_SERVICE_USE,
        resources=["*"],
        principals={"Service": services},
        conditions={"StringEquals": {"aws:SourceAccount": context.account}},
    )


class DataKeys(PlatformComponent):
    """The keys of all data classes with their aliases, and the pseudonym key in Secrets Manager.

    Creates `{name}-{class}` and `{name}-{class}-alias` for each class, `{name}-pseudonym` and its one version.
    Guarantees: yearly rotation, 30 days to notice a wrong deletion, no workload may administer a key.
    """

    phi_arn: pulumi.Output[str]
    imaging_arn: pulumi.Output[str]
    tracking_arn: pulumi.Output[str]
    research_arn: pulumi.Output[str]
    models_arn: pulumi.Output[str]
    logs_arn: pulumi.Output[str]
    audit_arn: pulumi.Output[str]
    events_arn: pulumi.Output[str]
    secrets_arn: pulumi.Output[str]
    pseudonym_secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the keys and the secret."""
        super().__init__("imaging:keys:DataKeys", name, opts)
        keys = {data_class: self._build_key(name, args.context, data_class) for data_class in KEY_CLASSES}
        self.phi_arn = keys["phi"]
        self.imaging_arn = keys["imaging"]
        self.tracking_arn = keys["tracking"]
        self.research_arn = keys["research"]
        self.models_arn = keys["models"]
        self.logs_arn = keys["logs"]
        self.audit_arn = keys["audit"]
        self.events_arn = keys["events"]
        self.secrets_arn = keys["secrets"]
        self.pseudonym_secret_arn = self._build_pseudonym_secret(name, args, keys["secrets"])
        self.register_outputs(
            {
                **{f"{data_class}_arn": arn for data_class, arn in keys.items()},
                "pseudonym_secret_arn": self.pseudonym_secret_arn,
            }
        )

    def _build_key(self, name: str, context: Context, data_class: DataClass) -> pulumi.Output[str]:
        key = aws.kms.Key(
            f"{name}-{data_class}",
            description=f"{context.naming.project} {context.naming.stack}: {data_class} data",
            policy=key_policy(context, data_class),
            enable_key_rotation=True,
            rotation_period_in_days=_ROTATION_DAYS,
            deletion_window_in_days=_DELETION_WINDOW_DAYS,
            is_enabled=True,
            tags=context.tags_for("keys", data_class),
            opts=self.child(),
        )
        aws.kms.Alias(
            f"{name}-{data_class}-alias",
            name=f"alias/{context.naming.name(data_class, limit=250)}",
            target_key_id=key.key_id,
            opts=self.child(),
        )
        return key.arn

    def _build_pseudonym_secret(self, name: str, args: DataKeysArgs, key_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        secret = aws.secretsmanager.Secret(
            f"{name}-pseudonym",
            name=args.context.naming.name("pseudonym-key", limit=512),
            description="Key of the HMAC that turns identifiers into pseudonyms; without it no pseudonym can be linked",
            kms_key_id=key_arn,
            recovery_window_in_days=args.secret_recovery_days,
            tags=args.context.tags_for("keys", "secrets"),
            opts=self.child(),
        )
        # The value is made once. Every run of the program draws a new one, and `ignore_changes` makes the engine keep
        # the first: a key that changed would tear each patient's pseudonyms apart. Drawing it from the secret's ARN
        # leaves it unknown while the secret is only planned, so that `up --plan` is not bound to a value that the
        # preview drew. A data source such as GetRandomPassword would be asked, and would answer anew, on every run.
        aws.secretsmanager.SecretVersion(
            f"{name}-pseudonym-value",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(secret.arn.apply(make_pseudonym_key)),
            opts=self.child(ignore_changes=["secretString"]),
        )
        return secret.arn


def log_keeping(context: Context, settings: LogsSettings, keys: DataKeys, *, protected: bool) -> LogKeeping:
    """How the stack keeps its logs: the days of its data, the keys of the two classes."""
    return LogKeeping(
        settings=settings,
        operations_key=keys.logs_arn,
        audit_key=keys.audit_arn,
        protected=protected,
        partition=context.partition,
    )
