"""Is a stack well? Local: its process, its lock, its stand-ins. Any: dead letters, alarms, failed executions."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from operations.doctor.finding import FAULT, OK, SKIPPED, WARNING, Check, Finding
from operations.doctor.machine import ROOT
from operations.engine_lock import read_holder

Clients = Callable[[str], Any]
"""`clients("sqs")` is a boto3 client."""
PROJECT: Final = "healthcare-imaging-mlops"
HOURS: Final = 24
_NEEDS_TRAIL: Final = "audit-lag"


def run_folder() -> Path:
    """Where the local stack lives."""
    return Path(os.environ.get("IMAGING_RUN_DIR", str(ROOT / ".run")))


def process(run: Path) -> Finding:
    """The embedded AWS: there, alive and answering over TLS."""
    ready, pid = run / "aws" / "ready.json", run / "aws" / "pid"
    if not ready.exists():
        return Finding("local stack", SKIPPED, "there is none", "make up, or make demo")
    if not pid.exists() or (not Path(f"/proc/{pid.read_text()}").exists() and Path("/proc/self").exists()):
        return Finding("local stack", FAULT, "its process has ended", "make up: it starts again with its state")
    told = json.loads(ready.read_text())
    place = told["AWS_ENDPOINT_URL"]
    context = ssl.create_default_context(cafile=told["AWS_CA_BUNDLE"])
    try:
        with urllib.request.urlopen(f"{place}/_ministack/health", context=context, timeout=5) as answer:  # noqa: S310
            return Finding("local stack", OK, f"answers at {place} ({answer.status})")
    except OSError as error:
        remedy = "make up: it starts again with its state; its log is aws/log.txt of the run folder"
        return Finding("local stack", FAULT, f"{place} does not answer: {error}", remedy)


def engine_lock(run: Path) -> Finding:
    """A lock of the engine that outlived its command, as after a kill."""
    locks = sorted((run / "state" / ".pulumi" / "locks").rglob("*.json"))
    if not locks:
        return Finding("engine lock", OK, "the state is not locked")
    holders = [read_holder(lock.name, lock.read_text()) for lock in locks]
    alive = [one.pid for one in holders if one.alive()]
    if alive:
        return Finding("engine lock", WARNING, f"process {alive[0]} is updating the stack", "wait until it has ended")
    remedy = 'make unlock-local CONFIRM=yes REASON="the process is gone"'
    return Finding("engine lock", FAULT, "the state is locked by a process that is gone", remedy)


def image_store(clients: Clients) -> Finding:
    """HealthImaging, or its stand-in."""
    stores = clients("medical-imaging").list_datastores(datastoreStatus="ACTIVE")["datastoreSummaries"]
    if stores:
        return Finding("HealthImaging", OK, f"{len(stores)} active data stores")
    return Finding("HealthImaging", FAULT, "no active data store", "bring the stack up again: its store is gone")


def training(clients: Clients) -> Finding:
    """SageMaker, or its stand-in."""
    pipelines = clients("sagemaker").list_pipelines(PipelineNamePrefix=PROJECT)["PipelineSummaries"]
    if pipelines:
        return Finding("SageMaker", OK, f"pipeline {pipelines[0]['PipelineName']}")
    return Finding("SageMaker", FAULT, "the training pipeline is not there", "bring the stack up again")


def dead_letters(clients: Clients, prefix: str) -> Finding:
    """No message in any dead-letter queue."""
    queues = clients("sqs")
    pages = queues.get_paginator("list_queues").paginate(QueueNamePrefix=prefix)
    urls = [url for page in pages for url in page.get("QueueUrls", []) if str(url).endswith("-dlq")]
    full = {url.rsplit("/", 1)[-1]: int(number) for url in urls if (number := _messages(queues, url)) and int(number)}
    if not urls:
        return Finding(
            "dead letters", FAULT, f"no dead-letter queue of {prefix}", "is this the right account and stack?"
        )
    if full:
        listed = ", ".join(f"{name}: {number}" for name, number in sorted(full.items()))
        return Finding("dead letters", FAULT, listed, "find the cause in docs/runbooks/dead-letters.md, then redrive")
    return Finding("dead letters", OK, f"{len(urls)} queues are empty")


def _messages(queues: Any, url: str) -> str:
    name = "ApproximateNumberOfMessages"
    return str(queues.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def alarms(clients: Clients, prefix: str) -> Finding:
    """Every alarm armed, none sounding."""
    pages = clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    found = [alarm for page in pages for alarm in page["MetricAlarms"]]
    sounding = [_role(alarm, prefix) for alarm in found if alarm["StateValue"] == "ALARM"]
    mute = [_role(alarm, prefix) for alarm in found if not alarm.get("ActionsEnabled") or not alarm.get("AlarmActions")]
    if not found:
        return Finding("alarms", FAULT, f"no alarm of {prefix}", "is this the right account and stack?")
    if mute:
        return Finding("alarms", FAULT, f"tell nobody: {', '.join(mute)}", "somebody disarmed them: deploy again")
    if sounding == [_NEEDS_TRAIL] and not _trails(clients):
        remedy = "the embedded AWS has none; on AWS: docs/runbooks/audit-lag.md"
        return Finding("alarms", WARNING, f"{_NEEDS_TRAIL} sounds, for no CloudTrail delivers here", remedy)
    if sounding:
        return Finding("alarms", FAULT, f"sounding: {', '.join(sounding)}", "docs/runbooks has a page for each")
    return Finding("alarms", OK, f"{len(found)} are armed and silent")


def _trails(clients: Clients) -> list[dict[str, Any]]:
    return list(clients("cloudtrail").describe_trails().get("trailList", []))


def _role(alarm: dict[str, Any], prefix: str) -> str:
    return str(alarm["AlarmName"]).removeprefix(f"{prefix}-")


def executions(clients: Clients, prefix: str, now: datetime | None = None) -> Finding:
    """Ingestion executions that failed within a day."""
    machines = clients("stepfunctions")
    listed = machines.get_paginator("list_state_machines").paginate()
    arns = [
        one["stateMachineArn"]
        for page in listed
        for one in page["stateMachines"]
        if one["name"] == f"{prefix}-ingestion"
    ]
    if not arns:
        return Finding("ingestion", FAULT, "its state machine is not there", "is this the right account and stack?")
    if _express(machines, arns[0]):
        return Finding(
            "ingestion", OK, "an Express machine lists no executions: its alarm and its log tell of failures"
        )
    since = (now or datetime.now(UTC)) - timedelta(hours=HOURS)
    failed = machines.list_executions(stateMachineArn=arns[0], statusFilter="FAILED", maxResults=100)["executions"]
    recent = [one for one in failed if one["startDate"] >= since]
    if recent:
        remedy = "python -m operations redrive takes them up again; docs/runbooks/dead-letters.md"
        return Finding("ingestion", WARNING, f"{len(recent)} executions failed within {HOURS} hours", remedy)
    return Finding("ingestion", OK, f"no execution failed within {HOURS} hours")


def _express(machines: Any, arn: str) -> bool:
    return bool(machines.describe_state_machine(stateMachineArn=arn)["type"] == "EXPRESS")


def local_checks(run: Path) -> Iterator[Check]:
    """What can be seen without a client."""
    for check in (process, engine_lock):
        yield _named(check, run)


def checks(clients: Clients, stack: str) -> Iterator[Check]:
    """What AWS, real or embedded, is asked."""
    prefix = f"{PROJECT}-{stack}"
    for plain in (image_store, training):
        yield _named(plain, clients)
    for prefixed in (dead_letters, alarms, executions):
        yield _named(prefixed, clients, prefix)


def _named(check: Callable[..., Finding], *given: Any) -> Check:
    bound = partial(check, *given)
    bound.__name__ = check.__name__  # type: ignore[attr-defined]
    return bound
