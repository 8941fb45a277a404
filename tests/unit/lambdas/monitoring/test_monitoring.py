# ruff: noqa: PLR0917, N803 - fixtures arrive as arguments, fakes have the service's argument names
"""Monitoring: nothing acknowledged is lost, and a broken part is an answer."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import monitoring.handler as entry
from lambda_shared.errors import InvalidEventError
from lambda_shared.tracking import TrackedImage
from monitoring.adapters import AwsProbes, IngestionWorkflow
from monitoring.ports import Retrieval, Upload
from monitoring.service import Monitoring

UPLOADS = "proj-local-training-data-111122223333"


@dataclass
class Recorder:
    """The bus."""

    events: list[Any] = field(default_factory=list)

    def publish(self, data: Any, event_id: str) -> None:
        self.events.append(data)


@dataclass
class FakeProbes:
    """Parts that answer, unless named broken."""

    broken: set[str] = field(default_factory=set)
    delivered: datetime | None = None

    def _answer(self, name: str) -> None:
        if name in self.broken:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret text"}}, "Op")

    def data_store(self) -> None:
        self._answer("data_store")

    def tracking_table(self) -> None:
        self._answer("tracking_table")

    def state_machine(self) -> None:
        self._answer("state_machine")

    def import_queue(self) -> None:
        self._answer("import_queue")

    def retrieval(self) -> Retrieval | None:
        self._answer("retrieval")
        return Retrieval(milliseconds=12.5, compression_ratio=2.5)

    def last_audit_delivery(self) -> datetime | None:
        self._answer("audit_log")
        return self.delivered


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def probes() -> FakeProbes:
    return FakeProbes()


@pytest.fixture
def monitor(recorder: Recorder, probes: Any, meter: Any, clock: Any) -> Monitoring:
    return Monitoring(probes=probes, publisher=recorder, meter=meter, clock=clock)


def test_a_healthy_platform_says_so(monitor: Monitoring, meter: Any) -> None:
    answer = monitor.health()
    assert answer["healthy"] is True
    measured = {"RetrievalLatency": 12.5, "CompressionRatio": 2.5}
    assert meter.counts == {"DataStoreErrors": 0, "HealthCheckFailed": 0, **measured}


def test_a_broken_part_is_the_answer_and_no_error(monitor: Monitoring, probes: FakeProbes, meter: Any) -> None:
    probes.broken = {"data_store", "import_queue", "retrieval"}
    answer: Any = monitor.health()
    assert answer["healthy"] is False
    assert answer["checks"] == {
        "data_store": "AccessDeniedException",
        "tracking_table": "ok",
        "state_machine": "ok",
        "import_queue": "AccessDeniedException",
        "audit_log": "ok",
    }
    assert meter.counts == {"DataStoreErrors": 2, "HealthCheckFailed": 2}, "a retrieval that fails is an error, too"


@pytest.mark.parametrize(("minutes", "told"), [(5, 0), (16, 1)], ids=["in time", "late"])
def test_the_audit_logs_lag_is_measured_and_reported_when_it_is_too_long(
    monitor: Monitoring, probes: FakeProbes, recorder: Recorder, meter: Any, clock: Any, minutes: int, told: int
) -> None:
    probes.delivered = clock.now() - timedelta(minutes=minutes)
    assert monitor.audit_lag() == {"audit_lag_seconds": minutes * 60}
    assert meter.counts["AuditLogLagSeconds"] == minutes * 60
    assert len(recorder.events) == told


def test_without_a_trail_there_is_no_lag_and_no_metric(monitor: Monitoring, meter: Any) -> None:
    assert monitor.audit_lag() == {"audit_lag_seconds": None}
    assert meter.counts == {}


def test_a_trail_that_cannot_be_asked_does_not_hide_the_other_answers(monitor: Monitoring, probes: FakeProbes) -> None:
    probes.broken = {"audit_log"}
    answer: Any = monitor.health()
    assert (answer["checks"]["audit_log"], answer["audit_lag_seconds"]) == ("AccessDeniedException", None)
    assert answer["checks"]["data_store"] == "ok"


class FakeImaging:
    """A data store with one image set of one frame."""

    def __init__(self, status: str = "ACTIVE", sets: int = 1) -> None:
        self.status = status
        self.sets = sets

    def get_datastore(self, datastoreId: str) -> dict[str, Any]:
        return {"datastoreProperties": {"datastoreStatus": self.status}}

    def search_image_sets(self, **_: Any) -> dict[str, Any]:
        return {"imageSetsMetadataSummaries": [{"imageSetId": "i1"}] * self.sets}

    def get_image_set_metadata(self, **_: Any) -> dict[str, Any]:
        image = {"ImageFrames": [{"ID": "f1"}], "DICOM": {"Rows": 4, "Columns": 5, "BitsAllocated": 16}}
        document = {"Study": {"Series": {"s": {"Instances": {"a": {}, "b": image}}}}}
        return {"imageSetMetadataBlob": io.BytesIO(gzip.compress(json.dumps(document).encode()))}

    def get_image_frame(self, **request: Any) -> dict[str, Any]:
        assert request["imageFrameInformation"] == {"imageFrameId": "f1"}
        return {"imageFrameBlob": io.BytesIO(b"frame")}


class FakeTrail:
    def describe_trails(self, **_: Any) -> dict[str, Any]:
        return {"trailList": [{"TrailARN": "foreign"}, {"TrailARN": "a"}, {"TrailARN": "b"}]}

    def get_trail_status(self, Name: str) -> dict[str, Any]:
        if Name == "foreign":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetTrailStatus")
        return {"IsLogging": Name == "a", "LatestDeliveryTime": datetime(2026, 11, 21, tzinfo=UTC)}


def make_probes(tracking: Any, imaging: FakeImaging, queue_url: str) -> AwsProbes:
    machine = SimpleNamespace(describe_state_machine=lambda stateMachineArn: {"status": "DELETING"})
    clients = {
        "medical-imaging": imaging,
        "stepfunctions": machine,
        "sqs": boto3.client("sqs"),
        "cloudtrail": FakeTrail(),
    }
    return AwsProbes(clients, tracking, datastore_id="d", state_machine_arn="m", queue_url=queue_url)


def test_the_probes_ask_the_services(tracking: Any, import_queue: str) -> None:
    asked = make_probes(tracking, FakeImaging(), import_queue)
    asked.data_store()
    asked.tracking_table()
    asked.import_queue()
    read = asked.retrieval()
    assert read is not None
    assert read.milliseconds > 0
    assert read.compression_ratio == 4 * 5 * 2 / len(b"frame")
    assert asked.last_audit_delivery() == datetime(2026, 11, 21, tzinfo=UTC)
    with pytest.raises(Exception, match="STATE_MACHINE_DELETING"):
        asked.state_machine()
    with pytest.raises(Exception, match="DATASTORE_CREATING"):
        make_probes(tracking, FakeImaging("CREATING"), import_queue).data_store()
    assert make_probes(tracking, FakeImaging(sets=0), import_queue).retrieval() is None


def test_the_workflow_adapter_starts_an_execution_once_and_queues(import_queue: str, cloud: None) -> None:
    requests: list[dict[str, Any]] = []

    def start_execution(**request: Any) -> None:
        if requests:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists", "Message": ""}}, "StartExecution")
        requests.append(request)

    sqs = boto3.client("sqs")
    flow = IngestionWorkflow(
        SimpleNamespace(start_execution=start_execution),
        sqs,
        state_machine_arn="m",
        queue_url=import_queue,
        bucket=UPLOADS,
    )
    uploads = [Upload(key="upload/a", etag="e", size=3, received_at=datetime.now(UTC))]
    assert [flow.start(uploads, "n"), flow.start(uploads, "n")] == [True, False]
    assert json.loads(requests[0]["input"]) == {
        "objects": [{"bucket": UPLOADS, "key": "upload/a", "etag": "e", "size": 3}]
    }
    flow.queue_import("s" * 32, "t")
    body = sqs.receive_message(QueueUrl=import_queue)["Messages"][0]["Body"]
    assert json.loads(body) == {"study_key": "s" * 32, "enqueued_at": "t"}


def test_the_entry_point_dispatches_and_a_bare_schedule_means_health(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(health=lambda: {"a": 1}, audit_lag=lambda: {"a": 3})
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(entry, "monitoring", lambda: fake)
    monkeypatch.setattr(entry, "reconciler", lambda: SimpleNamespace(run=lambda **how: asked.append(how) or {"a": 2}))
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    events = [{}, {"operation": "reconcile", "full": True, "grace_seconds": 0}, {"operation": "audit-lag"}]
    assert [entry.handler(event, context)["a"] for event in events] == [1, 2, 3]
    assert asked == [{"full": True, "grace_seconds": 0}]
    with pytest.raises(InvalidEventError):
        entry.handler({"operation": "delete"}, context)


def test_a_tracked_image_knows_when_it_is_final() -> None:
    assert TrackedImage(object_id="a", status="IMPORTED").final
    assert not TrackedImage(object_id="a", status="VALIDATED").final
