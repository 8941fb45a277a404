"""Sends again what was put aside: dead letters go back where they came from, failed executions start again.

Everything behind these entries may be repeated, so redriving twice does no harm. A dead letter is deleted after it was
handed on, never before. What is not understood stays in its queue and is counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

Kind = Literal["upload", "import", "event", "unknown"]
ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True, kw_only=True)
class Names:
    """Physical names and addresses of one stack's ingestion."""

    dead_letter_urls: tuple[str, ...]
    upload_queue_url: str
    import_queue_url: str
    function_name: str
    state_machine_arn: str


@dataclass
class Redriven:
    """What was sent again, by kind, and what stayed."""

    counts: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, kind: str) -> None:
        """Count one."""
        self.counts[kind] = self.counts.get(kind, 0) + 1


def classify(body: str) -> tuple[Kind, dict[str, Any]]:
    """What a dead letter is: uploads, an import request, or an event that a function should have got."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return "unknown", {}
    content = cast("dict[str, Any]", content)
    if content.get("source") == "aws.s3":  # EventBridge keeps the event as it was, before its transformer
        detail = content["detail"]
        found = detail["object"]
        reference = {"bucket": detail["bucket"]["name"], **{name: found[name] for name in ("key", "etag", "size")}}
        return "upload", {"objects": [reference]}
    marks: dict[str, Kind] = {"objects": "upload", "study_key": "import", "source": "event"}
    for mark, kind in marks.items():
        if mark in content:
            return kind, content
    return "unknown", content


def redrive_dead_letters(sqs: Any, functions: Any, names: Names, *, dry_run: bool = False) -> Redriven:
    """Hand every dead letter on and delete it; with `dry_run` only count what is there."""
    result = Redriven()
    for url in names.dead_letter_urls:
        for message in _messages(sqs, url, hide=0 if dry_run else 60):
            kind, content = classify(message["Body"])
            result.add(kind)
            if kind == "unknown" or dry_run:
                continue
            _hand_on(sqs, functions, names, kind, content)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return result


def _hand_on(sqs: Any, functions: Any, names: Names, kind: Kind, content: dict[str, Any]) -> None:
    if kind == "event":
        functions.invoke(FunctionName=names.function_name, InvocationType="Event", Payload=json.dumps(content).encode())
        return
    url = names.upload_queue_url if kind == "upload" else names.import_queue_url
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(content, sort_keys=True))


def _messages(sqs: Any, url: str, *, hide: int) -> Iterator[dict[str, Any]]:
    """Each message of a queue once."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=hide or 5)
        fresh = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not fresh:
            return
        seen |= {message["MessageId"] for message in fresh}
        yield from fresh


def redrive_executions(machines: Any, names: Names, *, since: datetime, dry_run: bool = False) -> Redriven:
    """Take failed executions of the ingestion machine up again.

    RedriveExecution goes on from the failed items (within 14 days); where it is not possible, a new execution gets the
    same input under a name made from the old one, so that a second call starts nothing twice. An Express machine keeps
    no executions to take up: its objects are driven again by the reconciler, and by a back-fill.
    """
    result = Redriven()
    if machines.describe_state_machine(stateMachineArn=names.state_machine_arn)["type"] == "EXPRESS":
        return result
    for status in ENDED_BADLY:
        pages = machines.get_paginator("list_executions").paginate(
            stateMachineArn=names.state_machine_arn, statusFilter=status
        )
        for execution in (one for page in pages for one in page["executions"]):
            if execution["startDate"].astimezone(UTC) < since:
                continue
            result.add("executions" if dry_run else _again(machines, names, execution))
    return result


def _again(machines: Any, names: Names, execution: dict[str, Any]) -> str:
    try:
        machines.redrive_execution(executionArn=execution["executionArn"])
    except machines.exceptions.ClientError:
        described = machines.describe_execution(executionArn=execution["executionArn"])
    else:
        return "redriven"
    name = f"redrive-{hashlib.sha256(execution['executionArn'].encode()).hexdigest()[:48]}"
    try:
        machines.start_execution(stateMachineArn=names.state_machine_arn, name=name, input=described["input"])
    except machines.exceptions.ExecutionAlreadyExists:
        return "already redriven"
    return "restarted"
