"""A training run as it goes: each step when it begins and ends, and what the scripts say of themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from operations.stack import prefix

LOG_GROUPS: Final = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
}
UNDER_WAY: Final = frozenset({"Executing", "Stopping"})
Clients = Callable[[str], Any]
Say = Callable[[str], None]


class TooLongError(RuntimeError):
    """The run did not end within the time that the caller gives it."""


def newest(clients: Clients, stack: str) -> str | None:
    """ARN of the newest run of the stack's pipeline; None where it has never run."""
    given = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 1}
    found = clients("sagemaker").list_pipeline_executions(PipelineName=f"{prefix(stack)}-training", **given)
    return next((str(one["PipelineExecutionArn"]) for one in found["PipelineExecutionSummaries"]), None)


def follow(
    clients: Clients,
    execution: str,
    say: Say,
    *,
    seconds: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Say what is new until the run ends; its description. Raises TooLongError after `seconds`."""
    sagemaker, tail, shown = clients("sagemaker"), LogTail(clients), dict[str, str]()
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        # before the steps: what they do until the run has ended is said
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        for step in _steps(sagemaker, execution):
            for line in _lines(tail, step):
                say(f"  {line}")
            if shown.get(step["StepName"]) != step["StepStatus"]:
                shown[step["StepName"]] = step["StepStatus"]
                say(_said(step))
        if described["PipelineExecutionStatus"] not in UNDER_WAY:
            return described
        if deadline is not None and time.monotonic() > deadline:
            raise TooLongError(f"The pipeline did not end within {seconds:.0f} s")
        pause(1)


@dataclass
class LogTail:
    """New lines of the log streams that begin with a job's name."""

    clients: Clients
    seen: dict[str, int] = field(default_factory=dict[str, int])

    def new_lines(self, group: str, stream_prefix: str) -> Iterator[str]:
        """Lines since the last call; none before the job has a stream."""
        logs = self.clients("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream_prefix)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return
        for stream in streams:
            name = stream["logStreamName"]
            events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
            yield from (event["message"].rstrip() for event in events[self.seen.get(name, 0) :])
            self.seen[name] = len(events)


def _steps(sagemaker: Any, execution: str) -> list[dict[str, Any]]:
    found = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution, SortOrder="Ascending")
    return list(found["PipelineExecutionSteps"])


def _said(step: dict[str, Any]) -> str:
    reason = f": {step['FailureReason']}" if step.get("FailureReason") else ""
    took = ""
    if step.get("EndTime") and step.get("StartTime"):
        took = f" after {(step['EndTime'] - step['StartTime']).total_seconds():.0f} s"
    return f"{step['StepName']:<16} {step['StepStatus']}{took}{reason}"


def _lines(tail: LogTail, step: dict[str, Any]) -> Iterator[str]:
    for kind, group in LOG_GROUPS.items():
        arn = step.get("Metadata", {}).get(kind, {}).get("Arn")
        if arn:
            # the scripts' own lines begin with a bracket; libraries talk without one
            yield from (line for line in tail.new_lines(group, arn.rsplit("/", 1)[1]) if line.startswith("["))


def heading(described: dict[str, Any]) -> str:
    """What is being followed."""
    since = described["CreationTime"].astimezone(UTC)
    age = (datetime.now(UTC) - since).total_seconds() / 60
    name = described["PipelineExecutionArn"].rsplit("/", 1)[1]
    return (
        f"Run {name}, begun {since:%Y-%m-%d %H:%M:%S} UTC ({age:.0f} min ago): {described['PipelineExecutionStatus']}"
    )
