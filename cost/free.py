"""Resource types that cost nothing of their own, each with what it would be billed by. All others must be priced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BY = {
    "settings": "a setting of something that is priced or free",
    "network": "AWS bills gateways, addresses, endpoints and traffic, not the plan of a network",
    "identity": "IAM and its analyzer of outside access are free",
    "rights": "who may call or read something",
    "plan": "billed by what runs by it",
}
_TYPES = {
    "settings": (
        "apigateway/account:Account apigateway/deployment:Deployment apigateway/methodSettings:MethodSettings "
        "apigateway/stage:Stage cfg/deliveryChannel:DeliveryChannel cfg/recorderStatus:RecorderStatus "
        "chatbot/slackChannelConfiguration:SlackChannelConfiguration "
        "cloudfront/originAccessControl:OriginAccessControl cloudfront/responseHeadersPolicy:ResponseHeadersPolicy "
        "cloudfront/vpcOrigin:VpcOrigin cognito/userGroup:UserGroup cognito/userPoolClient:UserPoolClient "
        "cognito/userPoolDomain:UserPoolDomain "
        "ebs/defaultKmsKey:DefaultKmsKey "
        "ebs/encryptionByDefault:EncryptionByDefault ecr/lifecyclePolicy:LifecyclePolicy kms/alias:Alias "
        "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig lambda/layerVersion:LayerVersion "
        "s3/accountPublicAccessBlock:AccountPublicAccessBlock "
        "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration s3/bucketLogging:BucketLogging "
        "s3/bucketNotification:BucketNotification "
        "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration s3/bucketObjectv2:BucketObjectv2 "
        "s3/bucketOwnershipControls:BucketOwnershipControls s3/bucketPublicAccessBlock:BucketPublicAccessBlock "
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration "
        "s3/bucketVersioning:BucketVersioning sagemaker/modelPackageGroup:ModelPackageGroup "
        "secretsmanager/secretVersion:SecretVersion sns/topicSubscription:TopicSubscription "
        "wafv2/webAclAssociation:WebAclAssociation wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    ),
    "network": (
        "ec2/defaultSecurityGroup:DefaultSecurityGroup ec2/flowLog:FlowLog ec2/internetGateway:InternetGateway "
        "ec2/route:Route ec2/routeTable:RouteTable ec2/routeTableAssociation:RouteTableAssociation "
        "ec2/securityGroup:SecurityGroup ec2/subnet:Subnet ec2/vpc:Vpc "
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    ),
    "identity": (
        "accessanalyzer/analyzer:Analyzer iam/accountPasswordPolicy:AccountPasswordPolicy iam/policy:Policy "
        "iam/role:Role iam/rolePolicy:RolePolicy iam/serviceLinkedRole:ServiceLinkedRole"
    ),
    "rights": (
        "cloudwatch/logResourcePolicy:LogResourcePolicy ecr/repositoryPolicy:RepositoryPolicy "
        "lambda/permission:Permission s3/bucketPolicy:BucketPolicy"
    ),
    "plan": (
        "appautoscaling/policy:Policy appautoscaling/target:Target cloudfront/function:Function "
        "cloudwatch/eventRule:EventRule cloudwatch/eventTarget:EventTarget ecs/cluster:Cluster "
        "ecs/taskDefinition:TaskDefinition lambda/eventSourceMapping:EventSourceMapping lb/listener:Listener "
        "lb/listenerRule:ListenerRule lb/targetGroup:TargetGroup"
    ),
}
FREE: Final[Mapping[str, str]] = {
    f"aws:{kind}": _BY[reason] for reason, kinds in _TYPES.items() for kind in kinds.split()
}
"""Type -> why it has no line."""
