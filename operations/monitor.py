"""What a stack is doing now: queues, workflow, training, endpoint, and what the doctor would complain about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from operations.doctor.finding import FAULT, OK, Finding, examine
from operations.doctor.stack import PROJECT, Clients, alarms, dead_letters, executions

QUEUES: Final = ("upload", "import", "training-requests")
"""Work queues in the order of the data's way."""
RUNNING_SHOWN: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One line: what is looked at, how it is, and whether somebody should care."""

    what: str
    says: str
    state: str = OK


def look(clients: Clients, stack: str) -> list[Reading]:
    """Every reading of one moment; what does not answer is a reading too."""
    prefix = f"{PROJECT}-{stack}"
    checks: list[Callable[..., Finding]] = [alarms, dead_letters, executions]
    found = examine([_named(check, clients, prefix) for check in checks], (OSError, BotoCoreError, ClientError))
    warnings = [Reading(what=one.check, says=one.message, state=one.state) for one in found]
    parts: list[tuple[str, Callable[[], Iterator[Reading]]]] = [
        ("queues", lambda: _queues(clients, prefix)),
        ("workflow", lambda: _workflow(clients, prefix)),
        ("training", lambda: _training(clients, prefix)),
        ("endpoint", lambda: _endpoint(clients, prefix)),
    ]
    return [*(reading for name, part in parts for reading in _tried(name, part)), *warnings]


def document(readings: Sequence[Reading], now: datetime | None = None) -> dict[str, Any]:
    """The readings for programs."""
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    return {"at": at, "readings": [asdict(reading) for reading in readings]}


def _named(check: Callable[..., Finding], *given: Any) -> Callable[[], Finding]:
    bound = partial(check, *given)
    bound.__name__ = check.__name__  # type: ignore[attr-defined]
    return bound


def _tried(name: str, part: Callable[[], Iterator[Reading]]) -> list[Reading]:
    try:
        return list(part())
    except (OSError, BotoCoreError, ClientError) as error:
        return [Reading(what=name, says=f"no answer: {type(error).__name__}: {str(error)[:160]}", state=FAULT)]


def _queues(clients: Clients, prefix: str) -> Iterator[Reading]:
    queues = clients("sqs")
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    for role in QUEUES:
        url = queues.get_queue_url(QueueName=f"{prefix}-{role}")["QueueUrl"]
        told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
        waiting, working, delayed = (int(told[name]) for name in names)
        yield Reading(what=f"queue {role}", says=f"{waiting} waiting, {working} in work, {delayed} delayed")


def _workflow(clients: Clients, prefix: str) -> Iterator[Reading]:
    machines = clients("stepfunctions")
    pages = machines.get_paginator("list_state_machines").paginate()
    arns = [
        one["stateMachineArn"]
        for page in pages
        for one in page["stateMachines"]
        if one["name"] == f"{prefix}-ingestion" and one["type"] == "STANDARD"  # an Express machine lists none
    ]
    for arn in arns:
        running = machines.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=RUNNING_SHOWN)
        more = " or more" if "nextToken" in running else ""
        yield Reading(what="ingestion now", says=f"{len(running['executions'])}{more} executions running")


def _training(clients: Clients, prefix: str) -> Iterator[Reading]:
    given = {"PipelineName": f"{prefix}-training", "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 1}
    found = clients("sagemaker").list_pipeline_executions(**given)["PipelineExecutionSummaries"]
    if not found:
        yield Reading(what="training", says="has never run")
    for one in found:
        since = one["StartTime"].astimezone(UTC).isoformat(timespec="minutes")
        state = FAULT if one["PipelineExecutionStatus"] == "Failed" else OK
        yield Reading(what="last training", says=f"{one['PipelineExecutionStatus']}, begun {since}", state=state)


def _endpoint(clients: Clients, prefix: str) -> Iterator[Reading]:
    found = clients("sagemaker").list_endpoints(NameContains=prefix)["Endpoints"]
    if not found:
        yield Reading(what="endpoint", says="none: no model was deployed yet")
    for one in found:
        state = OK if one["EndpointStatus"] in {"InService", "Updating", "Creating"} else FAULT
        yield Reading(what="endpoint", says=f"{one['EndpointName']}: {one['EndpointStatus']}", state=state)
