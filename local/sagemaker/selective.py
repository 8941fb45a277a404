"""Selective execution: some steps of a pipeline run again, on what the others left in an earlier execution.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-selective-ex.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import progress
from local.sagemaker.context import Context
from local.sagemaker.definition.model import Definition
from local.sagemaker.definition.validate import dependencies
from local.sagemaker.errors import ValidationError
from local.sagemaker.state import Record

MEMBER = "SelectiveExecutionConfig"


def checked(context: Context, pipeline_arn: str, definition: Definition, request: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its source execution filled in, as a member of the execution's record; empty without one.

    Raises:
        ValidationError: unknown steps, no ended source execution of this pipeline, or one in which a step that the
            selected ones need did not succeed.
    """
    if MEMBER not in request:
        return {}
    selected = [item["StepName"] for item in request[MEMBER].get("SelectedSteps") or []]
    unknown = sorted(set(selected) - set(definition.steps))
    if not selected or unknown:
        raise ValidationError(f"SelectedSteps must name steps of the pipeline; unknown: {', '.join(unknown) or 'none'}")
    source = _source(context, pipeline_arn, request[MEMBER].get("SourcePipelineExecutionArn"))
    found = _succeeded(context, source)
    missing = sorted(_needed(definition, selected) - set(found))
    if missing:
        raise ValidationError(f"In the source execution {source} these steps did not succeed: {', '.join(missing)}")
    return {MEMBER: {"SourcePipelineExecutionArn": source, "SelectedSteps": [{"StepName": name} for name in selected]}}


def reused(context: Context, execution: Record, definition: Definition) -> tuple[dict[str, Record], set[str]]:
    """The records of earlier steps that the selected ones need, by name, and the steps that stay out."""
    if MEMBER not in execution:
        return {}, set()
    selected = [item["StepName"] for item in execution[MEMBER]["SelectedSteps"]]
    source, needed = execution[MEMBER]["SourcePipelineExecutionArn"], _needed(definition, selected)
    taken = {name: record for name, record in _succeeded(context, source).items() if name in needed}
    return taken, set(definition.steps) - set(selected) - set(taken)


def show(context: Context, execution: Record, definition: Definition) -> None:
    """List the reused steps among the execution's own, with where they come from; nothing ran, so no event."""
    for name, record in reused(context, execution, definition)[0].items():
        copy = {
            **record,
            "PipelineExecutionArn": execution["PipelineExecutionArn"],
            "SelectiveExecutionResult": {"SourcePipelineExecutionArn": record["PipelineExecutionArn"]},
        }
        copy.pop("CacheKey", None)  # only the run itself may answer a later one
        context.store.put(progress.STEP, progress.step_key(execution, name), copy)


def _source(context: Context, pipeline_arn: str, asked: str | None) -> str:
    ended = [
        execution
        for execution in context.store.all(progress.EXECUTION)
        if execution["PipelineArn"] == pipeline_arn
        and execution["PipelineExecutionStatus"] in progress.FINAL
        and asked in (None, execution["PipelineExecutionArn"])
    ]
    if not ended:
        raise ValidationError("The source execution must be one of this pipeline that has ended")
    return str(max(ended, key=lambda execution: execution["CreationTime"])["PipelineExecutionArn"])


def _succeeded(context: Context, arn: str) -> dict[str, Record]:
    return {step["StepName"]: step for step in progress.steps_of(context, arn) if step["StepStatus"] == "Succeeded"}


def _needed(definition: Definition, selected: list[str]) -> set[str]:
    """What the selected steps depend on and do not run themselves."""
    edges = dependencies(definition)
    return {name for step in selected for name in edges[step]} - set(selected)
