"""Rules match what functions publish, and functions accept what rules deliver."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from components import dashboards, event_patterns, event_routes, openapi
from components.monitoring import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
ENVELOPE = {"schema_version": "1", "event_id": "0001", "occurred_at": "2026-11-21T12:00:00Z"}
OUR_EVENTS = {
    "ImageVerified": event_patterns.image_verified(),
    "ModelEvaluationPassed": event_patterns.model_evaluation_passed(),
    "MetricViolation": event_patterns.metric_violation(),
    "TrialDecided": event_patterns.trial_decided(),
}


def matches(pattern: Any, event: Any) -> bool:
    """EventBridge's matching, as far as our patterns use it: exact values and prefixes at any depth."""
    for key, wanted in pattern.items():
        value = event.get(key)
        if isinstance(wanted, dict):
            if not isinstance(value, dict) or not matches(wanted, value):
                return False
        elif not any(_accepts(choice, value) for choice in wanted):
            return False
    return True


def _accepts(choice: Any, value: Any) -> bool:
    if isinstance(choice, dict):
        return isinstance(value, str) and value.startswith(choice["prefix"])
    return choice == value


def test_every_source_that_a_rule_names_is_one_that_functions_use() -> None:
    from lambda_shared.events.publisher import Source

    named = {
        event_patterns.API_SOURCE,
        event_patterns.EVALUATION_SOURCE,
        event_patterns.REGISTRY_SOURCE,
        event_patterns.MONITORING_SOURCE,
    }
    assert named == set(get_args(Source))


@pytest.mark.parametrize("detail_type", sorted(OUR_EVENTS))
def test_a_rule_matches_the_event_that_the_model_describes(detail_type: str) -> None:
    from lambda_shared.events.models import DETAIL_TYPES

    assert detail_type in DETAIL_TYPES, "a rule waits for an event that nobody can publish"
    pattern = OUR_EVENTS[detail_type]
    source = pattern["source"][0]
    event = {"source": source if isinstance(source, str) else "imaging.monitoring", "detail-type": detail_type}
    assert matches(pattern, event)
    assert not matches(pattern, {**event, "detail-type": "SomethingElse"})
    assert not matches(pattern, {**event, "source": "aws.s3"})


def test_the_upload_rule_takes_uploads_and_nothing_that_ingestion_writes_itself() -> None:
    pattern = event_patterns.dicom_uploaded("landing")

    def created(bucket: str, key: str) -> dict[str, Any]:
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}

    assert matches(pattern, created("landing", "upload/a.dcm"))
    for key in ("validated/s/i.dcm", "import-input/t/i.dcm", "quarantine/x", "import-output/y", "uploads.txt"):
        assert not matches(pattern, created("landing", key)), "ingestion would call itself for ever"
    assert not matches(pattern, created("preprocessed", "upload/a.dcm"))


def test_the_upload_transformer_makes_what_the_state_machine_and_the_function_read() -> None:
    from image_ingestion.models import UploadMessage, WorkflowRequest

    event = {"detail": {"bucket": {"name": "landing"}, "object": {"key": "upload/a.dcm", "etag": "e1", "size": 7}}}
    text = event_patterns.UPLOAD_TEMPLATE
    for name, path in event_patterns.UPLOAD_PATHS.items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        text = text.replace(f"<{name}>", str(value))
    item = json.loads(text)["objects"][0]
    assert item == {"bucket": "landing", "key": "upload/a.dcm", "etag": "e1", "size": 7}
    assert WorkflowRequest.model_validate({"operation": "validate", "object": item}).object.size == 7
    assert UploadMessage.model_validate_json(text).objects[0].etag == "e1"


@pytest.mark.parametrize("status", ["Import Job Completed", "Import Job Failed"])
def test_the_import_rule_matches_both_ends_of_a_job_of_our_store_only(status: str) -> None:
    pattern = event_patterns.import_finished("d" * 32)
    event = {"source": "aws.medical-imaging", "detail-type": status, "detail": {"datastoreId": "d" * 32}}
    assert matches(pattern, event)
    assert not matches(pattern, {**event, "detail": {"datastoreId": "e" * 32}})


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("e", "IN_SERVICE", True),
        ("e", "UPDATE_ROLLBACK_FAILED", True),
        ("e", "FAILED", True),
        ("e", "ROLLING_BACK", False),
        ("e", "UPDATING", False),
        ("f", "IN_SERVICE", False),
    ],
)
def test_the_registry_hears_of_the_end_of_its_own_endpoints_updates(name: str, status: str, told: bool) -> None:
    from model_registry.models import EndpointEvent

    event = {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Endpoint State Change",
        "detail": {"EndpointName": name, "EndpointStatus": status, "EndpointConfigName": "c"},
    }
    assert matches(event_patterns.endpoint_settled("e"), event) == told
    assert EndpointEvent.model_validate(event).detail.endpoint_name == name


