"""AWS Config: what every resource looked like at any time, and managed rules that judge it all the time.

The policy pack judges what the program says; these rules judge what is there, changed by whom it may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_logs import LogsSettings

SERVICE: Final = "config.amazonaws.com"
SERVICE_ROLE: Final = "role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
PREFIX: Final = "config"
"""Folder in the logs bucket. Not the audit bucket: Config cannot deliver where Object Lock has a default retention.
https://docs.aws.amazon.com/config/latest/developerguide/manage-delivery-channel.html"""

RULES: Final[Mapping[str, Mapping[str, str]]] = {
    "CLOUD_TRAIL_ENABLED": {},
    "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED": {},
    "CLOUDTRAIL_S3_DATAEVENTS_ENABLED": {},
    "CMK_BACKING_KEY_ROTATION_ENABLED": {},
    "DYNAMODB_PITR_ENABLED": {},
    "DYNAMODB_TABLE_ENCRYPTED_KMS": {},
    "EC2_EBS_ENCRYPTION_BY_DEFAULT": {},
    "GUARDDUTY_ENABLED_CENTRALIZED": {},
    "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS": {},
    "IAM_ROOT_ACCESS_KEY_CHECK": {},
    "KMS_CMK_NOT_SCHEDULED_FOR_DELETION": {},
    "LAMBDA_FUNCTION_PUBLIC_ACCESS_PROHIBITED": {},
    "LAMBDA_INSIDE_VPC": {},
    "MFA_ENABLED_FOR_IAM_CONSOLE_ACCESS": {},
    "MULTI_REGION_CLOUD_TRAIL_ENABLED": {},
    "ROOT_ACCOUNT_MFA_ENABLED": {},
    "S3_ACCOUNT_LEVEL_PUBLIC_ACCESS_BLOCKS_PERIODIC": {},
    "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED": {},
    "S3_BUCKET_SSL_REQUESTS_ONLY": {},
    "S3_BUCKET_VERSIONING_ENABLED": {},
    "S3_DEFAULT_ENCRYPTION_KMS": {},
    "SAGEMAKER_ENDPOINT_CONFIGURATION_KMS_KEY_CONFIGURED": {},
    "SECRETSMANAGER_USING_CMK": {},
    "SNS_ENCRYPTED_KMS": {},
    "VPC_DEFAULT_SECURITY_GROUP_CLOSED": {},
    "VPC_FLOW_LOGS_ENABLED": {},
}
"""Managed rules of AWS's HIPAA conformance pack that concern the platform, with their parameters.
https://docs.aws.amazon.com/config/latest/developerguide/operational-best-practices-for-hipaa_security.html"""

RETENTION: Final = "CW_LOGGROUP_RETENTION_PERIOD_CHECK"
PARAMETERS_LIMIT: Final = 1024
"""Characters that AWS Config takes for the parameters of a rule (PutConfigRule)."""


@dataclass(frozen=True, kw_only=True)
class ConfigurationRecordArgs:
    """What the recorder needs.

    Attributes:
        bucket: component that made the logs bucket: delivery waits for its policy.
        log_days: retention that no log group may fall below, by class.
        audit_log_groups: names of those that tell who did what.
        make_service_role: False where the account has Config's service-linked role already (one an account).
    """

    context: Context
    bucket: pulumi.Resource
    bucket_name: pulumi.Input[str]
    log_days: LogsSettings
    audit_log_groups: Sequence[str]
    make_service_role: bool = True


class ConfigurationRecord(PlatformComponent):
    """Recorder of all resource types, its delivery to the logs bucket, and the rules of `RULES`.

    Creates `{name}-service-role` (unless the account has it), `{name}-recorder`, `{name}-channel`, `{name}-on` and
    `{name}-<rule>`. The role is Config's own service-linked one: it can read every type and nothing else can use it.
    """

    recorder_name: pulumi.Output[str]

    def __init__(self, name: str, args: ConfigurationRecordArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the recorder and its rules."""
        super().__init__("imaging:configuration_record:ConfigurationRecord", name, opts)
        context = args.context
        tags = context.tags_for("configuration-record")
        linked = self._build_service_role(name, tags) if args.make_service_role else []
        recorder = aws.cfg.Recorder(
            f"{name}-recorder",
            name=context.naming.name("recorder", limit=256),
            role_arn=context.naming.arn("iam", SERVICE_ROLE, regional=False),
            recording_group={"all_supported": True, "include_global_resource_types": True},
            opts=self.child(depends_on=linked),
        )
        channel = aws.cfg.DeliveryChannel(
            f"{name}-channel",
            name=context.naming.name("channel", limit=256),
            s3_bucket_name=args.bucket_name,
            s3_key_prefix=PREFIX,
            snapshot_delivery_properties={"delivery_frequency": "TwentyFour_Hours"},
            opts=self.child(depends_on=[args.bucket, recorder]),
        )
        recording = aws.cfg.RecorderStatus(
            f"{name}-on", name=recorder.name, is_enabled=True, opts=self.child(depends_on=[channel])
        )
        checks = {role_of(rule): (rule, parameters) for rule, parameters in RULES.items()} | _log_checks(args)
        for role, (rule, parameters) in checks.items():
            aws.cfg.Rule(
                f"{name}-{role}",
                name=context.naming.name(role, limit=128),
                source={"owner": "AWS", "source_identifier": rule},
                input_parameters=json.dumps(parameters, sort_keys=True) if parameters else None,
                tags=tags,
                opts=self.child(depends_on=[recording]),
            )
        self.recorder_name = recorder.name
        self.register_outputs({"recorder_name": self.recorder_name})

    def _build_service_role(self, name: str, tags: dict[str, str]) -> list[pulumi.Resource]:
        return [
            aws.iam.ServiceLinkedRole(
                f"{name}-service-role",
                aws_service_name=SERVICE,
                description="AWS Config reads the configuration of every resource",
                tags=tags,
                opts=self.child(),
            )
        ]


def role_of(rule: str) -> str:
    """Last part of a managed rule's name here: `vpc-flow-logs-enabled`."""
    return rule.lower().replace("_", "-")


def _log_checks(args: ConfigurationRecordArgs) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Role -> rule and parameters: all groups, and once more the audit groups, which must be kept for longer."""
    operations = {"MinRetentionTime": str(args.log_days.operations_days)}
    audit = {"MinRetentionTime": str(args.log_days.audit_days), "LogGroupNames": ",".join(args.audit_log_groups)}
    if len(json.dumps(audit)) > PARAMETERS_LIMIT:
        raise ValueError(f"the names of the audit log groups are longer than the {PARAMETERS_LIMIT} that Config takes")
    return {role_of(RETENTION): (RETENTION, operations), f"{role_of(RETENTION)}-audit": (RETENTION, audit)}
