"""Cases of rules about stores, people and functions: a compliant bag of inputs, and changes that must be refused."""

from __future__ import annotations

import json
from typing import Any

from cases import AUD, GITHUB, GONE, KEY, OWN_ACCOUNT, ROLE, SERVICE, SUB, TRUSTED, Case, allow, policy

ROLE_TYPE, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
FUNCTION, TABLE, TRAIL = "aws:lambda/function:Function", "aws:dynamodb/table:Table", "aws:cloudtrail/trail:Trail"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
OPEN = policy(allow(Principal="*", Action="x:Y", Resource="*"))
NAMED = policy(allow(Principal={"AWS": ROLE}, Action="x:Y", Resource="*"))
FOUR = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
ON = dict.fromkeys(FOUR, True)
BOTH = {"StringEquals": {**AUD, **SUB}}
HUMAN = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def github(condition: dict[str, Any]) -> dict[str, Any]:
    return {"assumeRolePolicy": policy(allow(Principal=GITHUB, Action="x", Condition=condition))}


def granted(**statement: Any) -> dict[str, Any]:
    return {"policy": policy(allow(**statement))}


def mask(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2021-06-01", "Statement": list(statements)})


AUDITED = {"DataIdentifier": ["a"], "Operation": {"Audit": {"FindingsDestination": {}}}}
MASKED = {"DataIdentifier": ["a"], "Operation": {"Deidentify": {"MaskConfig": {}}}}


def exact(sub: str) -> dict[str, Any]:
    return github({"StringEquals": {**AUD, "token.actions.githubusercontent.com:sub": sub}})


def selectors(*kinds: str) -> dict[str, Any]:
    return {"advancedEventSelectors": [{"fieldSelectors": [{"field": "resources.type", "equals": list(kinds)}]}]}


DATA = ("AWS::S3::Object", "AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::MedicalImaging::Datastore")
LOG = {"logFormat": "JSON", "logGroup": "g", "applicationLogLevel": "INFO"}
BREAK_GLASS = {"purpose": "break-glass"}

CASES: dict[str, Case] = {
    "s3-audit-lock-years": Case(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 2557.0}}},
        (
            {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2557.0}}},
            {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 30.0}}},
        ),
    ),
    "s3-replication-complete": Case(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        {"rules": [{"status": "Enabled", "destination": {"encryptionConfiguration": {"replicaKmsKeyId": KEY}}}]},
        (
            {"rules": [{"status": "Disabled", "destination": {"encryptionConfiguration": {"replicaKmsKeyId": KEY}}}]},
            {"rules": [{"status": "Enabled", "destination": {}}]},
        ),
    ),
    "s3-cors": Case(
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        {"corsRules": [{"allowedOrigins": ["https://viewer.example.org"]}]},
        ({"corsRules": [{"allowedOrigins": ["*"]}]}, {"corsRules": [{"allowedOrigins": ["http://viewer"]}]}),
    ),
    "s3-access-point": Case(
        "aws:s3/accessPoint:AccessPoint",
        {"publicAccessBlockConfiguration": ON, "vpcConfiguration": {"vpcId": "v"}},
        ({"publicAccessBlockConfiguration": GONE}, {"vpcConfiguration": GONE}),
    ),
    "s3-account-pab": Case(
        "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock", ON, tuple({k: GONE} for k in FOUR)
    ),
    "s3-bucket-key": Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}]},
        ({"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},),
    ),
    "iam-no-priv-esc": Case(
        POLICY,
        granted(Action="iam:PassRole", Resource=ROLE),
        (
            granted(Action="iam:PassRole", Resource="*"),
            granted(Action=["iam:AttachRolePolicy"], Resource="*"),
        ),
    ),
    "iam-no-exfil": Case(
        POLICY,
        granted(Action="s3:GetObject", Resource="arn:aws:s3:::b/*"),
        (
            granted(Action="s3:GetObject", Resource="*"),
            granted(Action="secretsmanager:GetSecretValue", Resource="*"),
            granted(Action="medical-imaging:GetImageFrame", Resource="*"),
        ),
    ),
    "iam-no-aws-admin-policy": Case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/service-role/AWSConfigRole"},
        ({"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},),
    ),
    "iam-no-inline": Case(ROLE_TYPE, {"name": "r"}, ({"inlinePolicies": [{"name": "p", "policy": NAMED}]},)),
    "iam-github-oidc": Case(
        ROLE_TYPE,
        github(BOTH),
        (
            github({"StringEquals": AUD}),
            github({"StringEquals": SUB}),
            github({"StringLike": {**AUD, **SUB}}),
            github({**BOTH, "ForAllValues:StringEquals": SUB}),
            github({"StringEquals": {**SUB, "token.actions.githubusercontent.com:aud": "other"}}),
            exact("repo:o/*"),
            exact("repo:o/r:*"),
            exact("repo:o/r:pull_request"),
            exact("repo:*/r:environment:prod"),
        ),
    ),
    "iam-oidc-provider": Case(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        {"clientIdLists": ["sts.amazonaws.com"]},
        ({"clientIdLists": ["sts.amazonaws.com", "other"]}, {"clientIdLists": GONE}),
    ),
    "iam-boundary": Case(ROLE_TYPE, {"permissionsBoundary": "arn"}, ({"permissionsBoundary": GONE},)),
    "iam-session-len": Case(
        ROLE_TYPE, {"tags": {"purpose": "deploy"}, "maxSessionDuration": 3600.0}, ({"maxSessionDuration": 7200.0},)
    ),
    "iam-break-glass": Case(
        ROLE_TYPE,
        {"tags": BREAK_GLASS, "assumeRolePolicy": policy(allow(Principal={"AWS": ROLE}, Action="x", Condition=HUMAN))},
        (
            {"assumeRolePolicy": policy(allow(Principal={"AWS": ROLE}, Action="x"))},
            {"assumeRolePolicy": TRUSTED},
        ),
    ),
    "cognito-mfa": Case(
        "aws:cognito/userPool:UserPool",
        {"mfaConfiguration": "ON", "softwareTokenMfaConfiguration": {"enabled": True}},
        ({"mfaConfiguration": "OPTIONAL"}, {"softwareTokenMfaConfiguration": GONE}),
    ),
    "cognito-flows": Case(
        CLIENT,
        {"allowedOauthFlows": ["code"], "explicitAuthFlows": ["ALLOW_USER_SRP_AUTH"], "callbackUrls": ["https://v/c"]},
        (
            {"allowedOauthFlows": ["implicit"]},
            {"explicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]},
            {"callbackUrls": ["http://viewer.example.org"]},
            {"enableTokenRevocation": False},
        ),
    ),
    "cognito-token-life": Case(
        CLIENT,
        {"accessTokenValidity": 60.0, "tokenValidityUnits": {"accessToken": "minutes"}},
        ({"accessTokenValidity": 90.0}, {"refreshTokenValidity": 30.0}),
    ),
    "cognito-no-guest": Case(
        "aws:cognito/identityPool:IdentityPool",
        {"allowUnauthenticatedIdentities": False},
        ({"allowUnauthenticatedIdentities": True}, {"allowClassicFlow": True}),
    ),
    "iam-password-policy": Case(
        "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
        {
            "minimumPasswordLength": 14.0,
            "passwordReusePrevention": 24.0,
            "maxPasswordAge": 90.0,
            "requireSymbols": True,
            "requireNumbers": True,
            "requireLowercaseCharacters": True,
            "requireUppercaseCharacters": True,
        },
        ({"minimumPasswordLength": 8.0}, {"maxPasswordAge": 365.0}, {"requireSymbols": False}),
    ),
    "lambda-log-config": Case(
        FUNCTION,
        {"loggingConfig": LOG},
        ({"loggingConfig": GONE}, {"loggingConfig": {**LOG, "applicationLogLevel": "DEBUG"}}),
    ),
    "lambda-runtime": Case(FUNCTION, {"runtime": "python3.12"}, ({"runtime": "python3.8"}, {"runtime": GONE})),
    "lambda-concurrency": Case(
        FUNCTION,
        {"reservedConcurrentExecutions": 5.0},
        ({"reservedConcurrentExecutions": GONE}, {"reservedConcurrentExecutions": -1.0}),
    ),
    "lambda-xray": Case(FUNCTION, {"tracingConfig": {"mode": "Active"}}, ({"tracingConfig": GONE},)),
    "lambda-esm-kms": Case(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        {"filterCriteria": {"filters": [{"pattern": "{}"}]}, "kmsKeyArn": KEY},
        ({"kmsKeyArn": GONE},),
    ),
    "sfn-activity-cmk": Case(
        "aws:sfn/activity:Activity",
        {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}},
        ({"encryptionConfiguration": GONE},),
    ),
    "sfn-xray": Case(
        "aws:sfn/stateMachine:StateMachine",
        {"tracingConfiguration": {"enabled": True}},
        ({"tracingConfiguration": GONE},),
    ),
    "ddb-replica-cmk": Case("aws:dynamodb/tableReplica:TableReplica", {"kmsKeyArn": KEY}, ({"kmsKeyArn": GONE},)),
    "ddb-global-cmk": Case(
        TABLE,
        {"replicas": [{"kmsKeyArn": KEY, "pointInTimeRecovery": True}]},
        ({"replicas": [{"pointInTimeRecovery": True}]}, {"replicas": [{"kmsKeyArn": KEY}]}),
    ),
    "ddb-resource-policy": Case("aws:dynamodb/resourcePolicy:ResourcePolicy", {"policy": NAMED}, ({"policy": OPEN},)),
    "ddb-on-demand": Case(TABLE, {"billingMode": "PAY_PER_REQUEST"}, ({"billingMode": "PROVISIONED"},)),
    "kms-keypolicy": Case(
        "aws:kms/keyPolicy:KeyPolicy", {"policy": NAMED}, ({"policy": OPEN}, {"bypassPolicyLockoutSafetyCheck": True})
    ),
    "kms-grant": Case("aws:kms/grant:Grant", {"operations": ["Decrypt"]}, ({"operations": ["CreateGrant"]},)),
    "eb-bus-dlq": Case(
        "aws:cloudwatch/eventBus:EventBus", {"deadLetterConfig": {"arn": "q"}}, ({"deadLetterConfig": GONE},)
    ),
    "eb-bus-log": Case("aws:cloudwatch/eventBus:EventBus", {}, ({"logConfig": {"includeDetail": "FULL"}},)),
    "eb-bus-policy": Case("aws:cloudwatch/eventBusPolicy:EventBusPolicy", {"policy": NAMED}, ({"policy": OPEN},)),
    "eb-permission": Case(
        "aws:cloudwatch/eventPermission:EventPermission", {"principal": "111122223333"}, ({"principal": "*"},)
    ),
    "eb-schedule-cmk": Case("aws:scheduler/schedule:Schedule", {"kmsKeyArn": KEY}, ({"kmsKeyArn": GONE},)),
    "eb-pipe": Case(
        "aws:pipes/pipe:Pipe",
        {"kmsKeyIdentifier": KEY},
        ({"kmsKeyIdentifier": GONE}, {"logConfiguration": {"includeExecutionDatas": ["ALL"]}}),
    ),
    "sqs-dlq": Case("aws:sqs/queue:Queue", {"messageRetentionSeconds": 345600.0}, ({"messageRetentionSeconds": 60.0},)),
    "logs-resource-policy": Case(
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        {"policyDocument": policy(allow(Principal=SERVICE, Action="logs:PutLogEvents", Condition=OWN_ACCOUNT))},
        (
            {"policyDocument": policy(allow(Principal=SERVICE, Action="logs:PutLogEvents"))},
            {"policyDocument": OPEN},
        ),
    ),
    "logs-no-delete": Case(
        "aws:cloudwatch/logGroup:LogGroup",
        {"tags": {"log-class": "audit"}, "skipDestroy": True},
        ({"skipDestroy": GONE},),
    ),
    "logs-mask-whole": Case(
        "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy",
        {"policyDocument": mask(AUDITED, MASKED)},
        ({"policyDocument": mask(AUDITED)}, {"policyDocument": mask(AUDITED, {**MASKED, "DataIdentifier": ["b"]})}),
    ),
    "trail-validation": Case(TRAIL, {"enableLogFileValidation": True}, ({"enableLogFileValidation": GONE},)),
    "trail-kms": Case(TRAIL, {"kmsKeyId": KEY}, ({"kmsKeyId": GONE},)),
    "trail-cwl": Case(
        TRAIL,
        {"cloudWatchLogsGroupArn": "g", "cloudWatchLogsRoleArn": "r"},
        ({"cloudWatchLogsGroupArn": GONE}, {"cloudWatchLogsRoleArn": GONE}),
    ),
    "trail-multi-region": Case(
        TRAIL, {"isMultiRegionTrail": True}, ({"isMultiRegionTrail": GONE}, {"includeGlobalServiceEvents": False})
    ),
    "trail-on": Case(TRAIL, {}, ({"enableLogging": False},)),
    "trail-data-events": Case(TRAIL, selectors(*DATA), ({"advancedEventSelectors": GONE}, selectors(*DATA[:2]))),
    "trail-lake": Case(
        "aws:cloudtrail/eventDataStore:EventDataStore",
        {"kmsKeyId": KEY, "retentionPeriod": 2557.0},
        ({"kmsKeyId": GONE}, {"retentionPeriod": 90.0}, {"terminationProtectionEnabled": False}),
    ),
    "gd-on": Case("aws:guardduty/detector:Detector", {"enable": True}, ({"enable": False},)),
    "gd-features": Case(
        "aws:guardduty/detectorFeature:DetectorFeature", {"status": "ENABLED"}, ({"status": "DISABLED"},)
    ),
    "config-on": Case(
        "aws:cfg/recorder:Recorder",
        {"recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True}},
        ({"recordingGroup": GONE},),
    ),
    "secret-policy": Case(
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        {"blockPublicPolicy": True, "policy": NAMED},
        ({"blockPublicPolicy": False}, {"policy": OPEN}),
    ),
    "ssm-secure": Case(
        "aws:ssm/parameter:Parameter",
        {"name": "/x/password", "type": "SecureString", "keyId": KEY},
        ({"type": "String"}, {"keyId": GONE}),
    ),
    "ssm-document-private": Case(
        "aws:ssm/document:Document",
        {"permissions": {"account_ids": "111122223333"}},
        ({"permissions": {"account_ids": "All"}},),
    ),
    "backup-vault-cmk": Case(
        "aws:backup/vault:Vault", {"kmsKeyArn": KEY}, ({"kmsKeyArn": GONE}, {"forceDestroy": True})
    ),
    "backup-plan": Case(
        "aws:backup/plan:Plan",
        {"rules": [{"schedule": "cron(0 3 * * ? *)", "lifecycle": {"deleteAfter": 35.0}}]},
        (
            {"rules": [{"lifecycle": {"deleteAfter": 35.0}}]},
            {"rules": [{"schedule": "x", "lifecycle": {"deleteAfter": 7.0}}]},
        ),
    ),
    "kinesis-kms": Case(
        "aws:kinesis/stream:Stream", {"encryptionType": "KMS", "kmsKeyId": KEY}, ({"encryptionType": GONE},)
    ),
    "ebs-default": Case("aws:ebs/encryptionByDefault:EncryptionByDefault", {"enabled": True}, ({"enabled": False},)),
    "ebs-encrypted": Case(
        "aws:ebs/volume:Volume", {"encrypted": True, "kmsKeyId": KEY}, ({"encrypted": GONE}, {"kmsKeyId": GONE})
    ),
    "efs-encrypted": Case(
        "aws:efs/fileSystem:FileSystem",
        {"encrypted": True, "kmsKeyId": KEY},
        ({"encrypted": False}, {"kmsKeyId": GONE}),
    ),
}

ALWAYS_REFUSED = {
    "ec2-no-instances": "aws:ec2/instance:Instance",
    "s3-no-legacy-object": "aws:s3/bucketObject:BucketObject",
    "iam-no-user-policy": "aws:iam/userPolicy:UserPolicy",
    "eb-api-destination": "aws:cloudwatch/eventApiDestination:EventApiDestination",
}