def test_a_pipeline_rule_matches_its_own_pipeline_and_status_only() -> None:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p"
    event = {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Building Pipeline Execution Status Change",
        "detail": {"pipelineArn": arn, "currentPipelineExecutionStatus": "Succeeded"},
    }
    assert matches(event_patterns.pipeline_execution(arn, "Succeeded"), event)
    assert not matches(event_patterns.pipeline_execution(arn, "Failed"), event)
    assert not matches(event_patterns.pipeline_execution(f"{arn}2", "Succeeded"), event)


def test_what_people_are_told_uses_only_fields_that_the_event_has() -> None:
    from lambda_shared.events.models import Envelope, MetricViolation

    data = MetricViolation(subject="s", metric="m", value=0.5, threshold=0.85, detail="d")
    event: Any = {"detail": Envelope[MetricViolation](**ENVELOPE, data=data).model_dump()}
    message = event_routes.VIOLATION_MESSAGE.template
    for name, path in event_routes.VIOLATION_MESSAGE.paths.items():
        value = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        message = message.replace(f"<{name}>", json.dumps(value))
    assert json.loads(message)["value"] == 0.5
    assert not re.findall(r"<\w+>", message), "a placeholder without a path arrives as it is written"


def test_the_drift_rule_takes_what_the_drift_check_publishes_and_no_other_violation() -> None:
    from model_evaluation.drift import METRIC_PREFIX
    from model_evaluation.handler import DriftRequest

    DriftRequest.model_validate_json(event_routes.DRIFT_INPUT)
    assert METRIC_PREFIX == event_patterns.DRIFT_METRIC
    event: dict[str, Any] = {"source": "imaging.model-evaluation", "detail-type": "MetricViolation"}
    drift = {**event, "detail": {"data": {"metric": f"{METRIC_PREFIX}intensity_p50"}}}
    assert matches(event_patterns.drift_found(), drift)
    assert matches(event_patterns.metric_violation(), drift), "people are told too"
    assert not matches(event_patterns.drift_found(), {**event, "detail": {"data": {"metric": "accuracy"}}})


def test_the_drift_check_reads_the_figures_that_training_and_serving_write() -> None:
    from model_evaluation import captures, drift
    from training import appearance, baseline, names

    assert ("probability", *appearance.NUMBERS) == captures.NUMBERS
    assert ("finding", *appearance.CATEGORIES) == captures.CATEGORIES
    assert (drift.SCHEMA, drift.BASELINE_FILE) == (baseline.SCHEMA, names.BASELINE_FILE)


@pytest.mark.parametrize("rule", sorted(OPERATIONS))
def test_a_schedule_asks_for_an_operation_that_monitoring_knows(rule: str) -> None:
    from monitoring.handler import Command

    Command.model_validate_json(OPERATIONS[rule])


def test_the_api_gateway_knows_the_routes_of_the_application() -> None:
    document = json.loads((ROOT / "api" / "openapi.json").read_text())
    served = {
        (path, method, operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert served == {(route.path, route.method, route.operation) for route in openapi.ROUTES}


@pytest.mark.parametrize("name", sorted(openapi.SCHEMAS))
def test_the_gateway_refuses_no_body_that_the_application_accepts(name: str) -> None:
    schema = json.loads((ROOT / "api" / "openapi.json").read_text())["components"]["schemas"][name]
    ours = openapi.SCHEMAS[name]
    assert set(ours["properties"]) == set(schema["properties"])
    assert set(ours["required"]) <= set(schema["required"])
    for field, fence in ours["properties"].items():
        said = schema["properties"][field]
        kinds = {said["type"]} if "type" in said else {choice["type"] for choice in said["anyOf"]}
        assert fence["type"] in kinds
        assert fence.get("enum", said.get("enum")) == said.get("enum")
        for bound, looser in (("maximum", max), ("maxLength", max), ("minimum", min)):
            if bound in fence and bound in said:
                assert looser(fence[bound], said[bound]) == fence[bound]


def test_the_dashboard_names_the_production_variant_that_the_registry_makes() -> None:
    from lambda_shared.trials import CHAMPION

    assert dashboards.VARIANT == CHAMPION
