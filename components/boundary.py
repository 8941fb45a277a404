"""The permissions boundary: the most that any role of the platform can ever do, whatever its own policy says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent

BOUNDARY = "boundary"
RESPONDER_BOUNDARY = "responder-boundary"
PROTECTED_ROLES = ("breach", "break-glass")
"""Beginnings of the roles that breach response must never touch: its own and the people's way in."""
SCALING_ALARMS = "TargetTracking-endpoint/"
"""How Application Auto Scaling names the alarms of an endpoint's variants; the endpoint's name follows."""
_MAXIMUM_POLICY_CHARACTERS = 6144
"""IAM's limit for a managed policy, white space not counted."""


@dataclass(frozen=True, kw_only=True)
class WorkloadBoundaryArgs:
    """What the boundary needs: the stack's names; its own `boundary_arn` is None.

    Attributes:
        existing: name of the policy where the account's bootstrap made it: what bounds the deploy role's work must be
            out of the deploy role's reach. None makes it here.
    """

    context: Context
    existing: str | None = None


def boundary_document(context: Context) -> str:
    """The boundary as compact JSON.

    It lets roles use the platform's services on this stack's resources where IAM knows them by name, and denies what
    no workload may ever do: blind the trail, destroy or administer keys, open buckets, shorten retention, change IAM.
    """
    naming = context.naming
    own = f"{naming.prefix}*"
    partition = context.partition
    statements: list[dict[str, Any]] = [
        {
            "Sid": "OwnBuckets",
            "Effect": "Allow",
            "Action": [
                *_verbs("s3", "AbortMultipartUpload", "DeleteObject*", "Get*", "List*", "PutObject*"),
                *_verbs("s3", "ReplicateDelete", "ReplicateObject", "ReplicateTags"),
            ],
            "Resource": [f"arn:{partition}:s3:::{own}"],
        },
        {
            "Sid": "OwnRolesToServicesOnly",
            "Effect": "Allow",
            "Action": ["iam:GetRole", "iam:PassRole"],
            "Resource": [naming.arn("iam", f"role/{own}", regional=False)],
        },
        {
            "Sid": "ServicesInUse",
            "Effect": "Allow",
            "Action": [
                *_verbs(
                    "dynamodb", "BatchGet*", "BatchWrite*", "ConditionCheck*", "DeleteItem", "Describe*", "GetItem"
                ),
                *_verbs("dynamodb", "PutItem", "Query", "Scan", "UpdateItem"),
                *_verbs("kms", "CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*"),
                *_verbs("medical-imaging", "Get*", "List*", "SearchImageSets", "StartDICOMImportJob"),
                *_verbs("sagemaker", "Add*", "Create*", "Delete*", "Describe*", "Invoke*", "List*", "Retry*", "Search"),
                *_verbs("sagemaker", "Start*", "Stop*", "Update*", "BatchPutMetrics"),
                *_verbs("states", "Describe*", "List*", "SendTask*", "Start*", "Redrive*"),
                *_verbs("sqs", "ChangeMessageVisibility", "DeleteMessage", "Get*", "ReceiveMessage", "SendMessage"),
                *_verbs("sns", "Publish"),
                *_verbs("events", "Describe*", "PutEvents", "PutRule", "PutTargets"),
                *_verbs("lambda", "Get*", "InvokeFunction"),
                *_verbs("logs", "CreateLogDelivery", "CreateLogGroup", "CreateLogStream", "DeleteLogDelivery"),
                *_verbs("logs", "Describe*", "Get*", "List*", "PutLogEvents", "PutResourcePolicy", "UpdateLogDelivery"),
                *_verbs("cloudwatch", "Describe*", "Get*", "List*", "PutMetricData"),
                *_verbs("cloudtrail", "DescribeTrails", "GetTrailStatus"),  # how old is the newest audit record?
                *_verbs("xray", "Get*", "PutTelemetryRecords", "PutTraceSegments"),
                *_verbs("secretsmanager", "DescribeSecret", "GetSecretValue"),
                *_verbs("ecr", "BatchCheckLayerAvailability", "BatchGetImage", "GetAuthorizationToken"),
                *_verbs("ecr", "GetDownloadUrlForLayer"),
                *_verbs("ec2", "AssignPrivateIpAddresses", "CreateNetworkInterface*", "DeleteNetworkInterface*"),
                *_verbs("ec2", "Describe*", "UnassignPrivateIpAddresses"),
                *_verbs("application-autoscaling", "Describe*", "*ScalableTarget", "PutScalingPolicy"),
                *_verbs("cognito-idp", "Admin*", "List*"),
            ],
            "Resource": ["*"],
        },
        {
            "Sid": "AlarmsOfScaling",
            "Effect": "Allow",
            "Action": _verbs("cloudwatch", "DeleteAlarms", "PutMetricAlarm"),
            "Resource": [naming.arn("cloudwatch", f"alarm:{SCALING_ALARMS}{own}")],
        },
        {
            "Sid": "NeverBlindTheTrail",
            "Effect": "Deny",
            "Action": [
                *_verbs("cloudtrail", "Delete*", "Put*", "Stop*", "Update*"),
                *_verbs("config", "Delete*", "Stop*"),
                *_verbs("guardduty", "Delete*", "Disassociate*", "Update*"),
                *_verbs("logs", "DeleteDataProtectionPolicy", "DeleteLogGroup", "DeleteLogStream"),
                *_verbs("logs", "PutRetentionPolicy", "Unmask"),
            ],
            "Resource": ["*"],
        },
        {
            "Sid": "NeverWeakenProtection",
            "Effect": "Deny",
            "Action": [
                *_verbs("kms", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"),
                *_verbs("s3", "BypassGovernanceRetention", "DeleteBucket*", "PutBucket*", "PutObjectRetention"),
                *_verbs("s3", "PutAccountPublicAccessBlock", "PutEncryptionConfiguration"),
                *_verbs("iam", "Add*", "Attach*", "Create*", "Delete*", "Put*", "Remove*", "Update*"),
            ],
            "Resource": ["*"],
        },
    ]
    return _rendered(statements)


def _rendered(statements: list[dict[str, Any]]) -> str:
    """Compact JSON; ValueError when IAM would not take it."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True, separators=(",", ":"))
    if len(document) > _MAXIMUM_POLICY_CHARACTERS:
        raise ValueError(f"the boundary has {len(document)} characters; IAM takes {_MAXIMUM_POLICY_CHARACTERS}")
    return document


def responder_document(context: Context) -> str:
    """The boundary of the roles that respond to a breach: they shut roles and doors, which no workload may.

    Beside what every function needs to run, it lets them put a policy on the stack's own roles but for themselves and
    emergency access, cut network interfaces off, end key grants and read the trail; what protects records stays denied.
    """
    naming = context.naming
    own = naming.prefix
    roles = naming.arn("iam", f"role/{own}", regional=False)
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Respond",
            "Effect": "Allow",
            "Action": [
                *_verbs("iam", "GetRole", "PutRolePolicy"),
                *_verbs("ec2", "Describe*", "ModifyNetworkInterfaceAttribute"),
                *_verbs("kms", "Decrypt", "GenerateDataKey*", "ListGrants", "RevokeGrant"),
                *_verbs("cloudtrail", "LookupEvents"),
                *_verbs("s3", "GetObject", "ListBucket", "PutObject"),
                *_verbs("sns", "Publish"),
                *_verbs("sqs", "SendMessage"),
                *_verbs("lambda", "InvokeFunction"),
                *_verbs("states", "StartExecution"),
                *_verbs("logs", "CreateLogDelivery", "CreateLogStream", "DeleteLogDelivery", "Describe*", "Get*"),
                *_verbs("logs", "List*", "PutLogEvents", "PutResourcePolicy", "UpdateLogDelivery"),
                *_verbs("xray", "Get*", "PutTelemetryRecords", "PutTraceSegments"),
                *_verbs("ec2", "AssignPrivateIpAddresses", "CreateNetworkInterface*", "DeleteNetworkInterface*"),
                *_verbs("ec2", "UnassignPrivateIpAddresses"),
            ],
            "Resource": ["*"],
        },
        {
            "Sid": "NeverOpenOrShutOneself",
            "Effect": "Deny",
            "Action": _verbs("iam", "PutRolePolicy"),
            "Resource": [f"{roles}{protected}*" for protected in PROTECTED_ROLES],
        },
    ]
    return _rendered(statements)


def _verbs(service: str, *verbs: str) -> list[str]:
    return [f"{service}:{verb}" for verb in verbs]


class WorkloadBoundary(PlatformComponent):
    """The managed policies that roles have as their permissions boundary: every role the one, responders the other.

    Creates `{name}` and `{name}-responder` unless the bootstrap made the policies. Make it first, then hand its ARN
    to every other component through `Context.boundary_arn`.
    """

    boundary_arn: pulumi.Output[str]
    responder_boundary_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadBoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the boundary."""
        super().__init__("imaging:boundary:WorkloadBoundary", name, opts)
        if args.existing is None:
            self.boundary_arn = self._build(name, args, BOUNDARY, boundary_document(args.context)).arn
            responder = responder_document(args.context)
            self.responder_boundary_arn = self._build(f"{name}-responder", args, RESPONDER_BOUNDARY, responder).arn
        else:
            naming = args.context.naming
            responder = naming.name(RESPONDER_BOUNDARY, limit=128)
            self.boundary_arn = _made_before(naming.arn("iam", f"policy/{args.existing}", regional=False))
            self.responder_boundary_arn = _made_before(naming.arn("iam", f"policy/{responder}", regional=False))
        self.register_outputs(
            {"boundary_arn": self.boundary_arn, "responder_boundary_arn": self.responder_boundary_arn}
        )

    def _build(self, name: str, args: WorkloadBoundaryArgs, role: str, document: str) -> aws.iam.Policy:
        return aws.iam.Policy(
            name,
            name=args.context.naming.name(role, limit=128),
            description="The most that any role of this stack can do",
            policy=document,
            tags=args.context.tags_for("boundary"),
            opts=self.child(),
        )


def _made_before(arn: str) -> pulumi.Output[str]:
    """The ARN of a policy that the bootstrap made."""
    return pulumi.Output.from_input(arn)
