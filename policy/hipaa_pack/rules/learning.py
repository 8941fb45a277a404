"""SageMaker: models, endpoints, jobs and notebooks run isolated in the VPC, with everything at rest under our keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from hipaa_pack import sections
from hipaa_pack.checks import among, each, every, has, not_on, not_open, on, own_key, present, when
from hipaa_pack.reads import UNKNOWN, Values, at, is_set, is_true, listed
from hipaa_pack.rule import ResourceRule, Rule

_ENDPOINT = ("aws:sagemaker/endpointConfiguration:EndpointConfiguration",)
_MODEL = ("aws:sagemaker/model:Model",)
_NOTEBOOK = ("aws:sagemaker/notebookInstance:NotebookInstance",)
# instance families whose local disk is hardware encrypted: the API refuses a volume key there (CreateEndpointConfig)
_LOCAL_DISK = (
    "ml.g4dn.",
    "ml.g5.",
    "ml.g6.",
    "ml.p3dn.",
    "ml.p4d.",
    "ml.p4de.",
    "ml.p5.",
    "ml.m5d.",
    "ml.c5d.",
    "ml.r5d.",
)


def _volume_key(values: Values) -> Iterator[str]:
    variants = listed(at(values, "productionVariants"))
    kinds = [at(variant, "instanceType") for variant in variants]
    without_volume = [isinstance(kind, str) and kind.startswith(_LOCAL_DISK) for kind in kinds]
    serverless = [is_set(at(variant, "serverlessConfig")) for variant in variants]
    if UNKNOWN not in kinds and not (variants and all(a or b for a, b in zip(without_volume, serverless, strict=True))):
        yield from own_key("kmsKeyArn")(values)


def _dumps(variant: Values) -> Iterator[str]:
    if has("coreDumpConfig")(variant) and not is_set(at(variant, "coreDumpConfig.kmsKeyId")):
        yield "coreDumpConfig.kmsKeyId must be set: a dump holds images"
    if is_true(at(variant, "enableSsmAccess")):
        yield "enableSsmAccess must not be true"


_JOBS = ("createtrainingjob", "createprocessingjob", "createtransformjob", "createmodel")
_NEEDED = {
    "createtrainingjob": (
        "VpcConfig",
        "ResourceConfig.VolumeKmsKeyId",
        "OutputDataConfig.KmsKeyId",
        "EnableInterContainerTrafficEncryption",
    ),
    "createprocessingjob": (
        "NetworkConfig.VpcConfig",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "ProcessingOutputConfig.KmsKeyId",
    ),
    "createtransformjob": ("TransformResources.VolumeKmsKeyId", "TransformOutput.KmsKeyId"),
    "createmodel": ("VpcConfig", "EnableNetworkIsolation"),
}


def _states(definition: Any) -> Iterator[Values]:
    for state in cast("Values", at(definition, "States") or {}).values():
        yield state
        for branch in listed(at(state, "Branches")):
            yield from _states(branch)
        for inner in ("ItemProcessor", "Iterator"):
            if isinstance(at(state, inner), dict):
                yield from _states(at(state, inner))


def _machine_jobs(values: Values) -> Iterator[str]:
    text = at(values, "definition")
    if not isinstance(text, str):
        return
    try:
        definition = json.loads(text)
    except ValueError:
        yield "the definition is no JSON"
        return
    for state in _states(definition):
        resource = str(state.get("Resource", "")).lower()
        for job in (job for job in _JOBS if "sagemaker:" in resource and f":{job}" in resource):
            for path in _NEEDED[job]:
                if at(state, f"Parameters.{path}") in (None, "", False, {}):
                    yield f"a state that calls {job} must set {path}"


_MONITOR = ("aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition",)

RULES: list[Rule] = [
    ResourceRule(
        id="sm-endpoint-kms",
        says="an endpoint's volumes are encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:SageMakerEndpointConfigurationKMSKeyConfigured", "K:98"),
        remedy="Set kms_key_arn (instances with local disks encrypt them in hardware).",
        types=_ENDPOINT,
        check=_volume_key,
    ),
    ResourceRule(
        id="sm-capture-kms",
        says="captured requests are encrypted by a key of our own",
        sections=(*sections.ENCRYPTION, *sections.MINIMUM_NECESSARY),
        remedy="Set data_capture_config.kms_key_id.",
        types=_ENDPOINT,
        check=when(
            lambda values: is_true(at(values, "dataCaptureConfig.enableCapture")),
            every(own_key("dataCaptureConfig.kmsKeyId"), present("dataCaptureConfig.destinationS3Uri")),
        ),
    ),
    ResourceRule(
        id="sm-async-kms",
        says="results of asynchronous inference are encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set async_inference_config.output_config.kms_key_id.",
        types=_ENDPOINT,
        check=when(has("asyncInferenceConfig"), own_key("asyncInferenceConfig.outputConfig.kmsKeyId")),
    ),
    ResourceRule(
        id="sm-core-dump",
        says="dumps are encrypted, and nobody enters a serving container",
        sections=(*sections.ENCRYPTION, *sections.ACCESS),
        remedy="Leave core_dump_config out or give it a key; leave enable_ssm_access off.",
        types=_ENDPOINT,
        check=each("productionVariants", _dumps),
    ),
    ResourceRule(
        id="sm-model-isolated",
        says="a model's container has no network of its own",
        sections=sections.NETWORK,
        sources=("K:370",),
        remedy="Set enable_network_isolation=True.",
        types=_MODEL,
        check=on("enableNetworkIsolation"),
    ),
    ResourceRule(
        id="sm-model-vpc",
        says="a model runs in the VPC",
        sections=sections.NETWORK,
        remedy="Set vpc_config.",
        types=_MODEL,
        check=present("vpcConfig.subnets", "vpcConfig.securityGroupIds"),
    ),
    ResourceRule(
        id="sm-notebook-kms",
        says="a notebook's volume is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:SageMakerNotebookInstanceKMSKeyConfigured", "K:22", "K:187"),
        remedy="Set kms_key_id.",
        types=_NOTEBOOK,
        check=own_key("kmsKeyId"),
    ),
    ResourceRule(
        id="sm-notebook-net",
        says="a notebook has no way to the internet",
        sections=sections.NETWORK,
        sources=("N:SageMakerNotebookNoDirectInternetAccess", "K:122", "K:306"),
        remedy="Set direct_internet_access=Disabled, subnet_id and security_groups.",
        types=_NOTEBOOK,
        check=every(among("directInternetAccess", "Disabled"), present("subnetId", "securityGroups")),
    ),
    ResourceRule(
        id="sm-notebook-root",
        says="a notebook's user is not root",
        sections=sections.ACCESS,
        sources=("K:307", "K:371"),
        remedy="Set root_access=Disabled and minimum_instance_metadata_service_version=2.",
        types=_NOTEBOOK,
        check=every(
            among("rootAccess", "Disabled"),
            among("instanceMetadataServiceConfiguration.minimumInstanceMetadataServiceVersion", "2"),
        ),
    ),
    ResourceRule(
        id="sm-domain",
        says="a Studio domain is in the VPC, under a key of our own, and shares no output in the clear",
        sections=(*sections.ENCRYPTION, *sections.NETWORK),
        sources=("K:187",),
        remedy="Set kms_key_id and app_network_access_type=VpcOnly.",
        types=("aws:sagemaker/domain:Domain",),
        check=every(
            own_key("kmsKeyId"),
            among("appNetworkAccessType", "VpcOnly"),
            when(
                lambda v: at(v, "defaultUserSettings.sharingSettings.notebookOutputOption") == "Allowed",
                own_key("defaultUserSettings.sharingSettings.s3KmsKeyId"),
            ),
        ),
    ),
    ResourceRule(
        id="sm-monitor-job",
        says="a monitoring job is isolated in the VPC, with volumes and results under keys of our own",
        sections=(*sections.ENCRYPTION, *sections.NETWORK),
        sources=("K:367", "K:368", "K:369"),
        remedy="Set network_config, the cluster's volume_kms_key_id and the output's kms_key_id.",
        types=_MONITOR,
        check=every(
            own_key("jobResources.clusterConfig.volumeKmsKeyId"),
            on("networkConfig.enableNetworkIsolation", "networkConfig.enableInterContainerTrafficEncryption"),
            present("networkConfig.vpcConfig.subnets"),
            when(has("dataQualityJobOutputConfig"), own_key("dataQualityJobOutputConfig.kmsKeyId")),
        ),
    ),
    ResourceRule(
        id="sm-monitor-schedule",
        says="a monitoring schedule's own job is isolated and encrypted",
        sections=(*sections.ENCRYPTION, *sections.NETWORK),
        remedy="Set network_config and monitoring_output_config.kms_key_id, or name a job definition.",
        types=("aws:sagemaker/monitoringSchedule:MonitoringSchedule",),
        check=when(
            has("monitoringScheduleConfig.monitoringJobDefinition"),
            every(
                on("monitoringScheduleConfig.monitoringJobDefinition.networkConfig.enableNetworkIsolation"),
                own_key("monitoringScheduleConfig.monitoringJobDefinition.monitoringOutputConfig.kmsKeyId"),
            ),
        ),
    ),
    ResourceRule(
        id="sm-training-job",
        says="a training job is isolated in the VPC, with volumes and results under keys of our own",
        sections=(*sections.ENCRYPTION, *sections.NETWORK),
        remedy="Use the training pipeline, or set the same fields.",
        types=("aws:sagemaker/trainingJob:TrainingJob",),
        check=every(
            on("enableNetworkIsolation", "enableInterContainerTrafficEncryption"),
            present("vpcConfig.subnets"),
            own_key("outputDataConfig.kmsKeyId"),
            own_key("resourceConfig.volumeKmsKeyId"),
        ),
    ),
    ResourceRule(
        id="sm-feature-group",
        says="features are encrypted by a key of our own in both stores",
        sections=sections.ENCRYPTION,
        remedy="Set the keys of offline_store_config and online_store_config.",
        types=("aws:sagemaker/featureGroup:FeatureGroup",),
        check=every(
            when(has("offlineStoreConfig"), own_key("offlineStoreConfig.s3StorageConfig.kmsKeyId")),
            when(
                lambda v: is_true(at(v, "onlineStoreConfig.enableOnlineStore")),
                own_key("onlineStoreConfig.securityConfig.kmsKeyId"),
            ),
        ),
    ),
    ResourceRule(
        id="sm-flow-label",
        says="labels made by people are encrypted, and made by our own people",
        sections=(*sections.ENCRYPTION, *sections.ASSOCIATES),
        sources=("K:372",),
        remedy="Set output_config.kms_key_id and a private workteam.",
        types=("aws:sagemaker/flowDefinition:FlowDefinition",),
        check=every(
            own_key("outputConfig.kmsKeyId"),
            lambda values: (
                ["a public crowd has no business associate agreement"]
                if "public-crowd" in str(at(values, "humanLoopConfig.workteamArn"))
                else []
            ),
        ),
    ),
    ResourceRule(
        id="sm-model-group-policy",
        says="no registry of models is open to everybody",
        sections=sections.ACCESS,
        remedy="Name the accounts.",
        types=("aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy",),
        check=not_open("resourcePolicy"),
    ),
    ResourceRule(
        id="sfn-sagemaker-task",
        says="jobs that a state machine starts are isolated and encrypted",
        sections=(*sections.ENCRYPTION, *sections.NETWORK),
        sources=("K:367", "K:369", "K:370"),
        remedy="Set the VPC, the keys and the encryption between containers in the state's Parameters.",
        types=("aws:sfn/stateMachine:StateMachine",),
        check=_machine_jobs,
    ),
    ResourceRule(
        id="sm-no-direct-ssm",
        says="nobody enters a training container from outside",
        sections=sections.ACCESS,
        remedy="Leave remote debugging off.",
        grade="medium",
        types=("aws:sagemaker/trainingJob:TrainingJob",),
        check=not_on("remoteDebugConfig.enableRemoteDebug"),
    ),
]
