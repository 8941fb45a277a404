"""Redriving: each dead letter goes back where it came from, and nothing that is not understood is thrown away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from operations.redrive import Names, classify, redrive_dead_letters, redrive_executions

REFERENCE = {"bucket": "landing", "key": "upload/a.dcm", "etag": "e", "size": 7}
S3_EVENT = {
    "source": "aws.s3",
    "detail": {"bucket": {"name": "landing"}, "object": {"key": "upload/a.dcm", "etag": "e", "size": 7, "x": 1}},
}
IMPORT = {"study_key": "a" * 32, "enqueued_at": "t"}
FINISHED = {"source": "aws.medical-imaging", "detail": {"jobId": "j"}}
LETTERS = [json.dumps(body) for body in (S3_EVENT, {"objects": [REFERENCE]}, IMPORT, FINISHED, [1])] + ["no json"]


@pytest.mark.parametrize(
    ("body", "kind"),
    zip(LETTERS, ["upload", "upload", "import", "event", "unknown", "unknown"], strict=True),
    ids=["S3's event", "uploads", "an import", "a finished job", "a list", "a text"],
)
def test_a_dead_letter_says_what_it_is(body: str, kind: str) -> None:
    found, content = classify(body)
    assert found == kind
    if kind == "upload":
        assert content == {"objects": [REFERENCE]}


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Names]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dlq", "upload", "import")}
        names = Names(
            dead_letter_urls=(urls["dlq"],),
            upload_queue_url=urls["upload"],
            import_queue_url=urls["import"],
            function_name="f",
            state_machine_arn="m",
        )
        for letter in LETTERS:
            sqs.send_message(QueueUrl=urls["dlq"], MessageBody=letter)
        yield sqs, names


def waiting(sqs: Any, url: str) -> list[Any]:
    return [
        json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    ]


def test_dead_letters_go_back_and_the_unknown_ones_stay(queues: Any) -> None:
    sqs, names = queues
    invoked: list[dict[str, Any]] = []
    functions = SimpleNamespace(invoke=lambda **request: invoked.append(request))
    result = redrive_dead_letters(sqs, functions, names)
    assert result.counts == {"upload": 2, "import": 1, "event": 1, "unknown": 2}
    assert waiting(sqs, names.upload_queue_url) == [{"objects": [REFERENCE]}] * 2
    assert waiting(sqs, names.import_queue_url) == [IMPORT]
    assert [(call["InvocationType"], json.loads(call["Payload"])) for call in invoked] == [("Event", FINISHED)]
    attributes = sqs.get_queue_attributes(QueueUrl=names.dead_letter_urls[0], AttributeNames=["All"])["Attributes"]
    kept = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert sum(int(attributes[name]) for name in kept) == 2


def test_a_dry_run_changes_nothing(queues: Any) -> None:
    sqs, names = queues
    assert sum(redrive_dead_letters(sqs, None, names, dry_run=True).counts.values()) == len(LETTERS)
    assert waiting(sqs, names.upload_queue_url) == []


class Machines:
    """Step Functions with two failed executions, one of them long ago; redriving is refused where told."""

    class exceptions:  # noqa: N801 - boto3's spelling
        ClientError = ClientError

        class ExecutionAlreadyExists(Exception):  # noqa: N818
            pass

    def __init__(self, *, redrives: bool, kind: str = "STANDARD") -> None:
        self.redrives = redrives
        self.kind = kind
        self.started: list[dict[str, Any]] = []

    def describe_state_machine(self, **_: Any) -> dict[str, str]:
        return {"type": self.kind}

    def get_paginator(self, _: str) -> Any:
        assert self.kind == "STANDARD", "AWS refuses to list the executions of an Express machine"
        now = datetime.now(UTC)
        executions = [
            {"executionArn": "new", "startDate": now},
            {"executionArn": "old", "startDate": now - timedelta(40)},
        ]
        return SimpleNamespace(
            paginate=lambda **asked: [{"executions": executions if asked["statusFilter"] == "FAILED" else []}]
        )

    def redrive_execution(self, **_: Any) -> None:
        if not self.redrives:
            raise ClientError({"Error": {"Code": "InvalidAction", "Message": ""}}, "RedriveExecution")

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        return {"input": "{}"}

    def start_execution(self, **request: Any) -> None:
        if request in self.started:
            raise self.exceptions.ExecutionAlreadyExists
        self.started.append(request)


@pytest.mark.parametrize(("redrives", "kinds"), [(True, ["redriven"] * 2), (False, ["restarted", "already redriven"])])
def test_failed_executions_are_taken_up_again_once(queues: Any, redrives: bool, kinds: list[str]) -> None:
    machines, since = Machines(redrives=redrives), datetime.now(UTC) - timedelta(days=14)
    found = [redrive_executions(machines, queues[1], since=since).counts for _ in range(2)]
    assert found == [{kind: 1} for kind in kinds]
    assert redrive_executions(machines, queues[1], since=since, dry_run=True).counts == {"executions": 1}


def test_an_express_machine_has_no_executions_to_take_up(queues: Any) -> None:
    machines = Machines(redrives=True, kind="EXPRESS")
    assert redrive_executions(machines, queues[1], since=datetime.now(UTC)).counts == {}
