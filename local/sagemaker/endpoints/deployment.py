"""How an endpoint goes from one configuration to the next: what it keeps, what guards it, and the alarms that stop it.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.errors import ServiceError, ValidationError
from local.sagemaker.ports import Credentials
from local.sagemaker.state import Record

SECONDS_A_MINUTE = 1.0
"""Baking is shortened: each minute that WaitIntervalInSeconds asks for is watched for one second."""
_LOOK_SECONDS = 0.25
_RETAINED = {"DesiredWeight": ("InitialVariantWeight", "DesiredWeight")}
_RETAINED |= {"DesiredInstanceCount": ("InitialInstanceCount", "DesiredInstanceCount")}
"""Property that an update may retain: the configuration's member, and the endpoint's. Of data capture the service's
reference (VariantProperty) says "not currently supported": it is the new configuration's."""

Request = Mapping[str, Any]


def effective(config: Record, endpoint: Record, request: Request) -> Record:
    """The configuration as it will run: with RetainAllVariantProperties, variants keep what they have."""
    if not request.get("RetainAllVariantProperties"):
        return config
    excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties") or []}
    running = {one["VariantName"]: one for one in endpoint["ProductionVariants"]}
    kept = [pair for name, pair in _RETAINED.items() if name not in excluded]
    return {
        **config,
        "ProductionVariants": [
            {**one, **{to: running[one["VariantName"]][of] for to, of in kept if one["VariantName"] in running}}
            for one in config["ProductionVariants"]
        ],
    }


def scaled(variant: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A variant with the weight and the number of machines that somebody wants now."""
    return {**variant, **{to: asked[of] for to, of in _RETAINED.values() if of in asked}}


def guards(request: Request, endpoint: Record, config: Record) -> dict[str, Any]:
    """DeploymentConfig, checked as SageMaker does; {} where none is asked for."""
    asked = request.get("DeploymentConfig")
    if asked is None and request.get("RetainDeploymentConfig"):
        asked = endpoint.get("LastDeploymentConfig")
    if not asked:
        return {}
    if "RollingUpdatePolicy" in asked:
        raise ValidationError("The embedded SageMaker updates endpoints by blue and green only")
    before, after = (
        {one["VariantName"] for one in variants}
        for variants in (endpoint["ProductionVariants"], config["ProductionVariants"])
    )
    if before != after:
        raise ValidationError("A guarded deployment needs the variant names of the endpoint in service")
    routing = asked.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type") == "CANARY" and any(one["InitialInstanceCount"] < 2 for one in config["ProductionVariants"]):
        raise ValidationError("A canary is half of a variant's instances at most: it needs two instances")
    return dict(asked)


def pending(context: Context, config: Record) -> dict[str, Any]:
    """PendingDeploymentSummary of DescribeEndpoint while an update is under way."""
    return {
        "EndpointConfigName": config["EndpointConfigName"],
        "StartTime": context.clock.now(),
        "ProductionVariants": variants(config),
    }


def variants(config: Record) -> list[dict[str, Any]]:
    """ProductionVariants as DescribeEndpoint shows them."""
    shown: list[dict[str, Any]] = []
    for variant in config["ProductionVariants"]:
        weight = variant.get("InitialVariantWeight", 1.0)
        count = variant.get("InitialInstanceCount", 1)
        shown.append(
            {
                "VariantName": variant["VariantName"],
                "CurrentWeight": weight,
                "DesiredWeight": weight,
                "CurrentInstanceCount": count,
                "DesiredInstanceCount": count,
            }
        )
    return shown


def capture(config: Record) -> dict[str, Any]:
    """DataCaptureConfig as DescribeEndpoint shows it; {} without."""
    asked = config.get("DataCaptureConfig")
    if not asked:
        return {}
    summary = {
        "EnableCapture": asked.get("EnableCapture", True),
        "CaptureStatus": "Started" if asked.get("EnableCapture", True) else "Stopped",
        "CurrentSamplingPercentage": asked["InitialSamplingPercentage"],
        "DestinationS3Uri": asked["DestinationS3Uri"],
        "KmsKeyId": asked.get("KmsKeyId", ""),
    }
    return {"DataCaptureConfig": summary}


def alarm(context: Context, caller: Credentials | None, deployment: Mapping[str, Any]) -> str:
    """Bake: why the update must be undone, as a sentence, or "". Looks with the rights of the model's role.

    The whole traffic has moved by then, also of a canary. An alarm that does not exist undoes the update too: nobody
    could tell that the new servers are well.
    """
    names = [one["AlarmName"] for one in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    if not names or caller is None:
        return ""
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    seconds = routing.get("WaitIntervalInSeconds", 0) / 60 * SECONDS_A_MINUTE
    for _ in range(1 + math.ceil(seconds / _LOOK_SECONDS)):
        try:
            states = context.cloud.alarm_states(caller, names)
        except ServiceError as error:
            return f"The alarms of the deployment cannot be seen: {error.message}"
        if missing := [name for name in names if name not in states]:
            return f"The deployment's alarm {missing[0]} does not exist"
        if sounding := [name for name in names if states[name] == "ALARM"]:
            return f"The deployment was rolled back: alarm {', '.join(sounding)} is in ALARM"
        if context.clock.wait(_LOOK_SECONDS, context.closing):
            return ""
    return ""
