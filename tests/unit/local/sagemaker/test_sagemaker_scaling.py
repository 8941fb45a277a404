# ruff: noqa: F811 - fixtures arrive as arguments
"""Application Auto Scaling, recording only: what ModelRegistry registers by its own code, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model_registry.adapters import SageMakerHosting
from model_registry.scaling import NAMESPACE, ScalingPlan, VariantScaling
from tests.unit.lambdas.model_registry.test_registry import GROUP, PLAN, Recorder, recorder  # noqa: F401 - a fixture
from tests.unit.local.sagemaker.test_registry_on_the_stand_in import (  # noqa: F401 - fixtures
    client,
    client_of,
    serving,
)
from tests.unit.local.sagemaker.test_registry_on_the_stand_in import registry as plain  # noqa: F401 - a fixture
from tests.unit.local.sagemaker.test_sagemaker_endpoints import endpoint  # noqa: F401 - a fixture

BOUNDS = ScalingPlan(minimum=1, maximum=4, invocations_per_instance=120, scale_out_seconds=300, scale_in_seconds=600)
PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture
def autoscaling(client_of: Callable[[str], Any]) -> Any:
    return client_of("application-autoscaling")


@pytest.fixture
def registry(plain: Any, client: Any, autoscaling: Any) -> Any:
    """ModelRegistry with `registry.scaling`; version 2 waits for a decision."""
    plain.packages.decide(plain.packages.version(2), "PendingManualApproval", "")
    return replace(plain, hosting=SageMakerHosting(client, PLAN, VariantScaling(autoscaling, GROUP, BOUNDS)))


def test_a_variant_scales_once_it_is_in_service_and_keeps_its_machines_over_an_update(
    registry: Any, serving: Any, client: Any, autoscaling: Any
) -> None:
    registry.deploy(1, "admin-1")
    serving()
    (target,) = autoscaling.describe_scalable_targets(ServiceNamespace=NAMESPACE)["ScalableTargets"]
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        f"endpoint/{GROUP}/variant/primary",
        1,
        4,
    )
    (policy,) = autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE)["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 120.0
    grown = [{"VariantName": "primary", "DesiredInstanceCount": 3}]  # what the service does on a busy day
    client.update_endpoint_weights_and_capacities(EndpointName=GROUP, DesiredWeightsAndCapacities=grown)
    serving()
    registry.approve(2, "better", "admin-1")
    assert autoscaling.describe_scalable_targets(ServiceNamespace=NAMESPACE)["ScalableTargets"] == []
    assert autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE)["ScalingPolicies"] == []
    found = serving()
    assert found["EndpointConfigName"].startswith(f"{GROUP}-v2-")
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 3, "RetainAllVariantProperties"
    assert len(autoscaling.describe_scalable_targets(ServiceNamespace=NAMESPACE)["ScalableTargets"]) == 1


@pytest.mark.parametrize(
    ("action", "changes", "told"),
    [
        ("RegisterScalableTarget", {"ResourceId": "endpoint/e/variant/w"}, ("ValidationException", "does not exist")),
        ("RegisterScalableTarget", {"ServiceNamespace": "ecs"}, ("ValidationException", "SageMaker endpoints only")),
        ("RegisterScalableTarget", {"MaxCapacity": 0}, ("ValidationException", "at least MinCapacity")),
        ("RegisterScalableTarget", {"MinCapacity": "1"}, ("ValidationException", "must be of type integer")),
        ("PutScalingPolicy", {"PolicyName": "p"}, ("ObjectNotFoundException", "No scalable target")),
        ("DeregisterScalableTarget", {}, ("ObjectNotFoundException", "No scalable target")),
        ("DeleteScheduledAction", {}, ("UnknownOperationException", "does not serve")),
    ],
)
def test_what_the_service_would_refuse_is_refused(
    api: Any, endpoint: Any, action: str, changes: dict[str, Any], told: tuple[str, str]
) -> None:
    endpoint()
    known = {**PLACE, **({"MinCapacity": 1, "MaxCapacity": 2} if action.startswith("Register") else {}), **changes}
    code, message = refusal(api, action, **known)
    assert (code, told[1] in message) == (told[0], True), message


def test_who_registers_needs_the_rights_that_scaling_will_use(api: Any, endpoint: Any) -> None:
    endpoint()
    api.cloud.asked.clear()
    status, _ = ask(api, "RegisterScalableTarget", **PLACE, MinCapacity=1, MaxCapacity=2)
    assert status == 200
    assert [(action, arn.rpartition(":")[2]) for _, action, arn in api.cloud.asked][1:] == [
        ("sagemaker:DescribeEndpoint", "endpoint/e"),
        ("sagemaker:DescribeEndpointConfig", "endpoint-config/c"),
        ("sagemaker:UpdateEndpointWeightsAndCapacities", "endpoint/e"),
    ]
    api.cloud.denied.add(("", "cloudwatch:PutMetricAlarm"))
    policy = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
    tracking = {
        "TargetValue": 1.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"},
    }
    code, message = refusal(
        api, "PutScalingPolicy", **PLACE, **policy, TargetTrackingScalingPolicyConfiguration=tracking
    )
    assert (code, "cloudwatch:PutMetricAlarm" in message) == ("AccessDeniedException", True)


def ask(api: Any, action: str, **request: Any) -> tuple[int, dict[str, Any]]:
    headers = {"x-amz-target": f"AnyScaleFrontendService.{action}"}
    status, _, body = api.service.answer("POST", "/", headers, json.dumps(request).encode(), {})
    return status, json.loads(body)


def refusal(api: Any, action: str, **request: Any) -> tuple[str, str]:
    status, answer = ask(api, action, **request)
    assert status == 400, answer
    return answer["__type"], answer["message"]
