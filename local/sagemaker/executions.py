"""The actions on pipeline executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import events, pipelines, progress, selective
from local.sagemaker.context import Context
from local.sagemaker.definition.parameters import as_text, bind
from local.sagemaker.errors import ConflictError, NotFoundError
from local.sagemaker.executor import Executor
from local.sagemaker.listing import page, pick, select
from local.sagemaker.names import random_id
from local.sagemaker.state import Record

KIND = progress.EXECUTION
_STEP = (
    "StepName",
    "StepDisplayName",
    "StepDescription",
    "StartTime",
    "EndTime",
    "StepStatus",
    "CacheHitResult",
    "FailureReason",
    "Metadata",
    "AttemptCount",
    "SelectiveExecutionResult",
)


def start(context: Context, executor: Executor, request: Mapping[str, Any]) -> dict[str, Any]:
    """StartPipelineExecution, idempotent by ClientRequestToken."""
    pipeline = pipelines.require(context, request["PipelineName"])
    token = request.get("ClientRequestToken")
    with context.store.lock:
        for known in context.store.all(KIND) if token else []:
            if known.get("ClientRequestToken") == token and known["PipelineArn"] == pipeline["PipelineArn"]:
                return {"PipelineExecutionArn": known["PipelineExecutionArn"]}
        record = context.store.put(KIND, *_new(context, pipeline, request))
        selective.show(context, record, pipelines.load(record["PipelineDefinition"]))
        context.store.update(pipelines.KIND, pipeline["PipelineName"], LastRunTime=record["CreationTime"])
    events.execution_changed(context, record, "Executing")
    progress.count_execution(context, record)
    executor.start(record)
    return {"PipelineExecutionArn": record["PipelineExecutionArn"]}


def stop(context: Context, executor: Executor, request: Mapping[str, Any]) -> dict[str, Any]:
    """StopPipelineExecution; one that has ended cannot be stopped."""
    execution = require(context, request["PipelineExecutionArn"])
    arn, status = execution["PipelineExecutionArn"], execution["PipelineExecutionStatus"]
    if status in progress.FINAL:
        raise ConflictError(f"Pipeline execution {arn} has the status {status} and cannot be stopped")
    if status == "Executing":
        try:
            progress.move_execution(context, arn, "Stopping")
        except ValueError as error:  # it ended between the question and the change
            raise ConflictError(f"Pipeline execution {arn} has just ended") from error
    executor.stop(arn)
    return {"PipelineExecutionArn": arn}


def describe(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribePipelineExecution."""
    return pick(
        require(context, request["PipelineExecutionArn"]),
        "PipelineArn",
        "PipelineExecutionArn",
        "PipelineExecutionDisplayName",
        "PipelineExecutionDescription",
        "PipelineExecutionStatus",
        "PipelineExperimentConfig",
        "FailureReason",
        "CreationTime",
        "LastModifiedTime",
        "ParallelismConfiguration",
        selective.MEMBER,
    )


def list_all(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListPipelineExecutions of one pipeline."""
    arn = pipelines.require(context, request["PipelineName"])["PipelineArn"]
    chosen = [execution for execution in context.store.all(KIND) if execution["PipelineArn"] == arn]
    rows = [
        {
            **pick(execution, "PipelineExecutionArn", "PipelineExecutionDisplayName", "PipelineExecutionDescription"),
            "PipelineExecutionStatus": execution["PipelineExecutionStatus"],
            "StartTime": execution["CreationTime"],
            **({"PipelineExecutionFailureReason": execution["FailureReason"]} if "FailureReason" in execution else {}),
        }
        for execution in select(chosen, request, name="PipelineExecutionArn")
    ]
    return page(rows, request, "PipelineExecutionSummaries")


def list_steps(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListPipelineExecutionSteps: the steps that have started, newest first unless SortOrder says otherwise."""
    arn = require(context, request["PipelineExecutionArn"])["PipelineExecutionArn"]
    rows = [pick(step, *_STEP) for step in progress.steps_of(context, arn)]
    if request.get("SortOrder", "Descending") != "Ascending":
        rows.reverse()
    return page(rows, request, "PipelineExecutionSteps")


def list_parameters(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListPipelineParametersForExecution."""
    values = require(context, request["PipelineExecutionArn"])["ParameterValues"]
    rows = [{"Name": name, "Value": as_text(value)} for name, value in values.items()]
    return page(rows, request, "PipelineParameters")


def describe_definition(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribePipelineDefinitionForExecution: the definition that this execution started with."""
    execution = require(context, request["PipelineExecutionArn"])
    return {"PipelineDefinition": execution["PipelineDefinition"], "CreationTime": execution["CreationTime"]}


def require(context: Context, arn: str) -> Record:
    """The execution. Raises NotFoundError."""
    execution = context.store.get(KIND, arn)
    if execution is None:
        raise NotFoundError(f"Pipeline execution with ARN '{arn}' does not exist")
    return execution


def _new(context: Context, pipeline: Record, request: Mapping[str, Any]) -> tuple[str, Record]:
    definition = pipelines.load(pipeline["PipelineDefinition"])
    overrides = {item["Name"]: str(item["Value"]) for item in request.get("PipelineParameters") or []}
    values = bind(definition.parameters, overrides)
    arn, now = context.scope.execution(pipeline["PipelineName"], random_id()), context.clock.now()
    record = {
        **pick(request, "PipelineExecutionDescription", "ClientRequestToken"),
        **pick(pipeline, "PipelineArn", "PipelineName", "PipelineDefinition", "RoleArn", "ParallelismConfiguration"),
        **pick(request, "ParallelismConfiguration"),
        **selective.checked(context, pipeline["PipelineArn"], definition, request),
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": request.get("PipelineExecutionDisplayName") or f"execution-{int(now * 1000)}",
        "PipelineExecutionStatus": "Executing",
        "ParameterValues": values,
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    return arn, record
