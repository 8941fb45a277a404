"""How many machines answer for a variant: target tracking by Application Auto Scaling.

The endpoint is made when a model is deployed, so its scaling is registered here and not by the program. An update of
the endpoint is no time to scale: the variants leave Application Auto Scaling before it and come back when it settled.
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from lambda_shared.errors import aws_errors

NAMESPACE: Final = "sagemaker"
DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
METRIC: Final = "SageMakerVariantInvocationsPerInstance"
POLICY: Final = "invocations-per-instance"


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """How far a variant's number of machines goes, and by what.

    Attributes:
        minimum, maximum: machines of a variant.
        invocations_per_instance: requests a minute and machine that scaling aims at.
        scale_out_seconds, scale_in_seconds: rest after a step up, and after a step down.
    """

    minimum: int
    maximum: int
    invocations_per_instance: int
    scale_out_seconds: int
    scale_in_seconds: int


class VariantScaling:
    """The variants of one endpoint in Application Auto Scaling; every operation may be repeated."""

    def __init__(self, autoscaling_client: Any, endpoint_name: str, plan: ScalingPlan) -> None:
        self._autoscaling = autoscaling_client
        self._endpoint_name = endpoint_name
        self._plan = plan

    def enrol(self, variants: Iterable[str]) -> None:
        """Let the variants scale; one that has fewer machines than the smallest number gets them."""
        for variant in variants:
            place = {"ResourceId": self._resource(variant), "ScalableDimension": DIMENSION}
            with aws_errors("RegisterScalableTarget"):
                self._autoscaling.register_scalable_target(
                    ServiceNamespace=NAMESPACE,
                    **place,
                    MinCapacity=self._plan.minimum,
                    MaxCapacity=self._plan.maximum,
                )
            with aws_errors("PutScalingPolicy"):
                self._autoscaling.put_scaling_policy(
                    PolicyName=POLICY,
                    ServiceNamespace=NAMESPACE,
                    **place,
                    PolicyType="TargetTrackingScaling",
                    TargetTrackingScalingPolicyConfiguration={
                        "TargetValue": float(self._plan.invocations_per_instance),
                        "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
                        "ScaleOutCooldown": self._plan.scale_out_seconds,
                        "ScaleInCooldown": self._plan.scale_in_seconds,
                    },
                )

    def leave(self, variants: Iterable[str]) -> None:
        """Take the variants out, with their policies and alarms; the machines stay as many as they are."""
        with aws_errors("DescribeScalableTargets"):
            found = self._autoscaling.describe_scalable_targets(
                ServiceNamespace=NAMESPACE,
                ResourceIds=[self._resource(variant) for variant in variants],
                ScalableDimension=DIMENSION,
            )
        for target in found["ScalableTargets"]:
            with aws_errors("DeregisterScalableTarget"):
                self._autoscaling.deregister_scalable_target(
                    ServiceNamespace=NAMESPACE, ResourceId=target["ResourceId"], ScalableDimension=DIMENSION
                )

    def _resource(self, variant: str) -> str:
        return f"endpoint/{self._endpoint_name}/variant/{variant}"
