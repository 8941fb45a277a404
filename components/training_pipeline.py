"""The SageMaker pipeline: its code in S3 under its own hash, its definition as the training package builds it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._configuration import RegistrySettings, TrainingSettings
from components._iam import ServiceRole
from training import definition_process, package
from training.definition import PipelineConfig, PipelineConfigError, sentinel, substitute
from training.names import ARCHIVE_NAME, BOOTSTRAP_NAME

PIPELINE_ROLE: Final = "training"
GROUP_ROLE: Final = "pneumonia"
GROUP_NAME_LIMIT: Final = 63
"""Length that model package groups and endpoints allow."""

_SUBNETS: Final = sentinel("subnet-ids")
_SECURITY_GROUPS: Final = sentinel("security-group-ids")
_KEY: Final = sentinel("models-key")


@dataclass(frozen=True, kw_only=True)
class CodePlace:
    """Where this version of the training code lies: `s3://<bucket>/code/<sha256>/`."""

    uri: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PipelinePlaces:
    """Names and ARNs that the definition holds; plain text, so that a preview shows the whole definition.

    Attributes:
        role_arn: role of all jobs.
        registry_function_arn: function that is told of a rejected model.
        commit: version control commit of the program.
        images: role of an image -> its address by digest; what is absent is the AWS container of the framework.
    """

    preprocessed_bucket: str
    model_artifacts_bucket: str
    role_arn: str
    registry_function_arn: str
    commit: str
    images: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class JobSurroundings:
    """What is known only once it exists: the network of the jobs and the key of their disks and outputs."""

    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    key_arn: pulumi.Input[str]


def pipeline_name(context: Context) -> str:
    """Physical name of the training pipeline."""
    return context.naming.name(PIPELINE_ROLE, limit=256)


def pipeline_arn(context: Context) -> str:
    """ARN of the pipeline, known before it exists."""
    return context.naming.arn("sagemaker", f"pipeline/{pipeline_name(context).lower()}")


def model_group(context: Context) -> str:
    """Physical name of the model package group; the endpoint has the same name in its own name space."""
    return context.naming.name(GROUP_ROLE, limit=GROUP_NAME_LIMIT)


def upload_code(
    logical_name: str,
    *,
    bucket: pulumi.Input[str],
    bucket_name: str,
    key_arn: pulumi.Input[str],
    folder: Path,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> CodePlace:
    """Packs the training code reproducibly and uploads it; the same sources are the same object on every machine.

    `bucket` orders the upload after the bucket, `bucket_name` is the same name as plain text for the definition.
    """
    source = package.build(folder)
    for role, name, path in (("code", ARCHIVE_NAME, source.path), ("bootstrap", BOOTSTRAP_NAME, source.bootstrap)):
        aws.s3.BucketObjectv2(
            f"{logical_name}-{role}",
            bucket=bucket,
            key=f"code/{source.sha256}/{name}",
            source=pulumi.FileAsset(str(path)),
            server_side_encryption="aws:kms",
            kms_key_id=key_arn,
            tags=dict(tags),
            opts=opts,
        )
    return CodePlace(uri=f"s3://{bucket_name}/code/{source.sha256}/", sha256=source.sha256)


def pipeline_config(
    context: Context,
    training: TrainingSettings,
    registry: RegistrySettings,
    places: PipelinePlaces,
    code: CodePlace,
) -> PipelineConfig:
    """The stack's training settings in the words of the training package."""
    return PipelineConfig(
        pipeline_name=pipeline_name(context),
        region=context.region,
        role_arn=places.role_arn,
        preprocessed_bucket=places.preprocessed_bucket,
        model_artifacts_bucket=places.model_artifacts_bucket,
        code_uri=code.uri,
        code_sha256=code.sha256,
        model_package_group=model_group(context),
        model_registry_function_arn=places.registry_function_arn,
        training_image=places.images.get("training"),
        processing_image=places.images.get("preprocessing"),
        evaluation_image=places.images.get("evaluation"),
        inference_image=places.images.get("inference"),
        training_instance_type=training.training_instance_type,
        training_instance_count=training.training_instances,
        processing_instance_type=training.processing_instance_type,
        inference_instance_types=(registry.inference_instance_type,),
        spot=training.use_spot,
        max_runtime_seconds=training.max_runtime_seconds,
        max_wait_seconds=training.max_wait_seconds,
        training_volume_gb=training.volume_size_gb,
        processing_volume_gb=training.volume_size_gb,
        volume_kms_key=_KEY,
        output_kms_key=_KEY,
        subnet_ids=(_SUBNETS,),
        security_group_ids=(_SECURITY_GROUPS,),
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        patience=training.early_stopping_patience,
        image_size=training.image_size,
        backbone=training.backbone,
        weights_uri=training.weights_uri,
        augmentation=training.augmentation,
        precision=training.precision,
        accuracy_threshold=training.accuracy_threshold,
        accuracy_lower_bound=training.accuracy_lower_bound,
        subgroup_floor=training.subgroup_floor,
        champion_margin=training.champion_margin,
        locked_test_set=training.locked_test_set,
        test_fraction=training.test_share,
        validation_fraction=training.validation_share,
        seed=training.seed,
        commit=places.commit,
        package_index_url=training.package_index_url,
    )


def training_pipeline(
    logical_name: str,
    *,
    config: PipelineConfig,
    surroundings: JobSurroundings,
    role: ServiceRole,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.sagemaker.Pipeline:
    """The pipeline. Its definition is built beside the program, in a preview too; a bad setting ends either."""
    body = pulumi.Output.all(
        definition=_built(definition_process.start(config)),
        subnets=surroundings.subnet_ids,
        groups=pulumi.Output.all(*surroundings.security_group_ids),
        key=surroundings.key_arn,
    ).apply(lambda known: _filled_in(known["definition"], known))
    return aws.sagemaker.Pipeline(
        logical_name,
        pipeline_name=config.pipeline_name,
        pipeline_display_name=config.pipeline_name,
        pipeline_description="Preprocess, train, evaluate, gate on accuracy, register",
        role_arn=role.arn,
        pipeline_definition=body,
        tags=dict(tags),
        opts=opts,
    )


async def _built(building: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        return await definition_process.finished(building)
    except PipelineConfigError as error:
        raise pulumi.RunError(f"stack configuration, training: {error}") from error


def _filled_in(definition: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The definition's text with the sentinels replaced: sorted and compact, so an unchanged pipeline shows no diff."""
    complete = substitute(
        definition,
        {_SUBNETS: list(known["subnets"]), _SECURITY_GROUPS: list(known["groups"]), _KEY: known["key"]},
    )
    return json.dumps(complete, sort_keys=True, separators=(",", ":"))
