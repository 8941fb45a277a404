# ruff: noqa: F811 - fixtures arrive as arguments
"""The endpoint's number of machines: registered when it settled, out of the way while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambda_shared.errors import ConfigurationError
from model_registry.adapters import SageMakerHosting
from model_registry.scaling import DIMENSION, NAMESPACE, ScalingPlan, VariantScaling
from model_registry.service import Registry
from model_registry.settings import Settings
from tests.unit.lambdas.model_registry.test_registry import (  # noqa: F401 - fixtures
    GROUP,
    PLAN,
    FakeSageMaker,
    Recorder,
    build,
    passed,
    recorder,
    refusal,
    sagemaker,
)

SCALING = ScalingPlan(minimum=2, maximum=4, invocations_per_instance=120, scale_out_seconds=300, scale_in_seconds=600)


@pytest.fixture
def autoscaling() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("application-autoscaling", region_name="us-east-1")


@pytest.fixture
def scaled(sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any, autoscaling: Any) -> Registry:
    """Version 1 is in service and has settled."""
    hosting = SageMakerHosting(sagemaker, PLAN, VariantScaling(autoscaling, GROUP, SCALING))
    made = replace(build(sagemaker, recorder, meter, clock), hosting=hosting)
    made.deploy(1, "admin-1")
    settle(made, sagemaker, "primary")
    return made


def settle(registry: Registry, sagemaker: FakeSageMaker, *variants: str) -> None:
    """SageMaker says that the endpoint is in service with those variants."""
    assert sagemaker.endpoint is not None
    sagemaker.endpoint["ProductionVariants"] = [{"VariantName": name} for name in variants]
    registry.endpoint_changed()


def targets(autoscaling: Any) -> dict[str, tuple[int, int]]:
    found = autoscaling.describe_scalable_targets(ServiceNamespace=NAMESPACE)["ScalableTargets"]
    return {one["ResourceId"].rpartition("/")[2]: (one["MinCapacity"], one["MaxCapacity"]) for one in found}


def test_a_settled_endpoint_follows_its_requests_between_the_bounds(scaled: Registry, autoscaling: Any) -> None:
    scaled.endpoint_changed()  # EventBridge may deliver twice
    assert targets(autoscaling) == {"primary": (2, 4)}
    (policy,) = autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE)["ScalingPolicies"]
    assert policy["ResourceId"] == f"endpoint/{GROUP}/variant/primary"
    assert policy["ScalableDimension"] == DIMENSION
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 120.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleOutCooldown": 300,
        "ScaleInCooldown": 600,
    }


def test_an_update_keeps_the_machines_and_waits_with_scaling_until_it_is_done(
    scaled: Registry, sagemaker: FakeSageMaker, autoscaling: Any
) -> None:
    scaled.passed(passed(2))
    assert targets(autoscaling) == {}
    assert sagemaker.endpoint is not None and sagemaker.endpoint["RetainAllVariantProperties"] is True
    left_out = {one["VariantPropertyType"] for one in sagemaker.endpoint["ExcludeRetainedVariantProperties"]}
    assert left_out == {"DesiredWeight", "DataCaptureConfig"}, "shares of a trial and capture are the new ones"
    sagemaker.endpoint["EndpointStatus"] = "Updating"
    scaled.endpoint_changed()
    assert targets(autoscaling) == {}, "an event of before must not begin it in the middle"
    sagemaker.endpoint["EndpointStatus"] = "InService"
    scaled.endpoint_changed()
    assert targets(autoscaling) == {"primary": (2, 4)}


def test_both_variants_of_a_trial_scale_and_none_is_left_behind(
    scaled: Registry, sagemaker: FakeSageMaker, autoscaling: Any
) -> None:
    scaled.trial(2, "is it better?", "admin-1")
    settle(scaled, sagemaker, "primary", "challenger")
    assert targets(autoscaling) == {"primary": (2, 4), "challenger": (2, 4)}
    scaled.end_trial(2, "enough", "admin-1")
    settle(scaled, sagemaker, "primary")
    assert targets(autoscaling) == {"primary": (2, 4)}


def test_an_update_that_is_refused_leaves_the_scaling_as_it_was(
    scaled: Registry, sagemaker: FakeSageMaker, autoscaling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise refusal("ValidationException", "no capacity")

    monkeypatch.setattr(sagemaker, "update_endpoint", refuse)
    with pytest.raises(Exception, match="no capacity"):
        scaled.passed(passed(2))
    assert targets(autoscaling) == {"primary": (2, 4)}


def test_without_a_plan_nobody_asks_application_auto_scaling(
    sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any
) -> None:
    made = build(sagemaker, recorder, meter, clock)
    made.deploy(1, "admin-1")
    settle(made, sagemaker, "primary")
    made.passed(passed(2))
    assert sagemaker.endpoint is not None and "RetainAllVariantProperties" not in sagemaker.endpoint


@pytest.mark.parametrize(("text", "sentence"), [("3", "JSON object"), ('{"maximum": 4}', "lacks a member")])
def test_a_scaling_plan_that_is_none_is_named(text: str, sentence: str) -> None:
    from dataclasses import fields

    values = {key.name.upper(): "true" if key.type == "bool" else "3" for key in fields(Settings)}
    with pytest.raises(ConfigurationError, match=sentence):
        Settings.from_env({**values, "SCALING": text}).scaling_plan()
