"""The function's two queues: uploads are started in groups, and only what failed comes back, soon but ever later."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from image_ingestion.models import ImportRequest
from image_ingestion.queues import QueueConsumer, execution_name
from lambda_shared.errors import TransientError

UPLOAD_ARN = "arn:aws:sqs:us-east-1:111122223333:upload"


@dataclass
class FakeWorkflow:
    started: list[tuple[list[dict[str, Any]], str]] = field(default_factory=list)
    broken: bool = False

    def start(self, objects: list[dict[str, Any]], name: str) -> None:
        if self.broken:
            raise TransientError("ThrottlingException", "later")
        self.started.append((objects, name))


@dataclass
class FakeDeliveries:
    delays: list[tuple[str, str, int]] = field(default_factory=list)
    broken: bool = False

    def delay(self, queue_arn: str, receipt: str, seconds: int) -> None:
        if self.broken:
            raise TransientError("ServiceUnavailable", "later")
        self.delays.append((queue_arn, receipt, seconds))


def answers(messages: list[ImportRequest]) -> dict[str, Any]:
    """Studies that begin with b fail."""
    wrong = TransientError("InternalServerError", "later")
    return {m.study_key: wrong if m.study_key.startswith("b") else "started" for m in messages}


@pytest.fixture
def workflow() -> FakeWorkflow:
    return FakeWorkflow()


@pytest.fixture
def deliveries() -> FakeDeliveries:
    return FakeDeliveries()


@pytest.fixture
def consumer(workflow: FakeWorkflow, deliveries: FakeDeliveries) -> QueueConsumer:
    return QueueConsumer(request_imports=answers, workflow=workflow, deliveries=deliveries)


def record(identifier: str, body: Any, received: int = 1) -> dict[str, Any]:
    return {
        "messageId": identifier,
        "receiptHandle": f"receipt-{identifier}",
        "eventSourceARN": UPLOAD_ARN,
        "attributes": {"ApproximateReceiveCount": str(received)},
        "body": body if isinstance(body, str) else json.dumps(body),
    }


def upload(name: str, etag: str = "e") -> dict[str, Any]:
    return {"objects": [{"bucket": "landing", "key": f"upload/{name}.dcm", "etag": etag, "size": 7}]}


def test_an_express_workflow_gets_one_object_an_execution_and_only_the_failed_message_comes_back(
    deliveries: FakeDeliveries,
) -> None:
    class Picky(FakeWorkflow):
        def start(self, objects: list[dict[str, Any]], name: str) -> None:
            self.broken = objects[0]["key"] == "upload/b.dcm"
            super().start(objects, name)

    workflow = Picky()
    consumer = QueueConsumer(request_imports=answers, workflow=workflow, deliveries=deliveries, objects_per_execution=1)
    records = [record(name, upload(name)) for name in ("a", "b", "c")]
    assert consumer.consume(records) == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert [[one["key"] for one in objects] for objects, _ in workflow.started] == [["upload/a.dcm"], ["upload/c.dcm"]]
    assert len({name for _, name in workflow.started}) == 2


def test_a_burst_of_uploads_is_one_execution_with_each_object_once(
    consumer: QueueConsumer, workflow: FakeWorkflow
) -> None:
    records = [record(str(number), upload(name)) for number, name in enumerate(["b", "a", "b"])]
    assert consumer.consume(records) == {"batchItemFailures": []}
    ((objects, name),) = workflow.started
    assert [one["key"] for one in objects] == ["upload/a.dcm", "upload/b.dcm"]
    consumer.consume([record("9", upload("a")), record("8", upload("b"))])
    assert workflow.started[1][1] == name, "the same group, delivered again, has the same name"


def test_an_overwritten_upload_is_another_execution() -> None:
    assert execution_name(["landing/upload/a.dcm#1"]) != execution_name(["landing/upload/a.dcm#2"])
    assert len(execution_name(["x"])) <= 80, "the limit of Step Functions"


def test_uploads_come_back_when_the_workflow_cannot_be_started(
    consumer: QueueConsumer, workflow: FakeWorkflow, deliveries: FakeDeliveries
) -> None:
    workflow.broken = True
    answer = consumer.consume([record("1", upload("a")), record("2", upload("b"), received=3)])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert deliveries.delays == [(UPLOAD_ARN, "receipt-1", 15), (UPLOAD_ARN, "receipt-2", 60)]


def test_only_the_failed_messages_of_a_batch_come_back(consumer: QueueConsumer) -> None:
    bodies = [{"study_key": letter * 32, "enqueued_at": "t"} for letter in "abc"]
    records = [record(str(number), body) for number, body in enumerate([*bodies, "no json", {"objects": []}])]
    failed = consumer.consume(records)["batchItemFailures"]
    assert sorted(item["itemIdentifier"] for item in failed) == ["1", "3", "4"]


def test_the_pause_has_an_end_and_is_best_effort(consumer: QueueConsumer, deliveries: FakeDeliveries) -> None:
    consumer.consume([record("1", "no json", received=40)])
    assert deliveries.delays[0][2] == 900
    deliveries.broken = True
    assert consumer.consume([record("1", "no json")]) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
