"""Cases of rules about containers, SageMaker, and what faces the network."""

from __future__ import annotations

import json
from typing import Any

from cases import GONE, KEY, Case, allow, policy

TASK, CLUSTER = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/cluster:Cluster"
REPOSITORY, SERVICE = "aws:ecr/repository:Repository", "aws:ecs/service:Service"
BALANCER, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
DISTRIBUTION, STAGE_V2 = "aws:cloudfront/distribution:Distribution", "aws:apigatewayv2/stage:Stage"
ENDPOINT, MODEL = "aws:sagemaker/endpointConfiguration:EndpointConfiguration", "aws:sagemaker/model:Model"
NOTEBOOK, MACHINE = "aws:sagemaker/notebookInstance:NotebookInstance", "aws:sfn/stateMachine:StateMachine"
REST = "aws:apigateway/restApi:RestApi"
OPEN = policy(allow(Principal="*", Action="x:Y", Resource="*"))
NAMED = policy(allow(Principal={"AWS": "arn"}, Action="x:Y", Resource="*"))
TLS13 = "ELBSecurityPolicy-TLS13-1-2-2021-06"
CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "r@sha256:0",
    "user": "1000",
    "readonlyRootFilesystem": True,
    "environment": [{"name": "TABLE", "value": "t"}],
    "logConfiguration": {"logDriver": "awslogs"},
}
VIEWER = {"acmCertificateArn": "arn", "minimumProtocolVersion": "TLSv1.2_2021"}
CUSTOM = {"originProtocolPolicy": "https-only", "originSslProtocols": ["TLSv1.2"]}
VOLUME = {"efsVolumeConfiguration": {"transitEncryption": "ENABLED", "authorizationConfig": {"iam": "ENABLED"}}}
NETWORK = {
    "enableNetworkIsolation": True,
    "enableInterContainerTrafficEncryption": True,
    "vpcConfig": {"subnets": ["s"]},
}
TRAINING = {
    "VpcConfig": {"Subnets": ["s"]},
    "ResourceConfig": {"VolumeKmsKeyId": KEY},
    "OutputDataConfig": {"KmsKeyId": KEY},
    "EnableInterContainerTrafficEncryption": True,
}


def task(**change: Any) -> dict[str, Any]:
    container = {k: v for k, v in {**CONTAINER, **change}.items() if v is not GONE}
    return {"containerDefinitions": json.dumps([container])}


def machine(parameters: dict[str, Any]) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "Parameters": parameters}
    return {"definition": json.dumps({"StartAt": "T", "States": {"T": {**state, "End": True}}})}


def variant(**fields: Any) -> dict[str, Any]:
    return {"productionVariants": [{"instanceType": "ml.m5.large", **fields}]}


