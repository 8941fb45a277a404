"""How the endpoint moves from one model to the next: blue and green, and the alarms that take an update back."""

from __future__ import annotations

from typing import Any, Final

from components._base import Context
from components._configuration_models import RegistrySettings
from components._iam import Statement
from components.alarms import MINUTE, AlarmRow, Metric
from components.dashboards import VARIANT

ERRORS: Final = "endpoint-errors"
LATENCY: Final = "endpoint-latency"
PERIODS: Final = 2
"""Minutes over the bound: one bad minute of a model that just loaded is no reason to go back."""
_MICROSECONDS: Final = 1000  # in a millisecond


def endpoint_rows(endpoint: str, *, error_percent: float, latency_milliseconds: float) -> list[AlarmRow]:
    """The alarms on the endpoint's one variant: on blue and green together, as AWS's examples watch them.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
    """
    return [
        AlarmRow(
            role=ERRORS,
            meaning="The model in service fails: too many requests end in a 5xx. An update under way is undone.",
            threshold=error_percent / 100,
            unit="of the requests",
            metrics={"errors": _serving("Invocation5XXErrors", endpoint, "Average")},
            periods=PERIODS,
        ),
        AlarmRow(
            role=LATENCY,
            meaning="The model in service is slow (p99). An update under way is undone.",
            threshold=latency_milliseconds * _MICROSECONDS,
            unit="microseconds",
            metrics={"latency": _serving("ModelLatency", endpoint, "p99")},
            periods=PERIODS,
        ),
    ]


def deployment_config(context: Context, registry: RegistrySettings) -> dict[str, Any]:
    """DeploymentConfig of UpdateEndpoint.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html
    """
    asked = registry.deployment
    routing: dict[str, Any] = {"Type": asked.traffic, "WaitIntervalInSeconds": asked.bake_seconds}
    if asked.traffic == "CANARY":
        routing["CanarySize"] = {"Type": "CAPACITY_PERCENT", "Value": asked.canary_percent}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": asked.termination_wait_seconds,
            "MaximumExecutionTimeoutInSeconds": asked.maximum_seconds,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarm_names(context)]},
    }


def alarm_names(context: Context) -> list[str]:
    """Names of the alarms, known before they exist; SageMaker takes ten at most."""
    return [context.naming.name(role, limit=255) for role in (ERRORS, LATENCY)]


def look_at_alarms(context: Context) -> Statement:
    """SageMaker looks at the alarms of an update with the rights of the roles that are behind it."""
    return Statement(
        sid="LookAtDeploymentAlarms",
        actions=["cloudwatch:DescribeAlarms"],
        resources=[context.naming.arn("cloudwatch", f"alarm:{name}") for name in alarm_names(context)],
    )


def _serving(name: str, endpoint: str, statistic: str) -> Metric:
    return Metric(
        namespace="AWS/SageMaker",
        name=name,
        dimensions={"EndpointName": endpoint, "VariantName": VARIANT},
        statistic=statistic,
        period_seconds=MINUTE,
    )
