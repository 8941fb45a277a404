"""Pipelines: create, update, describe, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import tags
from local.sagemaker.context import Context
from local.sagemaker.definition.model import Definition
from local.sagemaker.definition.parse import parse
from local.sagemaker.definition.validate import validate
from local.sagemaker.errors import ConflictError, NotFoundError, ValidationError
from local.sagemaker.listing import page, pick, select
from local.sagemaker.names import last
from local.sagemaker.ports import StorageError
from local.sagemaker.state import Record

KIND = "Pipeline"
_OPTIONAL = ("PipelineDisplayName", "PipelineDescription", "ParallelismConfiguration")


def load(text: str) -> Definition:
    """Parse and validate. Raises ValidationError with a sentence that names the step."""
    return validate(parse(text))


def create(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreatePipeline, idempotent by ClientRequestToken."""
    name, token = request["PipelineName"], request.get("ClientRequestToken")
    text = _text(context, request)
    load(text)
    with context.store.lock:
        existing = context.store.get(KIND, name)
        if existing and token and existing.get("ClientRequestToken") == token:
            return {"PipelineArn": existing["PipelineArn"]}
        if existing:
            raise ValidationError(f"Pipeline names must be unique within an AWS account and region: {name} exists")
        arn, now = context.scope.pipeline(name), context.clock.now()
        record = {
            **pick(request, "PipelineName", "RoleArn", "ClientRequestToken", *_OPTIONAL),
            "PipelineDisplayName": request.get("PipelineDisplayName", name),
            "PipelineArn": arn,
            "PipelineDefinition": text,
            "PipelineStatus": "Active",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        context.store.put(KIND, name, record)
    tags.put(context, arn, request.get("Tags") or [])
    return {"PipelineArn": arn}


def update(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """UpdatePipeline; running executions keep the definition they started with."""
    pipeline = require(context, request["PipelineName"])
    changes = pick(request, "RoleArn", *_OPTIONAL)
    if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
        changes["PipelineDefinition"] = _text(context, request)
        load(changes["PipelineDefinition"])
    context.store.update(KIND, pipeline["PipelineName"], **changes, LastModifiedTime=context.clock.now())
    return {"PipelineArn": pipeline["PipelineArn"]}


def describe(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribePipeline."""
    return {k: v for k, v in require(context, request["PipelineName"]).items() if k != "ClientRequestToken"}


def list_all(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListPipelines."""
    chosen = context.store.all(KIND)
    if prefix := request.get("PipelineNamePrefix"):
        chosen = [pipeline for pipeline in chosen if pipeline["PipelineName"].startswith(prefix)]
    rows = [
        {
            **pick(pipeline, "PipelineArn", "PipelineName", "PipelineDisplayName", "PipelineDescription", "RoleArn"),
            **pick(pipeline, "CreationTime", "LastModifiedTime"),
            **({"LastExecutionTime": pipeline["LastRunTime"]} if "LastRunTime" in pipeline else {}),
        }
        for pipeline in select(chosen, request, name="PipelineName")
    ]
    return page(rows, request, "PipelineSummaries")


def delete(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DeletePipeline; not while an execution is running."""
    pipeline = require(context, request["PipelineName"])
    arn = pipeline["PipelineArn"]
    for execution in context.store.all("Execution"):
        if execution["PipelineArn"] == arn and execution["PipelineExecutionStatus"] in ("Executing", "Stopping"):
            raise ConflictError(f"Pipeline {pipeline['PipelineName']} has an execution that is running")
    context.store.delete(KIND, pipeline["PipelineName"])
    tags.forget(context, arn)
    return {"PipelineArn": arn}


def require(context: Context, name: str) -> Record:
    """The pipeline by name or ARN. Raises NotFoundError."""
    pipeline = context.store.get(KIND, last(name))
    if pipeline is None:
        raise NotFoundError(f"Pipeline '{name}' does not exist")
    return pipeline


def _text(context: Context, request: Mapping[str, Any]) -> str:
    if ("PipelineDefinition" in request) == ("PipelineDefinitionS3Location" in request):
        raise ValidationError("Exactly one of PipelineDefinition and PipelineDefinitionS3Location is needed")
    if "PipelineDefinition" in request:
        return request["PipelineDefinition"]
    location = request["PipelineDefinitionS3Location"]
    role = request.get("RoleArn") or require(context, request["PipelineName"])["RoleArn"]
    store = context.cloud.storage(context.cloud.assume(role, "SageMaker-CreatePipeline"))
    try:
        return store.read(location["Bucket"], location["ObjectKey"]).decode()
    except (StorageError, UnicodeDecodeError) as error:
        raise ValidationError(f"PipelineDefinitionS3Location cannot be read: {error}") from error