CASES: dict[str, Case] = {
    "ecs-host-mode": Case(TASK, {"networkMode": "awsvpc"}, ({"networkMode": "host"}, {"networkMode": GONE})),
    "ecs-not-privileged": Case(
        TASK, task(), (task(privileged=True), task(user="root"), task(user=GONE), {"pidMode": "host"})
    ),
    "ecs-readonly-root": Case(TASK, task(), (task(readonlyRootFilesystem=GONE),)),
    "ecs-no-env-secret": Case(
        TASK, task(), (task(environment=[{"name": "DB_PASSWORD", "value": "x"}]), task(logConfiguration=GONE))
    ),
    "ecs-image-digest": Case(TASK, task(), (task(image="r:latest"),)),
    "ecs-efs-tls": Case(
        TASK, {"volumes": [VOLUME]}, ({"volumes": [{"efsVolumeConfiguration": {"fileSystemId": "f"}}]},)
    ),
    "ecs-roles-set": Case(
        TASK, {"taskRoleArn": "a", "executionRoleArn": "b"}, ({"taskRoleArn": GONE}, {"executionRoleArn": GONE})
    ),
    "ecs-exec": Case(
        CLUSTER,
        {
            "configuration": {
                "executeCommandConfiguration": {"kmsKeyId": KEY, "logging": "OVERRIDE"},
                "managedStorageConfiguration": {"fargateEphemeralStorageKmsKeyId": KEY},
            }
        },
        ({"configuration": GONE},),
    ),
    "ecs-exec-off": Case(SERVICE, {}, ({"enableExecuteCommand": True},)),
    "ecs-no-public-ip": Case(
        SERVICE,
        {"networkConfiguration": {"assignPublicIp": False}},
        ({"networkConfiguration": {"assignPublicIp": True}},),
    ),
    "ecs-insights": Case(
        CLUSTER, {"settings": [{"name": "containerInsights", "value": "enabled"}]}, ({"settings": GONE},)
    ),
    "ecr-scan": Case(
        REPOSITORY, {"imageScanningConfiguration": {"scanOnPush": True}}, ({"imageScanningConfiguration": GONE},)
    ),
    "ecr-immutable": Case(
        REPOSITORY,
        {"imageTagMutability": "IMMUTABLE"},
        ({"imageTagMutability": "MUTABLE"}, {"imageTagMutability": GONE}),
    ),
    "ecr-kms": Case(
        REPOSITORY,
        {"encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": KEY}]},
        ({"encryptionConfigurations": GONE}, {"encryptionConfigurations": [{"encryptionType": "AES256"}]}),
    ),
    "ecr-policy": Case("aws:ecr/repositoryPolicy:RepositoryPolicy", {"policy": NAMED}, ({"policy": OPEN},)),
    "alb-drop-headers": Case(
        BALANCER,
        {"dropInvalidHeaderFields": True},
        ({"dropInvalidHeaderFields": GONE}, {"desyncMitigationMode": "monitor"}),
    ),
    "alb-listener-tls": Case(
        LISTENER,
        {"protocol": "HTTPS", "sslPolicy": TLS13, "certificateArn": "arn"},
        (
            {"sslPolicy": "ELBSecurityPolicy-2016-08"},
            {"sslPolicy": "ELBSecurityPolicy-TLS13-1-0-2021-06"},
            {"certificateArn": GONE},
            {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]},
        ),
    ),
    "alb-protect": Case(BALANCER, {"enableDeletionProtection": True}, ({"enableDeletionProtection": GONE},)),
    "alb-logs": Case(
        BALANCER,
        {"accessLogs": {"enabled": True, "bucket": "b"}},
        ({"accessLogs": GONE}, {"accessLogs": {"bucket": "b"}}),
    ),
    "alb-target-tls": Case("aws:lb/targetGroup:TargetGroup", {"protocol": "HTTPS"}, ({"protocol": "HTTP"},)),
    "nlb-cross-zone": Case(
        BALANCER,
        {"loadBalancerType": "network", "enableCrossZoneLoadBalancing": True},
        ({"enableCrossZoneLoadBalancing": GONE},),
    ),
    "cf-https": Case(
        DISTRIBUTION,
        {"defaultCacheBehavior": {"viewerProtocolPolicy": "https-only"}},
        (
            {"defaultCacheBehavior": {"viewerProtocolPolicy": "allow-all"}},
            {"orderedCacheBehaviors": [{"viewerProtocolPolicy": "allow-all"}]},
        ),
    ),
    "cf-tls12": Case(
        DISTRIBUTION,
        {"viewerCertificate": VIEWER},
        (
            {"viewerCertificate": {"cloudfrontDefaultCertificate": True}},
            {"viewerCertificate": {**VIEWER, "minimumProtocolVersion": "TLSv1"}},
        ),
    ),
    "cf-waf": Case(DISTRIBUTION, {"webAclId": "arn"}, ({"webAclId": GONE},)),
    "cf-origins": Case(
        DISTRIBUTION,
        {"origins": [{"originAccessControlId": "o"}, {"customOriginConfig": CUSTOM}]},
        (
            {"origins": [{"domainName": "bucket"}]},
            {"origins": [{"customOriginConfig": {**CUSTOM, "originProtocolPolicy": "http-only"}}]},
            {"origins": [{"customOriginConfig": {**CUSTOM, "originSslProtocols": ["TLSv1"]}}]},
        ),
    ),
    "cf-headers": Case(
        "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
        {"securityHeadersConfig": {"strictTransportSecurity": {"accessControlMaxAgeSec": 31_536_000.0}}},
        ({"securityHeadersConfig": GONE},),
    ),
    "waf-redacts": Case(
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
        {"redactedFields": [{"singleHeader": {"name": n}} for n in ("authorization", "cookie")]},
        ({"redactedFields": GONE}, {"redactedFields": [{"singleHeader": {"name": "cookie"}}]}),
    ),
    "apigw-xray": Case("aws:apigateway/stage:Stage", {"xrayTracingEnabled": True}, ({"xrayTracingEnabled": GONE},)),
    "apigw-domain-tls": Case(
        "aws:apigateway/domainName:DomainName", {"securityPolicy": "TLS_1_2"}, ({"securityPolicy": "TLS_1_0"},)
    ),
    "apigw-private-policy": Case(
        REST,
        {
            "endpointConfiguration": {"types": "PRIVATE"},
            "policy": policy(allow(Principal="*", Condition={"StringEquals": {"aws:SourceVpce": "v"}})),
        },
        ({"policy": GONE}, {"policy": OPEN}),
    ),
    "apigwv2-auth": Case(
        "aws:apigatewayv2/route:Route",
        {"authorizationType": "JWT"},
        ({"authorizationType": "NONE"}, {"authorizationType": GONE}),
    ),
    "apigwv2-stage": Case(
        STAGE_V2,
        {"accessLogSettings": {"destinationArn": "arn"}},
        (
            {"accessLogSettings": GONE},
            {"defaultRouteSettings": {"dataTraceEnabled": True}},
            {"routeSettings": [{"dataTraceEnabled": True}]},
        ),
    ),
    "apigwv2-domain-tls": Case(
        "aws:apigatewayv2/domainName:DomainName",
        {"domainNameConfiguration": {"securityPolicy": "TLS_1_2"}},
        ({"domainNameConfiguration": {"securityPolicy": "TLS_1_0"}},),
    ),
    "apigwv2-cors": Case(
        "aws:apigatewayv2/api:Api",
        {"corsConfiguration": {"allowOrigins": ["https://v"]}},
        ({"corsConfiguration": {"allowOrigins": ["*"]}},),
    ),
    "sm-endpoint-kms": Case(ENDPOINT, {**variant(), "kmsKeyArn": KEY}, ({"kmsKeyArn": GONE},)),
    "sm-capture-kms": Case(
        ENDPOINT,
        {"dataCaptureConfig": {"enableCapture": True, "kmsKeyId": KEY, "destinationS3Uri": "s3://b/"}},
        ({"dataCaptureConfig": {"enableCapture": True, "destinationS3Uri": "s3://b/"}},),
    ),
    "sm-async-kms": Case(
        ENDPOINT,
        {"asyncInferenceConfig": {"outputConfig": {"kmsKeyId": KEY}}},
        ({"asyncInferenceConfig": {"outputConfig": {"s3OutputPath": "s3://b/"}}},),
    ),
    "sm-core-dump": Case(
        ENDPOINT,
        variant(coreDumpConfig={"kmsKeyId": KEY}),
        (variant(coreDumpConfig={"destinationS3Uri": "s3://b/"}), variant(enableSsmAccess=True)),
    ),
    "sm-model-isolated": Case(MODEL, {"enableNetworkIsolation": True}, ({"enableNetworkIsolation": GONE},)),
    "sm-model-vpc": Case(MODEL, {"vpcConfig": {"subnets": ["s"], "securityGroupIds": ["g"]}}, ({"vpcConfig": GONE},)),
    "sm-notebook-kms": Case(NOTEBOOK, {"kmsKeyId": KEY}, ({"kmsKeyId": GONE},)),
    "sm-notebook-net": Case(
        NOTEBOOK,
        {"directInternetAccess": "Disabled", "subnetId": "s", "securityGroups": ["g"]},
        ({"directInternetAccess": GONE}, {"subnetId": GONE}),
    ),
    "sm-notebook-root": Case(
        NOTEBOOK,
        {
            "rootAccess": "Disabled",
            "instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"},
        },
        ({"rootAccess": GONE}, {"instanceMetadataServiceConfiguration": GONE}),
    ),
    "sm-domain": Case(
        "aws:sagemaker/domain:Domain",
        {"kmsKeyId": KEY, "appNetworkAccessType": "VpcOnly"},
        ({"kmsKeyId": GONE}, {"appNetworkAccessType": GONE}),
    ),
    "sm-monitor-job": Case(
        "aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition",
        {
            "jobResources": {"clusterConfig": {"volumeKmsKeyId": KEY}},
            "networkConfig": NETWORK,
            "dataQualityJobOutputConfig": {"kmsKeyId": KEY},
        },
        (
            {"jobResources": {"clusterConfig": {"instanceCount": 1.0}}},
            {"networkConfig": GONE},
            {"dataQualityJobOutputConfig": {"monitoringOutputs": {}}},
        ),
    ),
    "sm-monitor-schedule": Case(
        "aws:sagemaker/monitoringSchedule:MonitoringSchedule",
        {
            "monitoringScheduleConfig": {
                "monitoringJobDefinition": {"networkConfig": NETWORK, "monitoringOutputConfig": {"kmsKeyId": KEY}}
            }
        },
        ({"monitoringScheduleConfig": {"monitoringJobDefinition": {"roleArn": "r"}}},),
    ),
    "sm-training-job": Case(
        "aws:sagemaker/trainingJob:TrainingJob",
        {**NETWORK, "outputDataConfig": {"kmsKeyId": KEY}, "resourceConfig": {"volumeKmsKeyId": KEY}},
        ({"enableNetworkIsolation": GONE}, {"outputDataConfig": {"s3OutputPath": "s3://b/"}}, {"vpcConfig": GONE}),
    ),
    "sm-feature-group": Case(
        "aws:sagemaker/featureGroup:FeatureGroup",
        {"offlineStoreConfig": {"s3StorageConfig": {"kmsKeyId": KEY}}},
        (
            {"offlineStoreConfig": {"s3StorageConfig": {"s3Uri": "s3://b/"}}},
            {"onlineStoreConfig": {"enableOnlineStore": True}},
        ),
    ),
    "sm-flow-label": Case(
        "aws:sagemaker/flowDefinition:FlowDefinition",
        {"outputConfig": {"kmsKeyId": KEY}},
        (
            {"outputConfig": {"s3OutputPath": "s3://b/"}},
            {
                "humanLoopConfig": {
                    "workteamArn": "arn:aws:sagemaker:us-east-1:394669845002:workteam/public-crowd/default"
                }
            },
        ),
    ),
    "sm-model-group-policy": Case(
        "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy",
        {"resourcePolicy": NAMED},
        ({"resourcePolicy": OPEN},),
    ),
    "sfn-sagemaker-task": Case(
        MACHINE,
        machine(TRAINING),
        (
            machine({k: v for k, v in TRAINING.items() if k != "VpcConfig"}),
            machine({**TRAINING, "OutputDataConfig": {}}),
            machine({**TRAINING, "EnableInterContainerTrafficEncryption": False}),
        ),
    ),
    "sm-no-direct-ssm": Case(
        "aws:sagemaker/trainingJob:TrainingJob", {}, ({"remoteDebugConfig": {"enableRemoteDebug": True}},)
    ),
}
