"""SageMaker pipelines and model package groups (the embedded AWS has its own SageMaker)."""

from __future__ import annotations

from ..clients import Aws
from ..kind import Values
from ..objects import Object


class Pipeline(Object):
    pulumi_type = "aws:sagemaker/pipeline:Pipeline"
    service, key, name, name_limit, taggable = "sagemaker", "PipelineName", "pipelineName", 256, True
    create_op, read_op, update_op, delete_op = (
        "create_pipeline",
        "describe_pipeline",
        "update_pipeline",
        "delete_pipeline",
    )
    id_at, documents, local = "{pipelineName}", "pipelineDefinition", "pipelineDefinitionS3Location"
    outputs = {"arn": "PipelineArn"}
    tag_ops, list_tags = "add_tags delete_tags", "list_tags"

    def create_args(self, aws: Aws, new: Values) -> Values:
        return super().create_args(aws, new) | _location(new)

    def update_args(self, aws: Aws, id: str, old: Values, new: Values) -> Values:
        return super().update_args(aws, id, old, new) | _location(new)


def _location(new: Values) -> Values:
    place = new.get("pipelineDefinitionS3Location")
    if not place:
        return {}
    return {"PipelineDefinitionS3Location": {k[0].upper() + k[1:]: v for k, v in place.items()}}


class ModelPackageGroup(Object):
    pulumi_type = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
    service, key, name, taggable = "sagemaker", "ModelPackageGroupName", "modelPackageGroupName", True
    create_op, read_op = "create_model_package_group", "describe_model_package_group"
    delete_op, replaces, id_at = "delete_model_package_group", "modelPackageGroupDescription", "{modelPackageGroupName}"
    outputs = {"arn": "ModelPackageGroupArn"}
    tag_ops, list_tags = "add_tags delete_tags", "list_tags"
