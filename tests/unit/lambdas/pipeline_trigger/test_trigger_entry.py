"""PipelineTrigger's entry point: queue records and commands."""

from __future__ import annotations

import json
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

import pipeline_trigger.handler as entry
from lambda_shared.errors import InvalidEventError
from pipeline_trigger.settings import Settings


def key(number: int) -> str:
    return f"{number:032x}"


def test_the_entry_point_decides_once_per_event(idempotency_table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    drifts: list[str] = []

    def verified(study_key: str, version: int) -> dict[str, Any]:
        asked.append((study_key, version))
        return {"decision": "waiting", "new_labels": 1}

    monkeypatch.setattr(
        entry,
        "trigger",
        lambda: SimpleNamespace(
            verified=verified,
            pipeline_ended=lambda: {"decision": "waiting"},
            drifted=lambda: drifts.append("drift") or {"decision": "busy"},
            start_selected=lambda keys: {"decision": "started", "studies": len(keys)},
        ),
    )
    for setting in fields(Settings):
        monkeypatch.setenv(setting.name.upper(), "x")
    monkeypatch.setenv("MIN_NEW_LABELS", "2")
    monkeypatch.setenv("IDEMPOTENCY_TABLE", "idempotency")
    data = {"study_key": key(1), "label_version": 3, "finding": "normal", "image_count": 1}
    detail = {"schema_version": "1", "event_id": "id-1", "occurred_at": "2026-11-21T12:00:00Z", "data": data}
    event = {"source": "imaging.api", "detail-type": "ImageVerified", "detail": detail}
    ended = {"source": "aws.sagemaker", "detail-type": "SageMaker Model Building Pipeline Execution Status Change"}

    def queued(*events: dict[str, Any]) -> dict[str, Any]:
        return {"Records": [{"messageId": str(n), "body": json.dumps(one)} for n, one in enumerate(events)]}

    context = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=1,
        invoked_function_arn="a",
        aws_request_id="r",
        get_remaining_time_in_millis=lambda: 1000,
    )
    assert entry.handler(queued(event, event, ended), context) == {"batchItemFailures": []}
    assert asked == [(key(1), 3)]
    found = {"subject": "arn", "metric": "drift:finding", "value": 0.5, "threshold": 0.25, "detail": "d"}
    drift = {**event, "detail-type": "MetricViolation", "detail": {**detail, "event_id": "id-2", "data": found}}
    assert entry.handler(queued(drift, drift), context) == {"batchItemFailures": []}
    assert drifts == ["drift"]
    wrong = {**event, "detail": {**detail, "schema_version": "9"}}
    assert entry.handler(queued(event, wrong), context) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert entry.handler({"operation": "start", "study_keys": [key(1)]}, context)["studies"] == 1
    for refused in ({"operation": "start", "study_keys": ["../x"]}, {"operation": "start", "study_keys": []}, event):
        with pytest.raises(InvalidEventError):
            entry.handler(refused, context)
