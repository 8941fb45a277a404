# ruff: noqa: N803 - fixtures arrive as arguments, fakes have the service's argument names
"""Approval, deployment, rollback: each operation repeatable, each decision told to people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

import model_registry.handler as entry
from lambda_shared.errors import ConflictError, InvalidEventError, NotFoundError, TransientError
from lambda_shared.events.models import ModelEvaluationPassed
from model_registry.adapters import EndpointPlan, SageMakerHosting, SageMakerPackages, SnsHumans
from model_registry.decisions import DynamoDecisions
from model_registry.ports import Decision
from model_registry.service import Registry

GROUP = "proj-local-pneumonia"
ARN = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/{GROUP}/"
PLAN = EndpointPlan(
    endpoint_name=GROUP,
    role_arn="arn:aws:iam::111122223333:role/model",
    instance_type="ml.m5.large",
    data_capture_uri="s3://artifacts/endpoint-data-capture/",
    data_capture_percent=100,
    kms_key_arn="arn:aws:kms:us-east-1:111122223333:key/k",
)


def refusal(code: str, text: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, "Operation")


@dataclass
class FakeSageMaker:
    """Packages, models, configurations and one endpoint, refusing what the service refuses."""

    packages: dict[int, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    configs: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None

    def add(self, number: int, approval: str = "PendingManualApproval", group: str = GROUP) -> None:
        self.packages[number] = {
            "ModelPackageArn": f"{ARN}{number}",
            "ModelPackageVersion": number,
            "ModelPackageGroupName": group,
            "ModelApprovalStatus": approval,
            "CreationTime": datetime(2026, 11, 21, 11, 0, tzinfo=UTC),
            "InferenceSpecification": {
                "Containers": [{"Image": "image@sha256:0", "ModelDataUrl": f"s3://artifacts/{number}.tar.gz"}]
            },
        }

    def list_model_packages(self, **_: Any) -> dict[str, Any]:
        return {"ModelPackageSummaryList": list(self.packages.values())}

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        for package in self.packages.values():
            if package["ModelPackageArn"] == ModelPackageName:
                return package
        raise refusal("ValidationException", "ModelPackage does not exist")

    def update_model_package(self, ModelPackageArn: str, **changes: Any) -> None:
        self.describe_model_package(ModelPackageArn).update(changes)

    def create_model(self, **request: Any) -> None:
        self._once(self.models, request["ModelName"], request)

    def create_endpoint_config(self, **request: Any) -> None:
        self._once(self.configs, request["EndpointConfigName"], request)

    def _once(self, kind: dict[str, Any], name: str, request: dict[str, Any]) -> None:
        if name in kind:
            raise refusal("ValidationException", f"Cannot create already existing {name}")
        kind[name] = request

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        if self.endpoint is None:
            raise refusal("ValidationException", "Could not find endpoint")
        return self.endpoint

    def create_endpoint(self, **request: Any) -> None:
        assert self.endpoint is None
        self.endpoint = {**request, "EndpointStatus": "InService"}

    def delete_endpoint(self, **_: Any) -> None:
        self.endpoint = None

    def update_endpoint(self, **request: Any) -> None:
        assert self.endpoint is not None
        self.endpoint.update(request)


@dataclass
class Recorder:
    """People and the bus."""

    told: list[str] = field(default_factory=list)
    events: list[tuple[Any, str]] = field(default_factory=list)
    steps: list[tuple[str, int, str]] = field(default_factory=list)

    def tell(self, subject: str, message: str) -> None:
        self.told.append(subject)

    def record(self, decision: Decision) -> None:
        self.steps.append((decision.step, decision.version, decision.actor))

    def last(self, step: str) -> int | None:
        return next((version for found, version, _ in reversed(self.steps) if found == step), None)

    def newest(self) -> tuple[str, int] | None:
        return self.steps[-1][:2] if self.steps else None

    def publish(self, data: Any, event_id: str) -> None:
        self.events.append((data, event_id))


@pytest.fixture
def sagemaker() -> FakeSageMaker:
    fake = FakeSageMaker()
    fake.add(1, "Approved")
    fake.add(2)
    return fake


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def build(
    sagemaker: Any, recorder: Recorder, meter: Any, clock: Any, *, approve: bool = True, deploy: bool = True
) -> Registry:
    return Registry(
        packages=SageMakerPackages(sagemaker, GROUP),
        hosting=SageMakerHosting(sagemaker, PLAN),
        humans=recorder,
        decisions=recorder,
        publisher=recorder,
        meter=meter,
        clock=clock,
        endpoint_name=GROUP,
        auto_approve=approve,
        auto_deploy=deploy,
    )


@pytest.fixture
def registry(sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any) -> Registry:
    return build(sagemaker, recorder, meter, clock)


def passed(number: int) -> ModelEvaluationPassed:
    return ModelEvaluationPassed(
        model_package_arn=f"{ARN}{number}", model_version=number, accuracy=0.91, threshold=0.85, execution_arn="arn:e"
    )


def test_a_model_that_passed_is_approved_deployed_and_announced(
    registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder, meter: Any
) -> None:
    assert registry.passed(passed(2))["decision"] == "approved-and-deployed"
    assert sagemaker.packages[2]["ModelApprovalStatus"] == "Approved"
    assert sagemaker.endpoint is not None
    assert sagemaker.endpoint["EndpointConfigName"].startswith(f"{GROUP}-v2-")
    assert [type(data).__name__ for data, _ in recorder.events] == ["ModelDeployed"]
    assert meter.counts == {"ModelApproved": 1, "ModelDeployed": 1, "TimeToDeploy": 3600}


def test_the_endpoint_captures_data_and_encrypts_with_our_key(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.passed(passed(2))
    (config,) = sagemaker.configs.values()
    assert config["KmsKeyId"] == config["DataCaptureConfig"]["KmsKeyId"] == PLAN.kms_key_arn
    assert config["DataCaptureConfig"]["EnableCapture"] is True
    (model,) = sagemaker.models.values()
    told = {"MODEL_VERSION": "2"}  # what every answer of the endpoint names
    assert model["Containers"] == [{"ModelPackageName": f"{ARN}2", "Environment": told}]


def test_a_repeated_event_deploys_nothing_again(
    registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder, meter: Any
) -> None:
    registry.passed(passed(2))
    told, endpoint = list(recorder.told), dict(sagemaker.endpoint or {})
    assert registry.passed(passed(2))["change"] == "unchanged"
    assert (recorder.told, sagemaker.endpoint) == (told, endpoint)
    assert len({event_id for _, event_id in recorder.events}) == 1, "consumers drop the repeat by its id"
    assert meter.counts["ModelDeployed"] == 1


def test_without_auto_approval_a_human_is_asked(
    sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any
) -> None:
    answer = build(sagemaker, recorder, meter, clock, approve=False).passed(passed(2))
    assert answer["decision"] == "waiting-for-approval"
    assert sagemaker.packages[2]["ModelApprovalStatus"] == "PendingManualApproval"
    assert recorder.told == ["Model version 2 waits for approval"]
    assert sagemaker.endpoint is None


def test_a_persons_rejection_stands_above_a_late_event(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.reject(2, "wrong cohort", "admin-1")
    assert registry.passed(passed(2))["decision"] == "already-rejected"
    assert sagemaker.packages[2]["ModelApprovalStatus"] == "Rejected"
    assert "wrong cohort" in sagemaker.packages[2]["ApprovalDescription"]


def test_approval_without_auto_deploy_serves_nothing(
    sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any
) -> None:
    assert build(sagemaker, recorder, meter, clock, deploy=False).approve(2, "good", "a")["decision"] == "approved"
    assert sagemaker.endpoint is None


def test_rollback_serves_an_earlier_approved_version(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.passed(passed(2))
    assert registry.rollback(1, "drift", "admin-1")["decision"] == "rolled-back"
    assert sagemaker.endpoint is not None
    assert sagemaker.endpoint["EndpointConfigName"].startswith(f"{GROUP}-v1-")
    assert [package["ModelApprovalStatus"] for package in sagemaker.packages.values()] == ["Approved", "Rejected"]


def test_every_step_from_champion_to_rollback_is_recorded(registry: Registry, recorder: Recorder) -> None:
    registry.deploy(1, "admin-1")
    registry.notify_rejected(0.6, 0.85, "arn:e", "clause 4.1")
    registry.passed(passed(2))
    registry.rollback(1, "drift", "admin-1")
    registry.rollback(1, "drift", "admin-1")
    registry.reject(2, "drift", "admin-1")
    assert recorder.steps == [
        ("deployed", 1, "admin-1"),
        ("gate-refused", 0, "pipeline"),
        ("approved", 2, "automatic"),
        ("deployed", 2, "automatic"),
        ("rolled-back", 1, "admin-1"),
        ("withdrawn", 2, "admin-1"),
        ("deployed", 1, "admin-1"),
        ("rolled-back", 1, "admin-1"),
    ]


def test_only_a_rollback_goes_back(registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder) -> None:
    registry.passed(passed(2))
    before = list(recorder.steps)
    assert registry.passed(passed(1))["decision"] == "superseded", "a late event"
    for refused in (lambda: registry.approve(1, "r", "a"), lambda: registry.deploy(1, "a")):
        with pytest.raises(ConflictError):
            refused()
    assert sagemaker.endpoint is not None
    assert sagemaker.endpoint["EndpointConfigName"].startswith(f"{GROUP}-v2-")
    assert recorder.steps == before


def test_the_record_is_added_to_in_the_order_of_time(metrics_table: Any, clock: Any) -> None:
    record = DynamoDecisions(metrics_table, clock)
    metrics_table.put_item(Item={"model_version": "1", "evaluation_timestamp": "0", "evaluator": "onnxruntime"})
    for number in range(12):
        record.record(Decision(step="approved", version=number, actor="a", reason="r"))
    found = metrics_table.query(
        KeyConditionExpression="model_version = :p", ExpressionAttributeValues={":p": "decisions"}
    )["Items"]
    assert [int(item["version"]) for item in found] == list(range(12))
    assert found[0]["decided_at"] == "2026-11-21T12:00:00.000000Z"


@pytest.mark.parametrize("operation", ["deploy", "rollback"])
def test_a_version_nobody_vouched_for_is_not_served(
    registry: Registry, sagemaker: FakeSageMaker, operation: str
) -> None:
    with pytest.raises(ConflictError):
        registry.deploy(2, "a") if operation == "deploy" else registry.rollback(2, "r", "a")
    assert sagemaker.endpoint is None


def test_an_unknown_or_foreign_version_is_refused(registry: Registry, sagemaker: FakeSageMaker) -> None:
    with pytest.raises(NotFoundError):
        registry.approve(9, "r", "a")
    with pytest.raises(NotFoundError):
        registry.passed(passed(9))
    sagemaker.add(3, group="another-group")
    with pytest.raises(InvalidEventError):
        registry.passed(passed(3))


def test_an_endpoint_that_is_still_changing_is_left_alone(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.deploy(1, "a")
    assert sagemaker.endpoint is not None
    sagemaker.endpoint["EndpointStatus"] = "Updating"
    with pytest.raises(TransientError):
        registry.passed(passed(2))


def test_another_refusal_than_already_existing_is_not_swallowed(
    registry: Registry, sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise refusal("ValidationException", "role cannot be assumed")

    monkeypatch.setattr(sagemaker, "create_model", refuse)
    with pytest.raises(ClientError):
        registry.deploy(1, "a")


def test_names_stay_within_the_services_limit() -> None:
    plan = replace(PLAN, endpoint_name="p" * 63)
    assert max(len(plan.model_name(12345)), len(plan.config_name(12345))) <= 63
    assert PLAN.config_name(1) != PLAN.config_name(2)


def test_people_hear_of_a_refused_model_and_the_pipeline_gets_its_answer(
    registry: Registry, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "registry", lambda: registry)
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    event = {"operation": "notify-rejected", "accuracy": "0.61", "threshold": "0.85", "execution": "arn:aws:x"}
    assert entry.handler(event, context) == {"status": "notified"}
    assert recorder.told == ["The gate refused a model"]
    command = {"operation": "approve", "version": 2, "reason": "r", "actor": "sub-1"}
    assert entry.handler(command, context)["decision"] == "approved-and-deployed"
    assert entry.handler({"operation": "reject", "version": 2}, context)["decision"] == "rejected"
    assert entry.handler({"operation": "rollback", "version": 1}, context)["decision"] == "rolled-back"
    assert entry.handler({"operation": "deploy", "version": 1}, context)["change"] == "unchanged"
    for bad in ({"operation": "approve"}, {"operation": "drop", "version": 1}, {"operation": "approve", "version": 0}):
        with pytest.raises(InvalidEventError):
            entry.handler(bad, context)


def test_a_message_for_people_fits_sns(cloud: None) -> None:
    import boto3

    client = boto3.client("sns")
    topic = client.create_topic(Name="alerts")["TopicArn"]
    SnsHumans(client, topic).tell("s" * 300, "m")
