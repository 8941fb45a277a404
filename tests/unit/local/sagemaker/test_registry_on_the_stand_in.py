# ruff: noqa: F811 - fixtures arrive as arguments
"""ModelRegistry's own code, by boto3, on the stand-in: what it makes of an update that alarms or servers undo."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from lambda_shared.errors import TransientError
from model_registry.adapters import SageMakerHosting
from model_registry.service import Registry
from tests.unit.lambdas.conftest import CountingMeter, SetClock
from tests.unit.lambdas.model_registry.test_registry import GROUP, PLAN, Recorder, build, recorder  # noqa: F401
from tests.unit.local.sagemaker.test_sagemaker_deployment import GUARDS, QUIET
from tests.unit.local.sagemaker.test_sagemaker_endpoints import FAKE_TENSORFLOW, HANDLER

CHANGE = "SageMaker Endpoint State Change"


class Raw(BytesIO):
    """A body as botocore reads one."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@pytest.fixture
def client_of(api: Any) -> Callable[[str], Any]:
    """boto3's clients: their requests go to the stand-in and nowhere else."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        status, told, body = api.service.answer("POST", "/", headers, request.body, {})
        return AWSResponse(request.url, status, told, Raw(body))

    def make(service: str) -> Any:
        made = boto3.client(service, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="none")
        made.meta.events.register(f"before-send.{service}", answer)
        return made

    return make


@pytest.fixture
def client(client_of: Callable[[str], Any]) -> Any:
    return client_of("sagemaker")


@pytest.fixture
def registry(api: Any, client: Any, recorder: Recorder, make_archive: Any) -> Any:
    """Version 1 is in service, version 2 approved; updates are guarded."""
    archive = make_archive(
        {"1/saved_model.pb": "", "code/inference.py": HANDLER, "code/lib/tensorflow.py": FAKE_TENSORFLOW}
    )
    client.create_model_package_group(ModelPackageGroupName=GROUP)
    for number in (1, 2):
        api.cloud.objects[f"b/{number}.tar.gz"] = archive
        container = {"Image": "i", "ModelDataUrl": f"s3://b/{number}.tar.gz"}
        client.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        )
    hosting = SageMakerHosting(client, replace(PLAN, deployment=GUARDS))
    yield replace(build(client, recorder, CountingMeter(), SetClock()), hosting=hosting)
    api.service.manager.close()


@pytest.fixture
def serving(registry: Registry, client: Any, api: Any) -> Callable[[], dict[str, Any]]:
    """The endpoint once it settled; the registry has heard of it as EventBridge tells it, every event twice."""
    heard = 0

    def wait() -> dict[str, Any]:
        nonlocal heard
        end = time.monotonic() + 30
        while True:
            found = client.describe_endpoint(EndpointName=GROUP)
            if found["EndpointStatus"] not in ("Creating", "Updating", "RollingBack"):
                break
            assert time.monotonic() < end, "the endpoint stays on its way"
            time.sleep(0.02)
        events = [detail for kind, detail in api.cloud.events if kind == CHANGE][heard:]
        heard += len(events)
        for detail in events:
            if detail["EndpointStatus"] in ("FAILED", "IN_SERVICE", "UPDATE_ROLLBACK_FAILED"):
                registry.endpoint_changed()
                registry.endpoint_changed()
        return found

    return wait


def approvals(client: Any) -> list[str]:
    rows = client.list_model_packages(ModelPackageGroupName=GROUP, SortOrder="Ascending")["ModelPackageSummaryList"]
    return [row["ModelApprovalStatus"] for row in rows]


def test_a_deployment_that_an_alarm_undid_is_withdrawn_recorded_and_told_once(
    api: Any, registry: Any, serving: Any, client: Any, recorder: Recorder
) -> None:
    client.update_model_package(ModelPackageArn=registry.packages.version(2).arn, ModelApprovalStatus="Rejected")
    registry.deploy(1, "admin-1")
    assert serving()["EndpointStatus"] == "InService"
    client.update_model_package(ModelPackageArn=registry.packages.version(2).arn, ModelApprovalStatus="Approved")
    api.cloud.alarms = {**QUIET, "endpoint-errors": "ALARM"}
    assert registry.deploy(2, "admin-1")["change"] == "updated"
    found = serving()
    assert registry.hosting.serving().number == 1
    assert approvals(client) == ["Approved", "Rejected"], "the newest approved version is the one in service"
    assert [(step, version) for step, version, _ in recorder.steps] == [
        ("deployed", 1),
        ("deployed", 2),
        ("deployment-undone", 2),
    ]
    assert recorder.told[-1] == "Deployment of model version 2 undone"
    assert "endpoint-errors is in ALARM" in found["FailureReason"]
    described = client.describe_model_package(ModelPackageName=registry.packages.version(2).arn)
    assert "endpoint-errors is in ALARM" in described["ApprovalDescription"]
    assert recorder.events[-1][0].model_version == 1
    assert registry.meter.counts["DeploymentUndone"] == 1


@pytest.fixture
def first_in_service(registry: Any, serving: Any) -> None:
    """Version 1 serves, and nobody has judged version 2."""
    registry.packages.decide(registry.packages.version(2), "PendingManualApproval", "")
    registry.deploy(1, "admin-1")
    serving()


@pytest.mark.usefixtures("first_in_service")
def test_quiet_alarms_let_the_better_version_into_service(
    api: Any, registry: Any, serving: Any, recorder: Recorder
) -> None:
    api.cloud.alarms = QUIET
    registry.approve(2, "better", "admin-1")
    serving()
    assert registry.hosting.serving().number == 2
    assert [step for step, _, _ in recorder.steps] == ["deployed", "approved", "deployed"]


@pytest.mark.usefixtures("first_in_service")
def test_a_rollback_while_the_alarms_still_watch_waits_for_the_update_and_then_goes_back(
    api: Any, registry: Any, serving: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def watch(*_: Any) -> dict[str, str]:
        assert client.describe_endpoint(EndpointName=GROUP)["EndpointConfigName"].startswith(f"{GROUP}-v1-")
        if not refused:
            refused.append("")
            try:
                registry.rollback(1, "errors", "admin-1")
            except TransientError as error:
                refused[0] = error.code
        return QUIET

    monkeypatch.setattr(api.cloud, "alarm_states", watch)
    registry.approve(2, "better", "admin-1")
    serving()
    assert refused == ["ENDPOINT_CHANGING"], "not `unchanged`: the endpoint was on its way to version 2"
    registry.rollback(1, "errors", "admin-1")
    serving()
    assert registry.hosting.serving().number == 1


@pytest.mark.usefixtures("first_in_service")
def test_where_sagemaker_could_not_go_back_people_hear_of_it_and_a_rollback_mends_it(
    api: Any, registry: Any, serving: Any, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = api.cloud.objects.pop("b/1.tar.gz")
    server = next(iter(api.service.manager._fleets[GROUP].servers.values()))

    def sound(*_: Any) -> dict[str, str]:
        server.close()
        return {**QUIET, "endpoint-errors": "ALARM"}

    monkeypatch.setattr(api.cloud, "alarm_states", sound)
    registry.approve(2, "better", "admin-1")
    assert serving()["EndpointStatus"] == "UpdateRollbackFailed"
    assert recorder.steps[-1] == ("deployment-undone", 2, "sagemaker")
    assert recorder.told.count("Deployment of model version 2 failed") == 1
    api.cloud.objects["b/1.tar.gz"] = kept
    assert registry.rollback(1, "mixed", "admin-1")["change"] == "updated"
    assert serving()["EndpointStatus"] == "InService"
    assert registry.hosting.serving().number == 1


def test_an_endpoint_that_failed_is_told_and_made_again_by_the_next_deployment(
    api: Any, registry: Any, serving: Any, recorder: Recorder
) -> None:
    kept = api.cloud.objects.pop("b/2.tar.gz")
    registry.deploy(2, "admin-1")
    assert serving()["EndpointStatus"] == "Failed"
    assert recorder.steps[-1] == ("deployment-undone", 2, "sagemaker")
    assert recorder.told.count("Deployment of model version 2 failed") == 1
    api.cloud.objects["b/2.tar.gz"] = kept
    with pytest.raises(TransientError, match="being removed"):
        registry.deploy(2, "admin-1")
    assert registry.deploy(2, "admin-1")["change"] == "created"
    assert serving()["EndpointStatus"] == "InService"
    assert recorder.steps[-1] == ("deployed", 2, "admin-1")
