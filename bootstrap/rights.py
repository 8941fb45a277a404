"""What the deploy role of one environment may do: reads by verb, writes by name, each on the environment's own names.

IAM knows most things of the platform by name; what has no name (VPC parts, keys, user pools) is bound by the tags
`project` and `stack`, which the program puts on everything. What can be bound by neither says why.
"""

from __future__ import annotations

from typing import Final

from bootstrap.rights_control import identity, observability
from bootstrap.rights_edge import edge
from bootstrap.scope import Scope, do, grant
from components._iam import Conditions, Statement


def storage(scope: Scope) -> list[Statement]:
    """Buckets, tables, queues, topics, repositories, secrets."""
    buckets = [f"arn:{scope.partition}:s3:::{scope.prefix}-*"]
    return [
        grant(
            "Buckets",
            [
                *do("s3", "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetAccelerateConfiguration"),
                *do("s3", "GetBucket*", "GetEncryptionConfiguration", "GetLifecycleConfiguration"),
                *do("s3", "GetReplicationConfiguration", "ListBucket", "ListBucketVersions", "PutBucketCORS"),
                *do("s3", "PutBucketLogging", "PutBucketNotification", "PutBucketObjectLockConfiguration"),
                *do("s3", "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketPublicAccessBlock"),
                *do("s3", "PutBucketTagging", "PutBucketVersioning", "PutEncryptionConfiguration"),
                *do("s3", "GetIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
                *do("s3", "PutLifecycleConfiguration", "PutReplicationConfiguration"),
            ],
            buckets,
        ),
        grant(  # objects of code and of the viewer's page; what belongs to patients is not among them
            "CodeObjects",
            do("s3", "DeleteObject", "GetObject", "GetObjectTagging", "PutObject", "PutObjectTagging"),
            [
                f"arn:{scope.partition}:s3:::{scope.prefix}-model-artifacts-*/code/*",
                f"arn:{scope.partition}:s3:::{scope.prefix}-viewer-*/*",
            ],
        ),
        grant(
            "Tables",
            [
                *do(
                    "dynamodb", "CreateTable", "DeleteTable", "DescribeContinuousBackups", "DescribeContributorInsights"
                ),
                *do("dynamodb", "DescribeKinesisStreamingDestination", "DescribeTable", "DescribeTimeToLive"),
                *do("dynamodb", "ListTagsOfResource", "TagResource"),
                *do("dynamodb", "UntagResource", "UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive"),
                *do("dynamodb", "CreateTableReplica", "DeleteTableReplica", "UpdateContributorInsights"),
            ],
            scope.named("dynamodb", "table/"),
        ),
        grant(
            "Queues",
            [
                *do("sqs", "CreateQueue", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListQueueTags"),
                *do("sqs", "SetQueueAttributes", "TagQueue", "UntagQueue"),
            ],
            scope.named("sqs", ""),
        ),
        grant(
            "Topics",
            [
                *do("sns", "CreateTopic", "DeleteTopic", "GetTopicAttributes"),
                *do("sns", "ListSubscriptionsByTopic", "ListTagsForResource"),
                *do("sns", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"),
            ],
            scope.named("sns", ""),
        ),
        grant(  # IAM knows no resource for a subscription
            "Subscriptions",
            do("sns", "GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"),
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        grant(
            "Repositories",
            [
                *do("ecr", "CreateRepository", "DeleteLifecyclePolicy", "DeleteRepository", "DeleteRepositoryPolicy"),
                *do("ecr", "DescribeRepositories", "GetLifecyclePolicy", "GetRepositoryPolicy", "ListTagsForResource"),
                *do("ecr", "PutImageScanningConfiguration", "PutImageTagMutability", "PutLifecyclePolicy"),
                *do("ecr", "SetRepositoryPolicy", "TagResource", "UntagResource"),
            ],
            scope.named("ecr", "repository/"),
        ),
        grant(  # one setting of the whole registry, which no ARN names
            "RegistryScanning",
            do("ecr", "GetRegistryScanningConfiguration", "PutRegistryScanningConfiguration"),
            ["*"],
        ),
        grant(
            "Secrets",
            [
                *do("secretsmanager", "CreateSecret", "DeleteSecret", "DescribeSecret", "GetResourcePolicy"),
                *do("secretsmanager", "GetSecretValue", "PutResourcePolicy", "PutSecretValue", "RestoreSecret"),
                *do("secretsmanager", "TagResource", "UntagResource", "UpdateSecret", "RotateSecret"),
            ],
            scope.named("secretsmanager", "secret:"),
        ),
    ]


def functions(scope: Scope) -> list[Statement]:
    """Functions, workflows, training."""
    return [
        grant(
            "Functions",
            [
                *do("lambda", "AddPermission", "CreateAlias", "CreateFunction", "DeleteAlias", "DeleteFunction"),
                *do(
                    "lambda", "DeleteFunctionConcurrency", "DeleteFunctionEventInvokeConfig", "GetAlias", "GetFunction"
                ),
                *do("lambda", "GetFunctionCodeSigningConfig", "GetFunctionConcurrency", "GetFunctionConfiguration"),
                *do("lambda", "GetFunctionEventInvokeConfig", "GetLayerVersion", "GetPolicy", "ListTags"),
                *do("lambda", "GetProvisionedConcurrencyConfig", "ListVersionsByFunction"),
                *do("lambda", "DeleteLayerVersion", "PublishLayerVersion", "PublishVersion", "PutFunctionConcurrency"),
                *do("lambda", "PutFunctionEventInvokeConfig", "RemovePermission", "TagResource", "UntagResource"),
                *do("lambda", "UpdateAlias", "UpdateFunctionCode", "UpdateFunctionConfiguration"),
                *do("lambda", "UpdateFunctionEventInvokeConfig", "PutProvisionedConcurrencyConfig"),
            ],
            scope.named("lambda", "function:", "layer:"),
        ),
        grant(  # a mapping's own ARN is a number: the function that it feeds bounds it
            "MakeQueueReaders",
            do("lambda", "CreateEventSourceMapping"),
            ["*"],
            {"ArnLike": {"lambda:FunctionArn": scope.named("lambda", "function:")}},
        ),
        grant(
            "QueueReaders",
            do("lambda", "DeleteEventSourceMapping", "UpdateEventSourceMapping"),
            [scope.arn("lambda", "event-source-mapping:*")],
            {"ArnLike": {"lambda:FunctionArn": scope.named("lambda", "function:")}},
        ),
        grant(
            "ReadQueueReaders",
            do("lambda", "GetEventSourceMapping", "ListTags"),
            [scope.arn("lambda", "event-source-mapping:*")],
        ),
        grant(  # lists and checks, for which IAM knows no resource
            "ReadWithoutResource",
            [
                *do("cognito-idp", "DescribeUserPoolDomain"),
                *do("lambda", "ListEventSourceMappings"),
                *do("states", "ValidateStateMachineDefinition"),
            ],
            ["*"],
        ),
        grant(
            "Workflows",
            [
                *do("states", "CreateStateMachine", "DeleteStateMachine", "DescribeStateMachine", "TagResource"),
                *do("states", "ListStateMachineVersions", "ListTagsForResource", "UntagResource"),
                *do("states", "UpdateStateMachine"),
            ],
            scope.named("states", "stateMachine:"),
        ),
        grant(
            "Training",
            [
                *do("sagemaker", "AddTags", "CreateModelPackageGroup", "CreatePipeline", "DeleteModelPackageGroup"),
                *do("sagemaker", "DeletePipeline", "DeleteTags", "DescribeModelPackageGroup", "DescribePipeline"),
                *do("sagemaker", "ListTags", "UpdatePipeline", "DeleteModelPackageGroupPolicy"),
            ],
            scope.named("sagemaker", "pipeline/", "model-package-group/"),
        ),
    ]


def services(scope: Scope) -> list[Statement]:
    """Containers, the API, users, data stores."""
    return [
        grant(
            "Services",
            [
                *do("ecs", "CreateCluster", "CreateService", "DeleteCluster", "DeleteService", "DescribeClusters"),
                *do("ecs", "DescribeServices", "ListTagsForResource", "TagResource", "UntagResource"),
                *do("ecs", "UpdateCluster", "UpdateClusterSettings", "UpdateService", "PutClusterCapacityProviders"),
            ],
            scope.named("ecs", "cluster/", "service/"),
        ),
        grant("TaskDefinitions", do("ecs", "RegisterTaskDefinition"), scope.named("ecs", "task-definition/")),
        grant(  # ECS takes no resource for these
            "OldTaskDefinitions",
            do("ecs", "DeregisterTaskDefinition", "DescribeTaskDefinition"),
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        grant(  # a target's own ARN is a number
            "Scaling",
            [
                *do("application-autoscaling", "DeleteScalingPolicy", "DeregisterScalableTarget", "PutScalingPolicy"),
                *do("application-autoscaling", "ListTagsForResource", "RegisterScalableTarget", "TagResource"),
                *do("application-autoscaling", "UntagResource"),
            ],
            [scope.arn("application-autoscaling", "scalable-target/*")],
        ),
        grant(
            "ReadScaling",
            do("application-autoscaling", "DescribeScalableTargets", "DescribeScalingPolicies"),
            ["*"],
        ),
        grant(
            "RestApis",
            do("apigateway", "DELETE", "GET", "PATCH", "POST", "PUT"),
            [f"arn:{scope.partition}:apigateway:{scope.region}::{place}" for place in _API_PLACES],
        ),
        grant(
            "SignIn",
            [
                *do("cognito-idp", "CreateGroup", "CreateUserPoolClient", "CreateUserPoolDomain", "DeleteGroup"),
                *do(
                    "cognito-idp", "DeleteUserPool", "DeleteUserPoolClient", "DeleteUserPoolDomain", "DescribeUserPool"
                ),
                *do("cognito-idp", "DescribeUserPoolClient", "GetGroup", "GetLogDeliveryConfiguration"),
                *do("cognito-idp", "GetUserPoolMfaConfig", "ListTagsForResource", "SetUserPoolMfaConfig"),
                *do("cognito-idp", "SetLogDeliveryConfiguration"),
                *do("cognito-idp", "TagResource", "UntagResource", "UpdateGroup", "UpdateUserPool"),
                *do("cognito-idp", "UpdateUserPoolClient", "AddCustomAttributes"),
            ],
            [scope.arn("cognito-idp", "userpool/*")],
            scope.tagged,
        ),
        grant("MakeUserPools", do("cognito-idp", "CreateUserPool"), ["*"], scope.tagging),
        grant(  # Cloud Control calls HealthImaging with the caller's own rights
            "MakeDataStores",
            [
                *do("cloudformation", "CreateResource", "DeleteResource", "GetResource"),
                *do("cloudformation", "GetResourceRequestStatus", "UpdateResource"),
                *do("medical-imaging", "CreateDatastore", "ListDatastores"),
            ],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        grant(  # a store's name is no part of its ARN
            "DataStores",
            do(
                "medical-imaging",
                "DeleteDatastore",
                "GetDatastore",
                "ListTagsForResource",
                "TagResource",
                "UntagResource",
            ),
            [scope.arn("medical-imaging", "datastore/*")],
            scope.tagged,
        ),
    ]


_API_PLACES = ("/account", "/restapis", "/restapis/*", "/tags/*", "/domainnames*", "/vpclinks*")


def network(scope: Scope) -> list[Statement]:
    """VPC and keys."""
    in_region: Conditions = {"StringEquals": {"aws:RequestedRegion": scope.region}}
    return [
        grant("ReadNetwork", do("ec2", "Describe*", "GetEbsDefaultKmsKeyId", "GetEbsEncryptionByDefault"), ["*"]),
        grant(
            "MakeNetwork",
            [
                *do("ec2", "AllocateAddress", "CreateFlowLogs", "CreateInternetGateway", "CreateNatGateway"),
                *do("ec2", "CreateRoute", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateVpc"),
                *do("ec2", "CreateVpcEndpoint", "CreateTags", "AssociateRouteTable", "AttachInternetGateway"),
                *do("ec2", "ModifySubnetAttribute", "ModifyVpcAttribute", "ModifyVpcEndpoint"),
                *do("ec2", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress"),
            ],
            ["*"],
            in_region,
        ),
        grant(
            "RemoveOwnNetwork",
            [
                *do("ec2", "DeleteFlowLogs", "DeleteInternetGateway", "DeleteNatGateway", "DeleteRoute"),
                *do("ec2", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet", "DeleteTags", "DeleteVpc"),
                *do("ec2", "DeleteVpcEndpoints", "DetachInternetGateway", "DisassociateRouteTable", "ReleaseAddress"),
                *do("ec2", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
                *do("ec2", "ModifySecurityGroupRules", "ReplaceRoute"),
            ],
            ["*"],
            {"StringEquals": {"aws:ResourceTag/project": scope.project}},
        ),
        grant(  # settings of the account in this region
            "DiskDefaults",
            do("ec2", "EnableEbsEncryptionByDefault", "ModifyEbsDefaultKmsKeyId", "ResetEbsDefaultKmsKeyId"),
            ["*"],
            in_region,
        ),
        grant("MakeKeys", do("kms", "CreateKey"), ["*"], scope.tagging),
        grant(
            "Keys",
            [
                *do("kms", "CreateGrant", "Decrypt", "DescribeKey", "DisableKey", "EnableKey", "EnableKeyRotation"),
                *do("kms", "GenerateDataKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags"),
                *do("kms", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource"),
                *do("kms", "UpdateKeyDescription"),
            ],
            [scope.arn("kms", "key/*")],
            scope.tagged,
        ),
        grant(  # an alias needs the right on itself and on its key
            "AliasesOfKeys",
            do("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"),
            [scope.arn("kms", "key/*")],
            scope.tagged,
        ),
        grant(
            "Aliases",
            do("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"),
            [scope.arn("kms", f"alias/{scope.prefix}-*")],
        ),
        grant("ReadAliases", do("kms", "ListAliases", "ListKeys"), ["*"]),
    ]


AREAS: Final = {
    "storage": storage,
    "functions": functions,
    "services": services,
    "network": network,
    "edge": edge,
    "observability": observability,
    "identity": identity,
}
"""Area -> its statements; each area is one managed policy."""
