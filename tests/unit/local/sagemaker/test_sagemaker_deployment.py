# ruff: noqa: F811 - fixtures arrive as arguments
"""Updates of an endpoint: what is refused, what is retained, and the alarms that take an update back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.local.sagemaker.test_sagemaker_endpoints import (  # noqa: F401 - a fixture
    JOB_ROLE,
    endpoint,
    invoke,
)

VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
ROUTING = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 180}
GUARDS = {
    "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": ROUTING},
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "endpoint-errors"}, {"AlarmName": "endpoint-latency"}]},
}
QUIET = {"endpoint-errors": "OK", "endpoint-latency": "INSUFFICIENT_DATA"}


def settled(api: Any) -> dict[str, Any]:
    """The endpoint once its update ended."""
    end = time.monotonic() + 30
    while (found := api("DescribeEndpoint", EndpointName="e"))["EndpointStatus"] in ("Updating", "RollingBack"):
        assert time.monotonic() < end, "the endpoint stays on its way"
        time.sleep(0.02)
    return found


@pytest.fixture
def update(api: Any, endpoint: Any) -> Callable[..., dict[str, Any]]:
    """`update(DeploymentConfig=...)`: the endpoint of configuration c goes to d; how it ended."""
    endpoint()
    api("CreateEndpointConfig", EndpointConfigName="d", ProductionVariants=[{**VARIANT, "InitialVariantWeight": 1.0}])

    def run(**request: Any) -> dict[str, Any]:
        api("UpdateEndpoint", EndpointName="e", EndpointConfigName="d", **request)
        return settled(api)

    return run


def told(api: Any) -> list[str]:
    """Statuses in the events of the endpoint."""
    return [d["EndpointStatus"] for kind, d in api.cloud.events if kind == "SageMaker Endpoint State Change"]


def test_an_alarm_during_the_update_takes_it_back(api: Any, update: Any) -> None:
    api.cloud.alarms = {**QUIET, "endpoint-latency": "ALARM"}
    before = api.service.manager._fleets["e"]
    found = update(DeploymentConfig=GUARDS)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c")
    assert "endpoint-latency is in ALARM" in found["FailureReason"]
    assert "PendingDeploymentSummary" not in found
    assert told(api) == ["CREATING", "IN_SERVICE", "UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    assert api.service.manager._fleets["e"] is before, "the old servers never ended"
    assert invoke(api, {"numbers": [2, 3]})[2]["sum"] == 5


def test_quiet_alarms_are_watched_for_a_second_a_minute_and_let_the_update_through(
    api: Any, update: Any, clock: Any
) -> None:
    api.cloud.alarms = QUIET
    found = update(DeploymentConfig=GUARDS)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "d"), found.get("FailureReason")
    assert sum(clock.waits) == pytest.approx(3.25)
    pending = next(d["PendingDeploymentSummary"] for _, d in api.cloud.events if d.get("EndpointStatus") == "UPDATING")
    assert pending["EndpointConfigName"] == "d"
    api.cloud.alarms = {**QUIET, "endpoint-errors": "ALARM"}
    api("UpdateEndpoint", EndpointName="e", EndpointConfigName="c", RetainDeploymentConfig=True)
    assert settled(api)["EndpointConfigName"] == "d", "the guards of the last deployment were asked for again"


def test_alarms_that_the_models_role_may_not_see_or_that_are_not_there_undo_the_update(api: Any, update: Any) -> None:
    api.cloud.alarms = {"endpoint-errors": "OK"}
    assert "endpoint-latency does not exist" in update(DeploymentConfig=GUARDS)["FailureReason"]
    api.cloud.denied.add((JOB_ROLE, "cloudwatch:DescribeAlarms"))
    found = update(DeploymentConfig=GUARDS)
    assert "not authorized to perform cloudwatch:DescribeAlarms" in found["FailureReason"]
    assert found["EndpointConfigName"] == "c"


def test_where_the_old_servers_cannot_come_back_the_rollback_failed(
    api: Any, update: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = api.service.manager._fleets["e"].servers["v"]

    def sound(*_: Any) -> dict[str, str]:
        server.close()
        api.cloud.objects.clear()
        return {**QUIET, "endpoint-errors": "ALARM"}

    monkeypatch.setattr(api.cloud, "alarm_states", sound)
    found = update(DeploymentConfig=GUARDS)
    assert found["EndpointStatus"] == "UpdateRollbackFailed"
    assert "endpoint-errors is in ALARM; then:" in found["FailureReason"]
    assert told(api)[-2:] == ["ROLLING_BACK", "UPDATE_ROLLBACK_FAILED"]


@pytest.mark.parametrize(
    ("request_", "weight", "count"),
    [
        pytest.param({}, 1.0, 1, id="the configuration's"),
        pytest.param({"RetainAllVariantProperties": True}, 0.5, 3, id="all retained"),
        pytest.param(
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            1.0,
            3,
            id="but the weight",
        ),
    ],
)
def test_variants_keep_what_they_were_scaled_to_where_that_is_asked_for(
    api: Any, update: Any, request_: dict[str, Any], weight: float, count: int
) -> None:
    wanted = [{"VariantName": "v", "DesiredWeight": 0.5, "DesiredInstanceCount": 3}]
    api("UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=wanted)
    assert settled(api)["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    (variant,) = update(**request_)["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (weight, count)
    (serving,) = api.service.manager._fleets["e"].config["ProductionVariants"]
    assert serving["InitialVariantWeight"] == weight, "the requests are shared by it"


def test_what_is_running_outlives_its_configuration_and_the_process(
    api: Any, update: Any, restarted: Callable[[], Any]
) -> None:
    wanted = [{"VariantName": "v", "DesiredWeight": 0.25}]
    api("UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=wanted)
    settled(api)
    update(RetainAllVariantProperties=True)
    api("DeleteEndpointConfig", EndpointConfigName="d")
    api.service.manager.close()
    after = restarted()
    try:
        assert invoke(after, {"numbers": [4]})[2]["sum"] == 4
        (variant,) = after.service.manager._fleets["e"].config["ProductionVariants"]
        assert variant["InitialVariantWeight"] == 0.25
    finally:
        after.service.manager.close()


def test_an_endpoint_deleted_during_its_update_leaves_no_server(
    api: Any, update: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, servers = api.service.manager._fleets["e"].servers["v"], []

    def delete(*_: Any) -> dict[str, str]:
        servers.append(api.service.manager._fleets["e"].servers["v"])
        api("DeleteEndpoint", EndpointName="e")
        return {**QUIET, "endpoint-errors": "ALARM"}

    monkeypatch.setattr(api.cloud, "alarm_states", delete)
    api("UpdateEndpoint", EndpointName="e", EndpointConfigName="d", DeploymentConfig=GUARDS)
    end = time.monotonic() + 20
    while (not servers or servers[0].alive() or old.alive()) and time.monotonic() < end:
        time.sleep(0.02)
    assert servers and not servers[0].alive() and not old.alive()
    assert api.refusal("DescribeEndpoint", EndpointName="e")[0] == "ValidationException"


def test_a_failed_endpoint_can_only_be_deleted(api: Any, endpoint: Any) -> None:
    api.cloud.denied.add((JOB_ROLE, "s3:read"))
    assert endpoint()["EndpointStatus"] == "Failed"
    assert "status Failed" in api.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")[1]
    api("DeleteEndpoint", EndpointName="e")


@pytest.mark.parametrize(
    ("action", "changes", "sentence"),
    [
        ("UpdateEndpoint", {"EndpointConfigName": None}, "needs the member 'EndpointConfigName'"),
        ("UpdateEndpoint", {"RetainAllVariants": True}, "no member 'RetainAllVariants'"),
        ("UpdateEndpoint", {"RetainAllVariantProperties": "yes"}, "must be of type boolean, not str"),
        (
            "UpdateEndpoint",
            {"ExcludeRetainedVariantProperties": [{"VariantPropertyType": "Weight"}]},
            "which VariantPropertyType does not have",
        ),
        (
            "UpdateEndpoint",
            {"DeploymentConfig": {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": str(n)} for n in range(11)]}}},
            "has 11 items, not from 1 to 10",
        ),
        (
            "UpdateEndpoint",
            {"DeploymentConfig": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY"}}}},
            "needs the member 'WaitIntervalInSeconds'",
        ),
        ("CreateEndpoint", {"EndpointName": "under_score"}, "does not look as EndpointName must"),
        ("CreateEndpoint", {"EndpointName": "e" * 64}, "has 64 characters, not from 0 to 63"),
        ("CreateEndpointConfig", {"ProductionVariants": []}, "has 0 items, not from 1 to 10"),
        ("CreateEndpointConfig", {"KmsKeyArn": "k"}, "no member 'KmsKeyArn'"),
        ("CreateModel", {"ExecutionRoleArn": "not-a-role-of-any-account"}, "does not look as RoleArn must"),
    ],
)
def test_what_the_services_shapes_do_not_allow_is_refused_by_name(
    api: Any, action: str, changes: dict[str, Any], sentence: str
) -> None:
    known = {
        "UpdateEndpoint": {"EndpointName": "e", "EndpointConfigName": "c"},
        "CreateEndpoint": {"EndpointName": "e", "EndpointConfigName": "c"},
        "CreateEndpointConfig": {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]},
        "CreateModel": {"ModelName": "m", "ExecutionRoleArn": JOB_ROLE},
    }
    request_ = {name: value for name, value in {**known[action], **changes}.items() if value is not None}
    code, message = api.refusal(action, **request_)
    assert code == "ValidationException" and sentence in message, message
