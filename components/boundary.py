"""The permissions boundary: the most that any role of the platform can ever do, whatever its own policy says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent

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
    own = f"{naming.project}-{naming.stack}-*"
    partition = context.partition
    statements: list[dict[str, Any]] = [
        {
            "Sid": "OwnBuckets",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:DeleteObject*", "s3:Get*", "s3:List*", "s3:PutObject*"],
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
                *_verbs("application-autoscaling", "Describe*", "RegisterScalableTarget", "PutScalingPolicy"),
                *_verbs("cognito-idp", "Admin*", "List*"),
            ],
            "Resource": ["*"],
        },
        {
            "Sid": "NeverBlindTheTrail",
            "Effect": "Deny",
            "Action": [
                *_verbs("cloudtrail", "Delete*", "Put*", "Stop*", "Update*"),
                *_verbs("config", "Delete*", "Stop*"),
                *_verbs("guardduty", "Delete*", "Disassociate*", "Update*"),
                *_verbs("logs", "DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy"),
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
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True, separators=(",", ":"))
    if len(document) > _MAXIMUM_POLICY_CHARACTERS:
        raise ValueError(f"the boundary has {len(document)} characters; IAM takes {_MAXIMUM_POLICY_CHARACTERS}")
    return document


def _verbs(service: str, *verbs: str) -> list[str]:
    return [f"{service}:{verb}" for verb in verbs]


class WorkloadBoundary(PlatformComponent):
    """The managed policy that every role of the stack has as its permissions boundary.

    Creates `{name}` unless the bootstrap made the policy. Make it first, then hand its ARN to every
    other component through `Context.boundary_arn`.
    """

    boundary_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadBoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the boundary."""
        super().__init__("imaging:boundary:WorkloadBoundary", name, opts)
        if args.existing is not None:
            arn = args.context.naming.arn("iam", f"policy/{args.existing}", regional=False)
            self.boundary_arn = pulumi.Output.from_input(arn)
            self.register_outputs({"boundary_arn": self.boundary_arn})
            return
        policy = aws.iam.Policy(
            name,
            name=args.context.naming.name("boundary", limit=128),
            description="The most that any role of this stack can do",
            policy=boundary_document(args.context),
            tags=args.context.tags_for("boundary"),
            opts=self.child(),
        )
        self.boundary_arn = policy.arn
        self.register_outputs({"boundary_arn": self.boundary_arn})
