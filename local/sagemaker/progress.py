"""The persisted state machine of executions and steps; every change of status is one event."""

from __future__ import annotations

from typing import Any

from local.sagemaker import events
from local.sagemaker.context import Context
from local.sagemaker.definition.model import Step
from local.sagemaker.state import Record

EXECUTION, STEP = "Execution", "Step"
METRICS = "AWS/Sagemaker/ModelBuildingPipeline"  # the service's own spelling
FINAL = ("Succeeded", "Failed", "Stopped")
INTERRUPTED = (
    "InternalServerError: the embedded AWS process ended while this was running; start the pipeline execution again"
)
_NEXT = {
    None: ("Executing",),
    "Executing": ("Stopping", "Succeeded", "Failed", "Stopped"),
    "Stopping": ("Stopped", "Failed", "Succeeded"),
    "Starting": ("Executing", "Succeeded", "Failed", "Stopped"),
}


def move_execution(context: Context, arn: str, status: str, reason: str | None = None) -> Record:
    """Give an execution its next status. Raises ValueError for a change that the state machine does not have."""
    with context.store.lock:
        previous = context.store.require(EXECUTION, arn)["PipelineExecutionStatus"]
        _check(previous, status)
        record = context.store.update(
            EXECUTION,
            arn,
            PipelineExecutionStatus=status,
            FailureReason=reason,
            LastModifiedTime=context.clock.now(),
        )
    events.execution_changed(context, record, previous)
    count_execution(context, record)
    return record


def count_execution(context: Context, execution: Record) -> None:
    """The service's metrics: ExecutionStarted, -Succeeded, -Failed, -Stopped, and ExecutionDuration in milliseconds."""
    status = execution["PipelineExecutionStatus"]
    values = [("ExecutionStarted" if status == "Executing" else f"Execution{status}", 1.0, "Count")]
    if status in FINAL:
        seconds = execution["LastModifiedTime"] - execution["CreationTime"]
        values.append(("ExecutionDuration", 1000 * seconds, "Milliseconds"))
    if status != "Stopping":
        context.cloud.put_metrics(METRICS, values, {"PipelineName": execution["PipelineName"]})


def begin_step(context: Context, execution: Record, step: Step) -> Record:
    """Write the first record of a step that starts now."""
    record: Record = {
        "StepName": step.name,
        "StepType": step.type,
        "StepDisplayName": step.display_name or step.name,
        "StepStatus": "Executing",
        "StartTime": context.clock.now(),
        "AttemptCount": 1,
        "Metadata": {},
        "PipelineArn": execution["PipelineArn"],
        "PipelineExecutionArn": execution["PipelineExecutionArn"],
    }
    if step.description:
        record["StepDescription"] = step.description
    record = context.store.put(STEP, step_key(execution, step.name), record)
    events.step_changed(context, execution, record, "Starting")
    return record


def end_step(context: Context, execution: Record, name: str, status: str, **changes: Any) -> Record:
    """Give a running step its final status, with its metadata, properties or failure reason."""
    with context.store.lock:
        key = step_key(execution, name)
        previous = context.store.require(STEP, key)["StepStatus"]
        _check(previous, status)
        record = context.store.update(STEP, key, StepStatus=status, EndTime=context.clock.now(), **changes)
    events.step_changed(context, execution, record, previous)
    return record


def step_key(execution: Record, name: str) -> str:
    """Key of a step's record."""
    return f"{execution['PipelineExecutionArn']}#{name}"


def steps_of(context: Context, arn: str) -> list[Record]:
    """All step records of an execution, in order of their start."""
    return [step for step in context.store.all(STEP) if step["PipelineExecutionArn"] == arn]


def recover(context: Context) -> int:
    """After a restart: whatever was running is Failed with a reason that says so. The number of executions."""
    now, count = context.clock.now(), 0
    for kind, status in (
        ("ProcessingJob", "ProcessingJobStatus"),
        ("TrainingJob", "TrainingJobStatus"),
        ("TransformJob", "TransformJobStatus"),
    ):
        for job in context.store.all(kind):
            if job[status] in ("InProgress", "Stopping"):
                extra = {"SecondaryStatus": "Failed"} if kind == "TrainingJob" else {}
                changes = {status: "Failed", "FailureReason": INTERRUPTED, "LastModifiedTime": now, **extra}
                context.store.update(kind, job[f"{kind}Name"], **changes)
    for execution in context.store.all(EXECUTION):
        if execution["PipelineExecutionStatus"] not in FINAL:
            arn = execution["PipelineExecutionArn"]
            for step in steps_of(context, arn):
                if step["StepStatus"] not in FINAL:
                    end_step(context, execution, step["StepName"], "Failed", FailureReason=INTERRUPTED)
            move_execution(context, arn, "Failed", INTERRUPTED)
            count += 1
    return count


def _check(previous: str | None, status: str) -> None:
    if status not in _NEXT.get(previous, ()):
        raise ValueError(f"status cannot change from {previous} to {status}")
