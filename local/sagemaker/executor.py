"""Runs pipeline executions: the graph of steps, branches, parallel steps, retries, cache, stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from local.sagemaker import cache, events, progress, selective
from local.sagemaker.context import Context
from local.sagemaker.definition.model import Definition, RetryPolicy, Step
from local.sagemaker.definition.resolve import Resolver
from local.sagemaker.definition.validate import dependencies
from local.sagemaker.errors import ServiceError, ThrottledError
from local.sagemaker.pipelines import load
from local.sagemaker.ports import StorageError, split_uri
from local.sagemaker.state import Record, StoreClosed
from local.sagemaker.steps import RUNNERS, StepResult, StepRun
from local.sagemaker.steps.base import StepFailedError, StepStoppedError

DEFAULT_PARALLEL_STEPS = 8
JOB_SLOTS = 2  # jobs at a time on this machine, over all executions
logger = logging.getLogger(__name__)


class Executor:
    """All running executions of this process."""

    def __init__(self, context: Context, job_slots: int = JOB_SLOTS) -> None:
        self._context = context
        self._slots = threading.BoundedSemaphore(job_slots)
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def start(self, execution: Record) -> None:
        """Begin an execution whose record exists with status Executing."""
        arn, stop = execution["PipelineExecutionArn"], threading.Event()
        run = _Execution(self._context, execution, stop, self._slots)
        self._stops[arn] = stop
        self._threads[arn] = thread = threading.Thread(target=run.main, name=arn, daemon=True)
        thread.start()

    def stop(self, arn: str) -> None:
        """Ask a running execution to stop; its running jobs get SIGTERM and their grace."""
        if event := self._stops.get(arn):
            event.set()

    def close(self, patience: float) -> None:
        """Stop everything because the process ends; wait at most `patience` seconds in all."""
        for event in self._stops.values():
            event.set()
        deadline = time.monotonic() + patience
        for thread in self._threads.values():
            thread.join(max(deadline - time.monotonic(), 0.0))

    def join(self, arn: str, timeout: float | None = None) -> None:
        """Wait for the end of an execution (for callers in this process)."""
        if thread := self._threads.get(arn):
            thread.join(timeout)


class _Execution:
    def __init__(self, context: Context, execution: Record, stop: threading.Event, slots: threading.Semaphore) -> None:
        self._context, self._record, self._slots = context, execution, slots
        self._requested, self._stop = stop, threading.Event()
        self._definition: Definition = load(execution["PipelineDefinition"])
        self._needs = dependencies(self._definition)
        taken, left_out = selective.reused(context, execution, self._definition)
        self._outcomes = {**dict.fromkeys(taken, "Succeeded"), **dict.fromkeys(left_out, "NotRun")}
        self._properties: dict[str, dict[str, Any]] = {name: record["Properties"] for name, record in taken.items()}
        self._failure: str | None = None

    def main(self) -> None:
        """Thread body: run the graph and write the final status."""
        arn = self._record["PipelineExecutionArn"]
        try:
            self._run_graph()
            if self._requested.is_set():
                progress.move_execution(self._context, arn, "Stopped")
            elif "Failed" in self._outcomes.values():
                progress.move_execution(self._context, arn, "Failed", self._failure)
            else:
                progress.move_execution(self._context, arn, "Succeeded")
        except StoreClosed:
            return  # the process is ending; the next start settles this execution
        except Exception:
            logger.exception("The executor failed on %s", arn)
            progress.move_execution(self._context, arn, "Failed", "InternalServerError: the executor itself failed")

    def _run_graph(self) -> None:
        limit = (self._record.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps")
        running: dict[Future[str], str] = {}
        with ThreadPoolExecutor(limit or DEFAULT_PARALLEL_STEPS) as pool:
            while True:
                for step in self._ready(set(running.values())):
                    running[pool.submit(self._run_step, step)] = step.name
                if not running:
                    return
                finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._outcomes[running.pop(future)] = future.result()
                if self._requested.is_set():
                    self._stop.set()

    def _ready(self, running: set[str]) -> list[Step]:
        """Steps to start now; steps of branches that were not chosen, and what hangs on them, are left out for good."""
        changed = True
        while changed:
            changed = False
            for step in self._definition:
                if step.name not in self._outcomes and self._is_left_out(step):
                    self._outcomes[step.name], changed = "NotRun", True
        if self._failure is not None or self._requested.is_set():
            return []
        return [
            step
            for step in self._definition
            if step.name not in self._outcomes
            and step.name not in running
            and all(self._outcomes.get(name) == "Succeeded" for name in self._needs[step.name])
        ]

    def _is_left_out(self, step: Step) -> bool:
        if any(self._outcomes.get(name) == "NotRun" for name in self._needs[step.name]):
            return True
        branch = step.branch
        if branch is None or self._outcomes.get(branch.condition) != "Succeeded":
            return False
        return self._properties[branch.condition]["holds"] is not branch.outcome

    def _run_step(self, step: Step) -> str:
        """Run one step with its retries; its final status."""
        context, record = self._context, self._record
        progress.begin_step(context, record, step)
        try:
            result, extra = self._attempts(step)
        except StepStoppedError:
            progress.end_step(context, record, step.name, "Stopped")
            return "Stopped"
        except StepFailedError as failure:
            changes = {"Metadata": failure.metadata} if failure.metadata else {}
            progress.end_step(context, record, step.name, "Failed", FailureReason=failure.reason, **changes)
            self._fail(step, failure.reason)
            return "Failed"
        self._properties[step.name] = result.properties
        progress.end_step(
            context, record, step.name, "Succeeded", Metadata=result.metadata, Properties=result.properties, **extra
        )
        return "Succeeded"

    def _fail(self, step: Step, reason: str) -> None:
        """A failed step lets running steps finish and starts no others; a Fail step also stops the running ones."""
        if step.type == "Fail":
            self._failure = reason
            self._stop.set()
        elif self._failure is None:
            self._failure = f"Step failure: One or multiple steps failed: {step.name}"

    def _attempts(self, step: Step) -> tuple[StepResult, dict[str, Any]]:
        spent: dict[RetryPolicy, int] = {}
        started, attempt = self._context.clock.now(), 1
        while True:
            try:
                return self._attempt(step)
            except StepFailedError as failure:
                policy = next((p for p in step.retries if failure.retry in p.exceptions), None)
                if policy is None or not self._may_retry(policy, spent.get(policy, 0), started):
                    raise
                spent[policy] = spent.get(policy, 0) + 1
                pause = policy.interval * policy.backoff ** (spent[policy] - 1)
                if self._context.clock.wait(pause, self._stop):
                    raise StepStoppedError from failure
            attempt += 1
            self._context.store.update(progress.STEP, progress.step_key(self._record, step.name), AttemptCount=attempt)

    def _may_retry(self, policy: RetryPolicy, spent: int, started: float) -> bool:
        if policy.max_attempts is not None:
            return spent < policy.max_attempts
        return policy.expire_after is not None and self._context.clock.now() - started < policy.expire_after

    def _attempt(self, step: Step) -> tuple[StepResult, dict[str, Any]]:
        try:
            caller = self._context.cloud.assume(self._record["RoleArn"], "SageMaker-PipelineExecution")
            resolve = self._resolver(lambda uri: self._context.cloud.storage(caller).read(*split_uri(uri)).decode())
            arguments = None if step.type == "Condition" else resolve(step.arguments)
            key = cache.key_of(step, arguments, resolve(step.function_arn))
            hit = cache.find(self._context, self._record["PipelineArn"], step, key)
            if hit is not None:
                source = {"SourcePipelineExecutionArn": hit["PipelineExecutionArn"]}
                return StepResult(metadata=hit["Metadata"], properties=hit["Properties"]), {"CacheHitResult": source}
            run = StepRun(
                context=self._context,
                execution=self._record,
                step=step,
                arguments=arguments,
                resolve=resolve,
                caller=caller,
                stop=self._stop,
                slots=self._slots,
                announce=lambda metadata: self._announce(step, metadata),
            )
            return RUNNERS[step.type](run), {"CacheKey": key}
        except (StepFailedError, StepStoppedError):
            raise
        except Exception as error:
            raise _as_failure(step, error) from error

    def _announce(self, step: Step, metadata: dict[str, Any]) -> None:
        key = progress.step_key(self._record, step.name)
        record = self._context.store.update(progress.STEP, key, Metadata=metadata)
        events.step_changed(self._context, self._record, record, "Executing")

    def _resolver(self, read: Callable[[str], str]) -> Resolver:
        return Resolver(
            definition=self._definition,
            parameters=self._record["ParameterValues"],
            execution=self._variable,
            properties=self._properties.__getitem__,
            read=read,
        )

    def _variable(self, name: str) -> str:
        arn = self._record["PipelineExecutionArn"]
        values = {
            "PipelineName": self._record["PipelineName"],
            "PipelineArn": self._record["PipelineArn"],
            "PipelineExecutionId": arn.rsplit("/", 1)[-1],
            "PipelineExecutionArn": arn,
            "StartDateTime": events.instant(self._record["CreationTime"]),
            "CurrentDateTime": events.instant(self._context.clock.now()),
        }
        return str(values[name])


def _as_failure(step: Step, error: Exception) -> StepFailedError:
    """The step's failure reason for anything that went wrong outside a job."""
    if isinstance(error, ThrottledError):
        return StepFailedError(f"ClientError: {error.message}", "Step.THROTTLING")
    if isinstance(error, ServiceError):
        return StepFailedError(f"ClientError: {error.code}: {error.message}")
    if isinstance(error, StorageError):
        retry = "Step.SERVICE_FAULT" if error.temporary else None
        return StepFailedError(f"ClientError: reading a property file: {error.code}: {error}", retry)
    logger.error("Step %s failed in the stand-in itself", step.name, exc_info=error)
    return StepFailedError(f"InternalServerError: {type(error).__name__} in the stand-in", "Step.SERVICE_FAULT")
