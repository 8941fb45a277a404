"""Rights of the deploy role over what watches and what is allowed: events, logs, the trail, roles."""

from __future__ import annotations

from bootstrap.scope import Scope, do, grant
from components._iam import Conditions, Statement
from components._logs import EXECUTION_LOGS


def observability(scope: Scope) -> list[Statement]:
    """Events, logs, alarms, the trail, and what watches the account."""
    return [
        grant(
            "Events",
            [
                *do("events", "CreateArchive", "CreateEventBus", "DeleteArchive", "DeleteEventBus", "DeleteRule"),
                *do("events", "DescribeArchive", "DescribeEventBus", "DescribeRule", "ListTagsForResource"),
                *do("events", "ListTargetsByRule", "PutRule", "PutTargets"),
                *do("events", "RemoveTargets", "TagResource", "UntagResource", "UpdateArchive", "UpdateEventBus"),
            ],
            [
                *scope.named("events", "event-bus/", "rule/", "archive/"),
                scope.arn("events", f"rule/{scope.prefix}-*/*"),
            ],
        ),
        grant(
            "Logs",
            [
                *do("logs", "AssociateKmsKey", "CreateLogGroup", "DeleteLogGroup", "DeleteMetricFilter"),
                *do("logs", "DeleteRetentionPolicy", "ListTagsForResource", "PutMetricFilter", "PutRetentionPolicy"),
                *do("logs", "TagResource", "UntagResource", "DescribeMetricFilters"),
                *do("logs", "DeleteDataProtectionPolicy", "GetDataProtectionPolicy", "PutDataProtectionPolicy"),
            ],
            # API Gateway names its group after the id of the API
            [scope.arn("logs", f"log-group:{name}*") for name in (f"*{scope.prefix}", EXECUTION_LOGS)],
        ),
        grant(
            "ProtectLogs",
            do("logs", "PutLogGroupDeletionProtection"),
            [scope.arn("logs", f"log-group:*{scope.prefix}*")],
        ),
        grant(  # log delivery and resource policies are settings of the account
            "LogDelivery",
            [
                *do("logs", "CreateLogDelivery", "DeleteLogDelivery", "DeleteResourcePolicy", "DescribeLogGroups"),
                *do("logs", "DescribeResourcePolicies", "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy"),
                *do("logs", "UpdateLogDelivery"),
            ],
            ["*"],
        ),
        grant(
            "Alarms",
            [
                *do("cloudwatch", "DeleteAlarms", "DeleteDashboards", "GetDashboard", "ListTagsForResource"),
                *do("cloudwatch", "PutDashboard", "PutMetricAlarm", "TagResource", "UntagResource"),
            ],
            scope.named("cloudwatch", "alarm:") + scope.named("cloudwatch", "dashboard/", regional=False),
        ),
        grant("ReadAlarms", do("cloudwatch", "DescribeAlarms"), [scope.arn("cloudwatch", "alarm:*")]),
        grant(
            "Trail",
            [
                *do("cloudtrail", "AddTags", "CreateTrail", "DeleteTrail", "GetEventSelectors", "GetInsightSelectors"),
                *do("cloudtrail", "GetTrail", "GetTrailStatus", "ListTags", "PutEventSelectors"),
                *do("cloudtrail", "PutInsightSelectors", "RemoveTags", "StartLogging", "StopLogging", "UpdateTrail"),
            ],
            scope.named("cloudtrail", "trail/"),
        ),
        grant(
            "AlertsChannel",
            do("chatbot", "DeleteSlackChannelConfiguration", "UpdateSlackChannelConfiguration"),
            scope.named("chatbot", "chat-configuration/slack-channel/", regional=False),
        ),
        grant(  # one detector, recorder and set of defaults an account and region: services that name no resource
            "WatchTheAccount",
            [
                *do("cloudtrail", "DescribeTrails"),
                *do("guardduty", "CreateDetector", "DeleteDetector", "GetDetector", "ListDetectors"),
                *do("guardduty", "ListTagsForResource", "TagResource", "UntagResource", "UpdateDetector"),
                *do("config", "DeleteConfigurationRecorder", "DeleteDeliveryChannel", "DeleteConfigRule", "Describe*"),
                *do("config", "ListTagsForResource", "PutConfigRule", "PutConfigurationRecorder"),
                *do("config", "PutDeliveryChannel", "StartConfigurationRecorder", "StopConfigurationRecorder"),
                *do("config", "TagResource", "UntagResource"),
                *do("access-analyzer", "CreateAnalyzer", "DeleteAnalyzer", "GetAnalyzer", "ListTagsForResource"),
                *do("access-analyzer", "TagResource", "UntagResource"),
                *do("chatbot", "CreateSlackChannelConfiguration", "DescribeSlackChannelConfigurations"),
                *do("chatbot", "ListTagsForResource", "TagResource", "UntagResource"),
                *do("s3", "GetAccountPublicAccessBlock", "PutAccountPublicAccessBlock"),
                *do("xray", "GetEncryptionConfig", "GetGroup*", "PutEncryptionConfig"),
            ],
            ["*"],
        ),
    ]


def identity(scope: Scope) -> list[Statement]:
    """Roles of the platform: made, changed and handed over only inside the boundary that the bootstrap owns."""
    roles = scope.named("iam", "role/", regional=False)
    bounded: Conditions = {"StringEquals": {"iam:PermissionsBoundary": scope.workload_boundaries}}
    return [
        grant(
            "ReadRoles",
            [
                *do("iam", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"),
                *do("iam", "ListRolePolicies", "ListRoleTags"),
            ],
            roles,
        ),
        grant(
            "MakeRolesInsideTheBoundary",
            do("iam", "CreateRole", "DeleteRolePolicy", "PutRolePolicy", "AttachRolePolicy", "DetachRolePolicy"),
            roles,
            bounded,
        ),
        grant(
            "KeepRoles",
            [
                *do("iam", "DeleteRole", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole"),
                *do("iam", "UpdateRoleDescription"),
            ],
            roles,
        ),
        grant(
            "HandRolesToServices",
            do("iam", "PassRole"),
            roles,
            {"StringEquals": {"iam:PassedToService": [f"{name}.amazonaws.com" for name in _SERVICES]}},
        ),
        grant(
            "ReadPolicies",
            do("iam", "GetPolicy", "GetPolicyVersion", "ListPolicyVersions"),
            scope.named("iam", "policy/", regional=False),
        ),
        grant(
            "ServiceRoles",
            do("iam", "CreateServiceLinkedRole", "DeleteServiceLinkedRole", "GetServiceLinkedRoleDeletionStatus"),
            [scope.arn("iam", "role/aws-service-role/*", regional=False)],
        ),
        grant(  # one password policy an account
            "Passwords",
            do("iam", "DeleteAccountPasswordPolicy", "GetAccountPasswordPolicy", "UpdateAccountPasswordPolicy"),
            ["*"],
        ),
    ]


_SERVICES = (
    *("apigateway", "chatbot", "cognito-idp", "config", "ecs-tasks", "events", "lambda", "medical-imaging"),
    "sagemaker",
    *("scheduler", "states", "vpc-flow-logs", "cloudtrail", "s3"),
)
