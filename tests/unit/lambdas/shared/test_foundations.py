# ruff: noqa: N803 - fixtures arrive as arguments, fakes have the service's argument names
"""Settings, errors, events, clock, metrics, labels and idempotency: what all functions stand on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import ValidationError

from lambda_shared import canary, clock, settings
from lambda_shared.errors import ConfigurationError, TransientError, aws_errors
from lambda_shared.events import EventPublisher, ImageVerified, ModelDeployed, deterministic_event_id, schemas
from lambda_shared.events.outbox import DynamoOutbox, Waiting
from lambda_shared.idempotency import once
from lambda_shared.labels import DynamoLabelsTable, Label
from lambda_shared.metrics import MetricName, PlatformMetrics
from lambda_shared.runtime import guarded

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, kw_only=True)
class Example:
    bucket_name: str
    seconds: int
    share: float
    automatic: bool


GOOD = {"BUCKET_NAME": "b", "SECONDS": "5", "SHARE": "0.85", "AUTOMATIC": "true"}


def test_settings_are_read_by_type_and_the_names_exist_once() -> None:
    assert settings.load(Example, GOOD) == Example(bucket_name="b", seconds=5, share=0.85, automatic=True)
    assert settings.keys(Example) == tuple(GOOD)


def test_all_mistakes_are_named_at_once_and_no_value_is() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        settings.load(Example, {"SECONDS": "five-secret", "SHARE": "1", "AUTOMATIC": "perhaps"})
    text = str(refusal.value)
    assert all(name in text for name in ("BUCKET_NAME is not set", "SECONDS must be a number", "AUTOMATIC must be"))
    assert "secret" not in text
    assert "SHARE" not in text


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "error",
    [client_error("ThrottlingException"), client_error("Weird", 503), EndpointConnectionError(endpoint_url="http://x")],
    ids=["throttled", "server error", "no connection"],
)
def test_what_a_retry_may_cure_becomes_the_one_retryable_class(error: Exception) -> None:
    with pytest.raises(TransientError) as translated, aws_errors("Operation"):
        raise error
    assert type(translated.value).__name__ == "TransientError", "Step Functions matches this very name"


def test_a_refusal_stays_a_refusal() -> None:
    with pytest.raises(ClientError), aws_errors("Operation"):
        raise client_error("AccessDeniedException")


def test_the_guard_translates_a_throttled_call_that_nobody_translated() -> None:
    def work(_: Any, __: Any) -> None:
        raise client_error("ThrottlingException")

    with pytest.raises(TransientError):
        guarded(work)({}, None)


def test_times_have_constant_width_so_that_text_order_is_time_order() -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)]
    texts = [clock.iso(moment) for moment in moments]
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {27}
    assert [clock.parse_iso(text) for text in texts] == moments


def test_the_committed_event_schemas_are_those_of_the_models() -> None:
    committed = {path.name: path.read_text() for path in schemas.FOLDER.glob("*.schema.json")}
    assert committed == schemas.schemas(), "run python -m lambda_shared.events.schemas"


class Bus:
    def __init__(self, failed: int = 0) -> None:
        self.entries: list[Any] = []
        self.failed = failed

    def put_events(self, Entries: list[Any]) -> dict[str, Any]:
        self.entries += Entries
        return {"FailedEntryCount": self.failed}


VERIFIED = ImageVerified(study_key="a" * 32, label_version=1, finding="normal", image_count=2)


def test_an_event_has_the_agreed_envelope() -> None:
    bus = Bus()
    EventPublisher(bus, "platform", "imaging.api").publish(VERIFIED, "id-1")
    detail = json.loads(bus.entries[0]["Detail"])
    assert (bus.entries[0]["Source"], bus.entries[0]["DetailType"]) == ("imaging.api", "ImageVerified")
    assert sorted(detail) == ["data", "event_id", "occurred_at", "schema_version"]
    assert detail["data"]["study_key"] == "a" * 32


def test_an_entry_that_the_bus_refused_is_not_taken_for_sent() -> None:
    with pytest.raises(TransientError):
        EventPublisher(Bus(failed=1), "platform", "imaging.api").publish(VERIFIED, "id-1")


def test_an_event_can_hold_no_identifier() -> None:
    with pytest.raises(ValidationError):
        ImageVerified(study_key="1.2.826.0.1", label_version=1, finding="normal", image_count=2)
    with pytest.raises(ValidationError):
        ModelDeployed(model_package_arn="a", model_version=1, endpoint_name="e", patient="x")  # type: ignore[call-arg]


def test_the_same_fact_has_the_same_event_id() -> None:
    assert deterministic_event_id("a", 1) == deterministic_event_id("a", 1) != deterministic_event_id("a", 2)


def test_metrics_are_written_without_dimension_and_by_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "monitoring")
    metrics = PlatformMetrics(namespace="ImagingPlatform")
    metrics.add_metric(name="StorageBytes", unit="Bytes", value=3)
    document = metrics.serialize_metric_set()
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[], ["service"]]
    assert (document["service"], document["StorageBytes"]) == ("monitoring", [3.0])


def test_every_platform_metric_that_an_alarm_watches_is_one_that_the_functions_write() -> None:
    source = (ROOT / "components" / "alarms.py").read_text()
    watched = set(re.findall(r'platform_metric\(\s*"(\w+)"', source))
    assert watched
    assert watched <= set(MetricName.__args__), "an alarm on a metric that nobody writes never fires"  # type: ignore[attr-defined]


def test_the_canary_names_what_cannot_be_imported() -> None:
    assert canary.failures(("lambda_shared",)) == {}
    assert canary.failures(("no_such_package",)) == {"no_such_package": "ModuleNotFoundError: no_such_package"}


def label(version: int = 1, **changes: Any) -> Label:
    values: dict[str, Any] = {
        "study_key": "s",
        "version": version,
        "finding": "normal",
        "certainty": "definite",
        "reader": "r",
        "created_at": f"2026-11-21T12:00:0{version}.000000Z",
        "image_count": 3,
    }
    return Label(**{**values, **changes})


def test_labels_are_appended_and_never_overwritten(labels_table: Any) -> None:
    labels = DynamoLabelsTable(labels_table)
    assert labels.commit([label(1)])
    assert not labels.commit([label(1, finding="pneumonia")]), "whoever lost the race is told so"
    assert labels.commit([label(2, finding="pneumonia")])
    assert [(entry.version, entry.finding) for entry in labels.versions("s")] == [(1, "normal"), (2, "pneumonia")]
    assert labels.get("s", 2) is not None
    assert labels.get("s", 3) is None
    assert [entry.version for entry in labels.verified_since("2026-11-21T12:00:01.500000Z")] == [2]


def test_a_label_and_its_announcement_are_written_together_or_not_at_all(labels_table: Any, outbox_table: Any) -> None:
    labels, outbox = DynamoLabelsTable(labels_table, "outbox"), DynamoOutbox(outbox_table)
    event = ImageVerified(study_key="a" * 32, label_version=1, finding="normal", image_count=3)
    waiting = Waiting.of(event, "e-1", "2026-11-21T12:00:00.000000Z")
    assert labels.commit([label(1, state="READ", role="second"), label(2, role="consensus")], waiting)
    assert [one.event() for one in outbox.undelivered("2026-11-21T12:00:01")] == [event]
    assert list(outbox.undelivered("2026-11-21T12:00:00")) == [], "what is younger is being announced right now"
    other = Waiting.of(event, "e-2", "2026-11-21T12:00:00.000000Z")
    assert not labels.commit([label(2), label(3)], other)
    assert (labels.get("s", 3), len(list(outbox.undelivered("2027")))) == (None, 1), "nothing of a lost race stays"
    assert [one.version for one in labels.reads()] == [1]
    outbox.take_out("e-1")
    assert list(outbox.undelivered("2027")) == []


def test_an_event_is_worked_on_once_and_a_failure_may_come_again(idempotency_table: Any) -> None:
    calls: list[int] = []

    def fail() -> dict[str, Any]:
        calls.append(0)
        raise TransientError("X", "later")

    def work() -> dict[str, Any]:
        calls.append(1)
        return {"decision": "started"}

    with pytest.raises(TransientError):
        once("idempotency", "event-1", None, fail)
    assert once("idempotency", "event-1", None, work) == {"decision": "started"}
    assert once("idempotency", "event-1", None, work) == {"decision": "started"}
    once("idempotency", "event-2", None, work)
    assert calls == [0, 1, 1]
