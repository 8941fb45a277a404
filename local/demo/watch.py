"""Follow what the platform does with what was sent: the tracking table, the pipeline and its logs, the endpoint."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local.cloud import Cloud
from local.console import GaveUpError, Ticker

FINAL = {"IMPORTED", "QUARANTINED"}


def tracking_items(cloud: Cloud, table: str, keys: set[str] | None = None) -> list[dict[str, Any]]:
    """Items of the tracking table, of the given upload keys only when these are given."""
    found: list[dict[str, Any]] = []
    source, start = cloud.resource("dynamodb").Table(table), {}
    while True:
        page = source.scan(ConsistentRead=True, **start)
        found += [i for i in page["Items"] if keys is None or i.get("upload_key") in keys]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def watch_ingestion(cloud: Cloud, table: str, keys: set[str], *, seconds: float) -> list[dict[str, Any]]:
    """Show the counts by status until each upload is in a final state; GaveUpError names what is missing."""
    ticker, deadline = Ticker(), time.monotonic() + seconds
    while True:
        items = tracking_items(cloud, table, keys)
        counts = Counter(i["status"] for i in items)
        waiting = len(keys) - sum(counts[s] for s in FINAL)
        text = (
            f"{len(keys)} received: {counts['VALIDATED']} validated, {counts['IMPORTED']} imported into HealthImaging, "
            f"{counts['QUARANTINED']} quarantined, {max(0, len(keys) - len(items))} not yet looked at"
        )
        if waiting <= 0:
            ticker.end(text)
            return items
        ticker.show(text)
        if time.monotonic() > deadline:
            raise GaveUpError(
                f"{waiting} of {len(keys)} uploads have no final state after {seconds:.0f} s: {dict(counts)}"
            )
        time.sleep(1.5)


@dataclass
class LogTail:
    """New lines of the log streams that start with a job's name."""

    cloud: Cloud
    seen: dict[str, int] = field(default_factory=dict)

    def new_lines(self, group: str, stream_prefix: str) -> Iterator[str]:
        """Lines since the last call."""
        logs = self.cloud.client("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream_prefix)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return
        for stream in streams:
            name = stream["logStreamName"]
            events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
            yield from (e["message"].rstrip() for e in events[self.seen.get(name, 0) :])
            self.seen[name] = len(events)


_JOBS = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
}


def watch_pipeline(cloud: Cloud, execution: str, say: Callable[[str], None], *, seconds: float) -> dict[str, Any]:
    """Show each step as it starts and ends with its log lines; returns the finished execution's description."""
    sagemaker, tail, shown = cloud.client("sagemaker"), LogTail(cloud), {}
    deadline = time.monotonic() + seconds
    while True:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution, SortOrder="Ascending")
        for step in steps["PipelineExecutionSteps"]:
            _show_logs(tail, step, say)
            if shown.get(step["StepName"]) != step["StepStatus"]:
                shown[step["StepName"]] = step["StepStatus"]
                reason = f": {step['FailureReason']}" if step.get("FailureReason") else ""
                say(f"{step['StepName']:<16} {step['StepStatus']}{reason}")
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return described
        if time.monotonic() > deadline:
            raise GaveUpError(f"The pipeline did not end within {seconds:.0f} s")
        time.sleep(1)


def _show_logs(tail: LogTail, step: dict[str, Any], say: Callable[[str], None]) -> None:
    for kind, group in _JOBS.items():
        arn = step.get("Metadata", {}).get(kind, {}).get("Arn")
        if arn:
            for line in tail.new_lines(group, arn.rsplit("/", 1)[1]):
                if line.startswith("["):  # the scripts' own lines; libraries talk without a bracket
                    say(f"  {line}")
