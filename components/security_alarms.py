"""What in the audit trail makes somebody's telephone ring: metric filters on its log group, and an alarm for each.

The table follows the CIS AWS Foundations benchmark (section 4) and adds what PHI needs: keys, records, broken glass.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudwatch-alarms-for-cloudtrail.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._runbooks import described
from components.alarms import MINUTE, PLATFORM
from components.break_glass import break_glass_arn

NAMESPACE: Final = f"{PLATFORM}/Security"
DATA_STORE_METRIC: Final = "DataStoreRefusals"
"""Calls to HealthImaging that failed, whoever made them: the trail sees what no function of ours can count."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One filter and its alarm.

    Attributes:
        role: last part of the names.
        meaning: what happened, without any identifier.
        pattern: filter pattern of CloudWatch Logs over one CloudTrail event.
        threshold: events within five minutes from which the alarm sounds.
    """

    role: str
    meaning: str
    pattern: str
    threshold: int = 1

    @property
    def metric(self) -> str:
        """Name of the metric that the filter counts."""
        return "".join(part.capitalize() for part in self.role.split("-"))


def _one_of(source: str | None, *names: str) -> str:
    """The pattern of an event of a service with one of these names."""
    events = " || ".join(f'($.eventName = "{name}")' for name in names)
    return f'{{ ($.eventSource = "{source}.amazonaws.com") && ({events}) }}' if source else f"{{ {events} }}"


def watches(context: Context) -> list[Watch]:
    """The table, expanded for one stack."""
    return [
        Watch(
            role="root-use",
            meaning="The root user was used: nobody has a reason to.",
            pattern='{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && '
            '($.eventType != "AwsServiceEvent") }',
        ),
        Watch(
            role="trail-change",
            meaning="The audit trail was changed, stopped or deleted.",
            pattern=_one_of("cloudtrail", "UpdateTrail", "DeleteTrail", "StopLogging", "PutEventSelectors"),
        ),
        Watch(
            role="detection-change",
            meaning="GuardDuty or AWS Config was changed or stopped.",
            pattern=_one_of(
                None,
                *("DeleteDetector", "UpdateDetector", "StopMonitoringMembers"),
                *("StopConfigurationRecorder", "DeleteConfigurationRecorder", "DeleteDeliveryChannel"),
            ),
        ),
        Watch(
            role="key-change",
            meaning="A key was disabled, scheduled for deletion or given another policy.",
            pattern=_one_of("kms", "DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy"),
        ),
        Watch(
            role="record-retention-change",
            meaning="How long records are kept was changed: Object Lock or life cycle of a bucket, or a log group.",
            pattern=_one_of(
                None,
                *("PutBucketObjectLockConfiguration", "PutBucketLifecycle", "PutBucketVersioning"),
                *("DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy", "DeleteRetentionPolicy"),
                *("PutLogGroupDeletionProtection", "DeleteDataProtectionPolicy"),
            ),
        ),
        Watch(
            role="bucket-access-change",
            meaning="Who may reach a bucket was changed.",
            pattern=_one_of(
                "s3", "PutBucketPolicy", "DeleteBucketPolicy", "PutBucketAcl", "PutBucketPublicAccessBlock"
            ),
        ),
        Watch(
            role="rights-change",
            meaning="Rights of a role or a user were changed.",
            pattern=_one_of(
                "iam",
                *("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "CreatePolicyVersion"),
                *("DeleteRolePermissionsBoundary", "UpdateAssumeRolePolicy", "CreateUser", "CreateAccessKey"),
            ),
        ),
        Watch(
            role="network-change",
            meaning="A security group, route, gateway or endpoint was changed.",
            pattern=_one_of(
                "ec2",
                *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "CreateRoute", "ReplaceRoute"),
                *("CreateInternetGateway", "AttachInternetGateway", "ModifyVpcEndpoint", "DeleteVpcEndpoints"),
                *("DeleteFlowLogs", "CreateVpcPeeringConnection"),
            ),
        ),
        Watch(
            role="sign-in-without-second-factor",
            meaning="Somebody signed in to the console without a second factor.",
            pattern='{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && '
            '($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }',
        ),
        Watch(
            role="sign-in-failures",
            meaning="Many failed attempts to sign in to the console.",
            pattern='{ ($.eventName = "ConsoleLogin") && ($.errorMessage = "Failed authentication") }',
            threshold=5,
        ),
        Watch(
            role="refused-calls",
            meaning="Many calls were refused: a stolen credential tries doors, or a role lacks a right.",
            pattern='{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
            threshold=25,
        ),
        Watch(
            role="break-glass-use",
            meaning="Somebody took the emergency role: review who, why, and what was read.",
            pattern='{ ($.eventSource = "sts.amazonaws.com") && ($.eventName = "AssumeRole") && '
            f'($.requestParameters.roleArn = "{break_glass_arn(context)}") }}',
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class SecurityAlarmsArgs:
    """Where the trail writes, and who is told."""

    context: Context
    log_group_name: pulumi.Input[str]
    topic_arn: pulumi.Input[str]


class SecurityAlarms(PlatformComponent):
    """A metric filter and an alarm for each row of `watches`, and the count of refused HealthImaging calls."""

    alarm_names: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: SecurityAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds filters and alarms."""
        super().__init__("imaging:security_alarms:SecurityAlarms", name, opts)
        made = [self._build(name, args, watch) for watch in watches(args.context)]
        self._filter(
            f"{name}-data-store-refusals",
            args,
            pattern='{ ($.eventSource = "medical-imaging.amazonaws.com") && ($.errorCode = "*") }',
            metric=DATA_STORE_METRIC,
        )
        self.alarm_names = pulumi.Output.all(*(alarm.name for alarm in made)).apply(list)
        self.register_outputs({"alarm_names": self.alarm_names})

    def _filter(self, name: str, args: SecurityAlarmsArgs, *, pattern: str, metric: str) -> None:
        aws.cloudwatch.LogMetricFilter(
            name,
            name=args.context.naming.name(metric, limit=512),
            log_group_name=args.log_group_name,
            pattern=pattern,
            metric_transformation={"name": metric, "namespace": NAMESPACE, "value": "1"},
            opts=self.child(),
        )

    def _build(self, name: str, args: SecurityAlarmsArgs, watch: Watch) -> aws.cloudwatch.MetricAlarm:
        self._filter(f"{name}-{watch.role}", args, pattern=watch.pattern, metric=watch.metric)
        return aws.cloudwatch.MetricAlarm(
            f"{name}-{watch.role}",
            name=args.context.naming.name(watch.role, limit=255),
            alarm_description=described(watch.meaning, watch.role, args.context),
            namespace=NAMESPACE,
            metric_name=watch.metric,
            statistic="Sum",
            period=5 * MINUTE,
            evaluation_periods=1,
            threshold=watch.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[args.topic_arn],
            tags=args.context.tags_for("security-alarms"),
            opts=self.child(),
        )
