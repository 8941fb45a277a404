"""Application Auto Scaling of endpoint variants, recording only: no alarm is made and no number of machines changes.

Who registers a variant needs the rights that the service would use then, and an endpoint that is there: both are
asked for, so that a role or an order that AWS would refuse is refused here.
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from local.sagemaker.context import Context
from local.sagemaker.endpoints.manager import ENDPOINT
from local.sagemaker.errors import ServiceError, ValidationError
from local.sagemaker.listing import page
from local.sagemaker.ports import Credentials
from local.sagemaker.state import Record

SERVICE: Final = "application-autoscaling"
TARGET: Final = "AnyScaleFrontendService"
TARGETS, POLICIES = "ScalableTarget", "ScalingPolicy"
_VARIANT = re.compile(r"^endpoint/([^/]+)/variant/([^/]+)$")
_PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_SERVICE_ROLE = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
_SERVICE_ROLE += "/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"

Request = Mapping[str, Any]


class ObjectNotFoundError(ServiceError):
    """No such target or policy."""

    code = "ObjectNotFoundException"
    status = 400


def act(context: Context, caller: Credentials, action: str, request: Request) -> dict[str, Any]:
    """One action, with the caller's rights."""
    resource = "*" if action.startswith("Describe") else _target_arn(context, request)
    asked = {
        "application-autoscaling:service-namespace": request["ServiceNamespace"],
        "application-autoscaling:scalable-dimension": request.get("ScalableDimension", ""),
    }
    context.cloud.authorize(caller, f"{SERVICE}:{action}", resource, asked)
    if action in _ON_BEHALF:
        endpoint, _ = _variant(request)
        for right, place in _ON_BEHALF[action]:
            context.cloud.authorize(caller, right, _place(context, place, endpoint))
    return ACTIONS[action](context, request)


def register(context: Context, request: Request) -> dict[str, Any]:
    """RegisterScalableTarget: new, or other bounds."""
    endpoint, variant = _variant(request)
    found = context.store.get(ENDPOINT, endpoint)
    if found is None or variant not in {one["VariantName"] for one in found["ProductionVariants"]}:
        raise ValidationError(f"{request['ResourceId']} does not exist")
    before = context.store.get(TARGETS, request["ResourceId"]) or {"CreationTime": context.clock.now()}
    target: Record = {**before, **{name: value for name, value in request.items() if name != "Tags"}}
    if "MinCapacity" not in target or "MaxCapacity" not in target:
        raise ValidationError("MinCapacity and MaxCapacity are needed to register a scalable target")
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise ValidationError("MaxCapacity must be at least MinCapacity")
    arn = _target_arn(context, request)
    role = f"arn:aws:iam::{context.scope.account}:role/{_SERVICE_ROLE}"
    context.store.put(TARGETS, request["ResourceId"], {**target, "RoleARN": role, "ScalableTargetARN": arn})
    return {"ScalableTargetARN": arn}


def deregister(context: Context, request: Request) -> dict[str, Any]:
    """DeregisterScalableTarget: its policies go with it."""
    target = _require(context, request)
    context.store.delete(TARGETS, target["ResourceId"])
    for policy in context.store.all(POLICIES):
        if policy["ResourceId"] == target["ResourceId"]:
            context.store.delete(POLICIES, policy["PolicyARN"])
    return {}


def put_policy(context: Context, request: Request) -> dict[str, Any]:
    """PutScalingPolicy: target tracking; the alarms that AWS would make for it are not made."""
    target = _require(context, request)
    if (
        request.get("PolicyType") != "TargetTrackingScaling"
        or "TargetTrackingScalingPolicyConfiguration" not in request
    ):
        raise ValidationError("The embedded Application Auto Scaling keeps policies of type TargetTrackingScaling only")
    scope, identifier = context.scope, hashlib.sha256(target["ResourceId"].encode()).hexdigest()[:32]
    arn = (
        f"arn:aws:autoscaling:{scope.region}:{scope.account}:scalingPolicy:{identifier}:"
        f"resource/sagemaker/{target['ResourceId']}:policyName/{request['PolicyName']}"
    )
    made = (context.store.get(POLICIES, arn) or {}).get("CreationTime", context.clock.now())
    context.store.put(POLICIES, arn, {**request, "PolicyARN": arn, "Alarms": [], "CreationTime": made})
    return {"PolicyARN": arn, "Alarms": []}


def describe_targets(context: Context, request: Request) -> dict[str, Any]:
    """DescribeScalableTargets."""
    wanted = request.get("ResourceIds")
    rows = [one for one in context.store.all(TARGETS) if not wanted or one["ResourceId"] in wanted]
    return page(rows, request, "ScalableTargets")


def describe_policies(context: Context, request: Request) -> dict[str, Any]:
    """DescribeScalingPolicies."""
    wanted = request.get("ResourceId")
    rows = [one for one in context.store.all(POLICIES) if not wanted or one["ResourceId"] == wanted]
    return page(rows, request, "ScalingPolicies")


ACTIONS: Final = {
    "RegisterScalableTarget": register,
    "DeregisterScalableTarget": deregister,
    "PutScalingPolicy": put_policy,
    "DescribeScalableTargets": describe_targets,
    "DescribeScalingPolicies": describe_policies,
}
_ON_BEHALF: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "RegisterScalableTarget": (
        ("sagemaker:DescribeEndpoint", "endpoint"),
        ("sagemaker:DescribeEndpointConfig", "endpoint-config"),
        ("sagemaker:UpdateEndpointWeightsAndCapacities", "endpoint"),
    ),
    "PutScalingPolicy": (("cloudwatch:PutMetricAlarm", "alarm"), ("cloudwatch:DescribeAlarms", "alarm")),
    "DeregisterScalableTarget": (("cloudwatch:DeleteAlarms", "alarm"),),
}


def _place(context: Context, kind: str, endpoint: str) -> str:
    scope = context.scope
    if kind == "alarm":  # as AWS names it: TargetTracking-endpoint/NAME/variant/NAME-AlarmHigh-...
        return f"arn:aws:cloudwatch:{scope.region}:{scope.account}:alarm:TargetTracking-endpoint/{endpoint}/variant/any"
    if kind == "endpoint-config":
        found = context.store.get(ENDPOINT, endpoint) or {}
        return scope.arn(kind, found.get("EndpointConfigName", endpoint))
    return scope.arn(kind, endpoint)


def _variant(request: Request) -> tuple[str, str]:
    found = _VARIANT.match(request["ResourceId"])
    if request["ServiceNamespace"] != "sagemaker" or found is None:
        raise ValidationError("The embedded Application Auto Scaling knows variants of SageMaker endpoints only")
    return found[1], found[2]


def _target_arn(context: Context, request: Request) -> str:
    number = hashlib.sha256("/".join(str(request.get(name)) for name in _PLACE).encode()).hexdigest()[:32]
    return f"arn:aws:application-autoscaling:{context.scope.region}:{context.scope.account}:scalable-target/{number}"


def _require(context: Context, request: Request) -> Record:
    target = context.store.get(TARGETS, request["ResourceId"])
    if target is None:
        raise ObjectNotFoundError(f"No scalable target registered for {request['ResourceId']}")
    return target
