"""Processing and Training steps: start the job, wait for it, answer what Describe answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.sagemaker import tags
from local.sagemaker.jobs import processing, training
from local.sagemaker.names import job_name
from local.sagemaker.state import Record
from local.sagemaker.steps.base import StepFailedError, StepResult, StepRun, StepStoppedError

_SLOT_SECONDS = 0.2


def run_processing(run: StepRun) -> StepResult:
    """CreateProcessingJob and wait."""
    return _run(run, "ProcessingJob", "processing-job", processing)


def run_training(run: StepRun) -> StepResult:
    """CreateTrainingJob and wait."""
    return _run(run, "TrainingJob", "training-job", training)


def _run(run: StepRun, kind: str, arn_kind: str, jobs: Any) -> StepResult:
    name = run.arguments.get(f"{kind}Name") or job_name(run.execution_id, run.step.name)
    arn, action = run.context.scope.arn(arn_kind, name), f"Create{kind}"
    run.authorize(f"sagemaker:{action}", arn)
    run.pass_role(run.arguments["RoleArn"])
    metadata = {kind: {"Arn": arn}}
    arguments = {key: value for key, value in run.arguments.items() if key != "Tags"}
    jobs.create(run.context, name, arguments)
    tags.put(run.context, arn, run.arguments.get("Tags") or [])
    run.announce(metadata)
    record = _in_slot(run, lambda: jobs.run(run.context, name, run.stop))
    status = record[f"{kind}Status"]
    if status == "Completed":
        return StepResult(metadata=metadata, properties=record)
    if status == "Stopped" and run.stop.is_set():
        raise StepStoppedError
    reason = (
        record.get("FailureReason") or f"ClientError: the job was stopped ({record.get('SecondaryStatus', status)})"
    )
    retry = "SageMaker.JOB_INTERNAL_ERROR" if reason.startswith("InternalServerError") else None
    raise StepFailedError(f"ClientError: {reason}", retry, metadata)


def _in_slot(run: StepRun, work: Callable[[], Record]) -> Record:
    """Jobs of all executions share the machine: only so many run at once, the others wait."""
    while not run.slots.acquire(timeout=_SLOT_SECONDS):
        if run.stop.is_set():
            break
    else:
        try:
            return work()
        finally:
            run.slots.release()
    # Stopped while waiting: `run` sees the stop at once and writes the job's end.
    return work()
