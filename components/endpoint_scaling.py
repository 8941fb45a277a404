"""How the number of the endpoint's machines follows its requests: ModelRegistry registers it when a model is served."""

from __future__ import annotations

from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._configuration_models import RegistrySettings
from components._iam import Statement
from components.boundary import SCALING_ALARMS

SERVICE: Final = "sagemaker.application-autoscaling.amazonaws.com"
_VARIANTS: Final = {
    "StringEquals": {
        "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
        "application-autoscaling:service-namespace": "sagemaker",
    }
}


def scaling_plan(registry: RegistrySettings) -> dict[str, Any]:
    """Members of lambdas/model_registry/scaling.py's ScalingPlan but the smallest number; empty: no scaling."""
    asked = registry.scaling
    if asked is None:
        return {}
    return {
        "maximum": asked.max_instances,
        "invocations_per_instance": asked.invocations_per_instance,
        "scale_out_seconds": asked.scale_out_seconds,
        "scale_in_seconds": asked.scale_in_seconds,
    }


def scaling_statements(context: Context, endpoint: str) -> list[Statement]:
    """Registers the endpoint's variants; the rights on machines and alarms are asked of whoever registers them.

    A target's own ARN is a number, so the condition says what may be scaled.
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
    """
    arn = context.naming.arn
    return [
        Statement(
            sid="ScaleVariants",
            actions=[
                "application-autoscaling:DeregisterScalableTarget",
                "application-autoscaling:PutScalingPolicy",
                "application-autoscaling:RegisterScalableTarget",
            ],
            resources=[arn("application-autoscaling", "scalable-target/*")],
            conditions=_VARIANTS,
        ),
        Statement(
            sid="FindScaledVariants",  # no resource-level right
            actions=["application-autoscaling:DescribeScalableTargets"],
            resources=["*"],
        ),
        Statement(
            sid="ChangeMachineCount",
            actions=["sagemaker:DescribeEndpointConfig", "sagemaker:UpdateEndpointWeightsAndCapacities"],
            resources=[arn("sagemaker", f"endpoint/{endpoint}"), arn("sagemaker", f"endpoint-config/{endpoint}*")],
        ),
        Statement(
            sid="AlarmsOfScaling",
            actions=["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"],
            resources=[arn("cloudwatch", f"alarm:{SCALING_ALARMS}{endpoint}/*")],
        ),
    ]


def scaling_role(name: str, tags: dict[str, str], opts: pulumi.ResourceOptions) -> aws.iam.ServiceLinkedRole:
    """What Application Auto Scaling itself does to endpoints and alarms, one an account; no workload may make it."""
    return aws.iam.ServiceLinkedRole(
        f"{name}-scaling-role",
        aws_service_name=SERVICE,
        description="Application Auto Scaling changes the number of an endpoint's machines",
        tags=tags,
        opts=opts,
    )
