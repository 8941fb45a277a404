"""A compliant bag of inputs and its violating variants for each rule about one resource.

The violating variants are the compliant bag with one change: what is refused is exactly what the change did.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

KEY = "arn:aws:kms:us-east-1:111122223333:key/0"
ROLE = "arn:aws:iam::111122223333:role/x"
GONE = object()


@dataclass(frozen=True)
class Case:
    """One compliant bag, and changes that each have to be refused."""

    type: str
    good: dict[str, Any]
    bad: tuple[dict[str, Any], ...]

    def variants(self) -> list[dict[str, Any]]:
        return [{k: v for k, v in {**self.good, **change}.items() if v is not GONE} for change in self.bad]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(**fields: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **fields}


TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
SERVICE = {"Service": "logs.us-east-1.amazonaws.com"}
SOURCE = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
OWN_ACCOUNT = {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}
LAYERS = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"  # where ECR keeps image layers, in an account of AWS
READ_LAYERS = allow(Principal="*", Action="s3:GetObject", Resource=LAYERS)
SSE = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
PROCESSING = {
    "Name": "Preprocess",
    "Type": "Processing",
    "Arguments": {
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": KEY}},
        "ProcessingOutputConfig": {"KmsKeyId": KEY},
        "NetworkConfig": {"VpcConfig": {"Subnets": ["subnet-1"]}},
    },
}
TRAINING = {
    "Name": "Train",
    "Type": "Training",
    "Arguments": {
        "ResourceConfig": {"VolumeKmsKeyId": KEY},
        "OutputDataConfig": {"KmsKeyId": KEY},
        "VpcConfig": {"Subnets": ["subnet-1"]},
    },
}
BARE_TRAINING = {"Name": "Train", "Type": "Training", "Arguments": {"ResourceConfig": {}, "OutputDataConfig": {}}}


def pipeline(*steps: dict[str, Any]) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps)})


PIPELINE = {"pipelineDefinition": pipeline(PROCESSING, TRAINING)}
PASSWORDS = {
    "minimumLength": 14.0,
    "requireLowercase": True,
    "requireUppercase": True,
    "requireNumbers": True,
    "requireSymbols": True,
}
BLOCK = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
GITHUB = {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}
AUD = {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
SUB = {"token.actions.githubusercontent.com:sub": "repo:o/r:environment:prod"}
TRUSTED = policy(allow(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"))
DATASTORE = "AWS::HealthImaging::Datastore"

CASES: dict[str, Case] = {
    "s3-pab-all-on": Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", BLOCK, tuple({k: False} for k in BLOCK)
    ),
    "s3-versioning-on": Case(
        "aws:s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "Enabled"}},
        ({"versioningConfiguration": {"status": "Suspended"}}, {"versioningConfiguration": GONE}),
    ),
    "s3-sse-our-key": Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": SSE}]},
        (
            {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
            {"rules": [{"applyServerSideEncryptionByDefault": {**SSE, "kmsMasterKeyId": "alias/aws/s3"}}]},
            {"rules": [{"applyServerSideEncryptionByDefault": {**SSE, "sseAlgorithm": "none"}}]},
        ),
    ),
    "s3-tls-only": Case("aws:s3/bucketPolicy:BucketPolicy", {"policy": policy(TLS)}, ({"policy": policy()},)),
    "s3-policy-not-public": Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        {"policy": policy(TLS, allow(Principal={"AWS": ROLE}, Action="s3:GetObject"))},
        ({"policy": policy(allow(Principal="*", Action="s3:GetObject"))},),
    ),
    "s3-owner-enforced": Case(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        ({"rule": {"objectOwnership": "ObjectWriter"}},),
    ),
    "s3-no-public-acl": Case("aws:s3/bucketAcl:BucketAcl", {"acl": "private"}, ({"acl": "public-read"},)),
    "s3-inline-legacy": Case("aws:s3/bucket:Bucket", {"bucket": "b"}, ({"acl": "private"}, {"policy": policy(TLS)})),
    "s3-audit-lock-flag": Case(
        "aws:s3/bucket:Bucket",
        {"tags": {"data-class": "audit"}, "objectLockEnabled": True},
        ({"objectLockEnabled": False}, {"objectLockEnabled": GONE}),
    ),
    "s3-audit-lock": Case(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "years": 7.0}}},
        ({"rule": GONE},),
    ),
    "s3-object-kms": Case(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        {"key": "k"},
        ({"serverSideEncryption": "AES256"}, {"acl": "private"}),
    ),
    "kms-rotation": Case(
        "aws:kms/key:Key", {"enableKeyRotation": True}, ({"enableKeyRotation": GONE}, {"rotationPeriodInDays": 900.0})
    ),
    "kms-delete-window": Case("aws:kms/key:Key", {"deletionWindowInDays": 30.0}, ({"deletionWindowInDays": 7.0},)),
    "kms-policy": Case(
        "aws:kms/key:Key",
        {"policy": policy(allow(Principal=SERVICE, Action="kms:Decrypt", Resource="*", Condition=SOURCE))},
        (
            {"policy": GONE},
            {"policy": policy(allow(Principal="*", Action="kms:Decrypt", Resource="*"))},
            {"policy": policy(allow(Principal=SERVICE, Action="kms:Decrypt", Resource="*"))},
        ),
    ),
    "kms-enabled": Case("aws:kms/key:Key", {}, ({"isEnabled": False}, {"bypassPolicyLockoutSafetyCheck": True})),
    "secret-cmk": Case(
        "aws:secretsmanager/secret:Secret",
        {"kmsKeyId": KEY},
        ({"kmsKeyId": GONE}, {"kmsKeyId": "alias/aws/secretsmanager"}),
    ),
    "vpc-flow-logs-all": Case("aws:ec2/flowLog:FlowLog", {"trafficType": "ALL"}, ({"trafficType": "REJECT"},)),
    "vpc-default-sg-closed": Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", {"vpcId": "vpc-1"}, ({"ingress": [{"protocol": "-1"}]},)
    ),
    "vpc-subnet-no-public-ip": Case(
        "aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": False}, ({"mapPublicIpOnLaunch": True},)
    ),
    "sg-no-open-ingress": Case(
        "aws:ec2/securityGroup:SecurityGroup",
        {"ingress": [{"cidrBlocks": ["10.0.0.0/16"], "fromPort": 443.0}]},
        ({"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]}, {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]}),
    ),
    "sg-rule-no-open-ingress": Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "10.0.0.0/16"},
        ({"cidrIpv4": "0.0.0.0/0"}, {"cidrIpv6": "::/0"}),
    ),
    "sg-legacy-rule-no-open-ingress": Case(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        {"type": "ingress", "cidrBlocks": ["10.0.0.0/16"]},
        ({"cidrBlocks": ["0.0.0.0/0"]},),
    ),
    "sg-no-open-egress": Case(
        "aws:ec2/securityGroup:SecurityGroup",
        {"egress": [{"protocol": "tcp", "cidrBlocks": ["10.0.0.0/16"]}]},
        ({"egress": [{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}]},),
    ),
    "sg-rule-no-open-egress": Case(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        {"ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/16"},
        ({"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},),
    ),
    "vpce-policy": Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {"policy": policy(allow(Principal="*", Action="*", Resource="*", Condition=OWN_ACCOUNT), READ_LAYERS)},
        (
            {"policy": GONE},
            {"policy": policy(allow(Principal="*", Action="*", Resource="*"))},
            {"policy": policy({**READ_LAYERS, "Resource": "*"})},
            {"policy": policy({**READ_LAYERS, "Action": "s3:PutObject"})},
        ),
    ),
    "iam-no-admin": Case(
        "aws:iam/policy:Policy",
        {"policy": policy(allow(Action="s3:GetObject", Resource="arn:aws:s3:::b/*"))},
        (
            {"policy": policy(allow(Action="*", Resource="*"))},
            {"policy": policy(allow(NotAction="iam:*", Resource="*"))},
        ),
    ),
    "iam-no-full-service": Case(
        "aws:iam/rolePolicy:RolePolicy",
        {"policy": policy(allow(Action=["s3:GetObject"], Resource="arn:aws:s3:::b/*"))},
        ({"policy": policy(allow(Action=["s3:*"], Resource="arn:aws:s3:::b/*"))},),
    ),
    "kms-no-open-decrypt": Case(
        "aws:iam/rolePolicy:RolePolicy",
        {"policy": policy(allow(Action="kms:Decrypt", Resource=KEY))},
        ({"policy": policy(allow(Action="kms:Decrypt", Resource="*"))},),
    ),
    "iam-trust": Case(
        "aws:iam/role:Role",
        {"assumeRolePolicy": TRUSTED},
        (
            {"assumeRolePolicy": policy(allow(Principal="*", Action="sts:AssumeRole"))},
            {"assumeRolePolicy": policy(allow(Principal=GITHUB, Action="x", Condition={"StringEquals": AUD}))},
            {"assumeRolePolicy": policy(allow(Principal=GITHUB, Action="x", Condition={"StringEquals": SUB}))},
        ),
    ),
    "cognito-no-self-sign-up": Case(
        "aws:cognito/userPool:UserPool",
        {"adminCreateUserConfig": {"allowAdminCreateUserOnly": True}},
        ({"adminCreateUserConfig": GONE},),
    ),
    "cognito-password": Case(
        "aws:cognito/userPool:UserPool",
        {"passwordPolicy": PASSWORDS},
        (
            {"passwordPolicy": {**PASSWORDS, "minimumLength": 8.0}},
            {"passwordPolicy": {**PASSWORDS, "requireSymbols": False}},
        ),
    ),
    "cognito-client": Case(
        "aws:cognito/userPoolClient:UserPoolClient",
        {"preventUserExistenceErrors": "ENABLED", "accessTokenValidity": 60.0},
        ({"preventUserExistenceErrors": "LEGACY"}, {"accessTokenValidity": GONE}),
    ),
    "ahi-cmk": Case(
        "aws:cloudcontrol/resource:Resource",
        {"typeName": DATASTORE, "desiredState": json.dumps({"DatastoreName": "d", "KmsKeyArn": KEY})},
        ({"desiredState": json.dumps({"DatastoreName": "d"})},),
    ),
    "ahi-native-cmk": Case("aws-native:healthimaging:Datastore", {"kmsKeyArn": KEY}, ({"kmsKeyArn": GONE},)),
    "ddb-pitr": Case(
        "aws:dynamodb/table:Table", {"pointInTimeRecovery": {"enabled": True}}, ({"pointInTimeRecovery": GONE},)
    ),
    "ddb-cmk": Case(
        "aws:dynamodb/table:Table",
        {"serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY}},
        ({"serverSideEncryption": {"enabled": True}}, {"serverSideEncryption": GONE}),
    ),
    "lambda-vpc": Case(
        "aws:lambda/function:Function",
        {"vpcConfig": {"subnetIds": ["s"], "securityGroupIds": ["g"]}},
        ({"vpcConfig": GONE}, {"vpcConfig": {"subnetIds": ["s"], "securityGroupIds": []}}),
    ),
    "lambda-env-kms": Case(
        "aws:lambda/function:Function",
        {"environment": {"variables": {"A": "b"}}, "kmsKeyArn": KEY},
        ({"kmsKeyArn": GONE},),
    ),
    "lambda-no-secret-env": Case(
        "aws:lambda/function:Function",
        {"environment": {"variables": {"PSEUDONYM_KEY_SECRET_ARN": "arn"}}},
        ({"environment": {"variables": {"DB_PASSWORD": "x"}}},),
    ),
    "lambda-permission-scoped": Case(
        "aws:lambda/permission:Permission",
        {"principal": "events.amazonaws.com", "sourceArn": "arn:aws:events:us-east-1:111122223333:rule/x"},
        ({"sourceArn": GONE}, {"principal": "*"}),
    ),
    "lambda-url-auth": Case(
        "aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "AWS_IAM"}, ({"authorizationType": "NONE"},)
    ),
    "sfn-logging": Case(
        "aws:sfn/stateMachine:StateMachine",
        {"loggingConfiguration": {"level": "ERROR", "logDestination": "arn:x:*"}},
        ({"loggingConfiguration": GONE}, {"loggingConfiguration": {"level": "OFF", "logDestination": "a"}}),
    ),
    "sfn-no-exec-data": Case(
        "aws:sfn/stateMachine:StateMachine",
        {"loggingConfiguration": {"includeExecutionData": False}},
        ({"loggingConfiguration": {"includeExecutionData": True}},),
    ),
    "sfn-cmk": Case(
        "aws:sfn/stateMachine:StateMachine",
        {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": KEY}},
        ({"encryptionConfiguration": GONE},),
    ),
    "sm-pipeline-kms": Case(
        "aws:sagemaker/pipeline:Pipeline", PIPELINE, ({"pipelineDefinition": pipeline(PROCESSING, BARE_TRAINING)},)
    ),
    "sm-pipeline-vpc": Case(
        "aws:sagemaker/pipeline:Pipeline", PIPELINE, ({"pipelineDefinition": pipeline(PROCESSING, BARE_TRAINING)},)
    ),
    "apigw-methods": Case(
        "aws:apigateway/methodSettings:MethodSettings",
        {"settings": {"loggingLevel": "ERROR", "dataTraceEnabled": False}},
        ({"settings": {"loggingLevel": "ERROR", "dataTraceEnabled": True}}, {"settings": {"loggingLevel": "OFF"}}),
    ),
    "apigw-access-log": Case(
        "aws:apigateway/stage:Stage",
        {"accessLogSettings": {"destinationArn": "arn", "format": "$context.requestId"}},
        ({"accessLogSettings": GONE}, {"accessLogSettings": {"destinationArn": "arn", "format": "$input.body"}}),
    ),
    "apigw-body-auth": Case(
        "aws:apigateway/restApi:RestApi",
        {"body": json.dumps({"paths": {"/health": {"get": {}}, "/x": {"get": {"security": [{"cognito": []}]}}}})},
        ({"body": json.dumps({"paths": {"/x": {"get": {}}}})},),
    ),
    "apigw-method-auth": Case(
        "aws:apigateway/method:Method",
        {"authorization": "COGNITO_USER_POOLS", "httpMethod": "GET"},
        ({"authorization": "NONE"},),
    ),
    "sqs-kms": Case(
        "aws:sqs/queue:Queue", {"kmsMasterKeyId": KEY}, ({"kmsMasterKeyId": GONE}, {"kmsMasterKeyId": "alias/aws/sqs"})
    ),
    "sqs-policy": Case(
        "aws:sqs/queuePolicy:QueuePolicy",
        {"policy": policy(TLS, allow(Principal={"AWS": ROLE}, Action="sqs:SendMessage"))},
        (
            {"policy": policy(allow(Principal={"AWS": ROLE}, Action="sqs:SendMessage"))},
            {"policy": policy(TLS, allow(Principal="*", Action="sqs:SendMessage"))},
            {"policy": policy(TLS, allow(Principal={"AWS": ROLE}, Action="sqs:*"))},
        ),
    ),
    "sns-kms": Case(
        "aws:sns/topic:Topic", {"kmsMasterKeyId": KEY}, ({"kmsMasterKeyId": GONE}, {"kmsMasterKeyId": "alias/aws/sns"})
    ),
    "sns-policy": Case(
        "aws:sns/topicPolicy:TopicPolicy",
        {"policy": policy(TLS, allow(Principal={"AWS": ROLE}, Action="sns:Publish"))},
        ({"policy": policy(allow(Principal="*", Action="sns:Publish"))},),
    ),
    "sns-subscription": Case(
        "aws:sns/topicSubscription:TopicSubscription", {"protocol": "https"}, ({"protocol": "http"},)
    ),
    "eb-bus-cmk": Case("aws:cloudwatch/eventBus:EventBus", {"kmsKeyIdentifier": KEY}, ({"kmsKeyIdentifier": GONE},)),
    "eb-archive-cmk": Case(
        "aws:cloudwatch/eventArchive:EventArchive",
        {"kmsKeyIdentifier": KEY, "retentionDays": 30.0},
        ({"kmsKeyIdentifier": GONE}, {"retentionDays": GONE}),
    ),
    "eb-target-dlq": Case(
        "aws:cloudwatch/eventTarget:EventTarget", {"deadLetterConfig": {"arn": "q"}}, ({"deadLetterConfig": GONE},)
    ),
    "logs-kms": Case("aws:cloudwatch/logGroup:LogGroup", {"kmsKeyId": KEY}, ({"kmsKeyId": GONE},)),
    "logs-retention": Case(
        "aws:cloudwatch/logGroup:LogGroup",
        {"retentionInDays": 2557.0, "tags": {"log-class": "audit"}},
        (
            {"retentionInDays": GONE},
            {"retentionInDays": GONE, "tags": {"log-class": "operations"}},
            {"retentionInDays": 365.0},
            {"retentionInDays": 365.0, "tags": GONE},
            {"retentionInDays": 365.0, "tags": {"log-class": "else"}},
            {"retentionInDays": 365.0, "tags": {"log-class": "operations", "data-class": "audit"}},
        ),
    ),
    "alarm-actions": Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"alarmActions": ["topic"]},
        ({"alarmActions": []}, {"actionsEnabled": False}),
    ),
}

ALWAYS_REFUSED = {
    "s3-no-website": "aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration",
    "vpc-no-default": "aws:ec2/defaultVpc:DefaultVpc",
    "iam-no-users": "aws:iam/accessKey:AccessKey",
}
