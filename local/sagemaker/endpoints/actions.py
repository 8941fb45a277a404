"""The actions on models, endpoint configurations and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import events, registry, tags
from local.sagemaker.context import Context
from local.sagemaker.endpoints.manager import CONFIG, ENDPOINT, MODEL, Manager
from local.sagemaker.errors import ValidationError
from local.sagemaker.listing import page, pick, select
from local.sagemaker.state import Record

Request = Mapping[str, Any]
Answer = dict[str, Any]


def create_model(context: Context, request: Request) -> Answer:
    """CreateModel; a model package must be approved before it can be used."""
    containers = [*request.get("Containers", [])]
    if "PrimaryContainer" in request:
        containers.append(request["PrimaryContainer"])
    if len(containers) != 1:
        raise ValidationError("The embedded SageMaker serves models of exactly one container")
    if package := containers[0].get("ModelPackageName"):
        status = registry.require_package(context, package)["ModelApprovalStatus"]
        if status != "Approved":
            raise ValidationError(f"Cannot create Model from ModelPackage {package} with approval status {status}")
    elif not containers[0].get("ModelDataUrl"):
        raise ValidationError("The container needs ModelDataUrl or ModelPackageName")
    if "ExecutionRoleArn" not in request:
        raise ValidationError("ExecutionRoleArn is needed")
    return _create(context, MODEL, "model", request)


def describe_model(context: Context, request: Request) -> Answer:
    """DescribeModel."""
    return _require(context, MODEL, "model", request["ModelName"])


def list_models(context: Context, request: Request) -> Answer:
    """ListModels."""
    return _list(context, MODEL, "Model", request, "Models")


def delete_model(context: Context, request: Request) -> Answer:
    """DeleteModel; endpoints that run it go on."""
    return _delete(context, MODEL, "model", request["ModelName"])


def create_config(context: Context, request: Request) -> Answer:
    """CreateEndpointConfig; its models must exist."""
    variants = request.get("ProductionVariants") or []
    names = [variant.get("VariantName") for variant in variants]
    if not variants or len(set(names)) != len(names):
        raise ValidationError("ProductionVariants needs at least one variant, each with its own VariantName")
    for variant in variants:
        _require(context, MODEL, "model", variant.get("ModelName", ""))
    return _create(context, CONFIG, "endpoint-config", request)


def describe_config(context: Context, request: Request) -> Answer:
    """DescribeEndpointConfig."""
    return _require(context, CONFIG, "endpoint configuration", request["EndpointConfigName"])


def list_configs(context: Context, request: Request) -> Answer:
    """ListEndpointConfigs."""
    return _list(context, CONFIG, "EndpointConfig", request, "EndpointConfigs")


def delete_config(context: Context, request: Request) -> Answer:
    """DeleteEndpointConfig."""
    return _delete(context, CONFIG, "endpoint configuration", request["EndpointConfigName"])


def create_endpoint(context: Context, manager: Manager, request: Request) -> Answer:
    """CreateEndpoint: answers at once, the endpoint becomes InService or Failed."""
    config, now = _config(context, request), context.clock.now()
    extra = {
        "EndpointStatus": "Creating",
        "LastModifiedTime": now,
        "ProductionVariants": variants(config),
        **_capture(config),
    }
    answer = _create(context, ENDPOINT, "endpoint", request, extra)
    events.endpoint_changed(context, context.store.require(ENDPOINT, request["EndpointName"]))
    manager.create(request["EndpointName"])
    return answer


def update_endpoint(context: Context, manager: Manager, request: Request) -> Answer:
    """UpdateEndpoint: the old servers answer until the new ones are healthy; if they never are, the old ones stay."""
    config = _config(context, request)
    with context.store.lock:
        endpoint = _require(context, ENDPOINT, "endpoint", request["EndpointName"])
        if endpoint["EndpointStatus"] not in ("InService", "Failed"):
            raise ValidationError(f"Cannot update endpoint in status {endpoint['EndpointStatus']}")
        guards = _guards(request, endpoint, config)
        changed = context.store.update(
            ENDPOINT,
            endpoint["EndpointName"],
            EndpointStatus="Updating",
            LastModifiedTime=context.clock.now(),
            **guards,
        )
    events.endpoint_changed(context, changed)
    manager.update(endpoint["EndpointName"], config["EndpointConfigName"], endpoint["EndpointStatus"])
    return {"EndpointArn": endpoint["EndpointArn"]}


def describe_endpoint(context: Context, request: Request) -> Answer:
    """DescribeEndpoint."""
    return _require(context, ENDPOINT, "endpoint", request["EndpointName"])


def list_endpoints(context: Context, request: Request) -> Answer:
    """ListEndpoints."""
    records = context.store.all(ENDPOINT)
    if status := request.get("StatusEquals"):
        records = [record for record in records if record["EndpointStatus"] == status]
    members = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    return page([pick(r, *members) for r in select(records, request, name="EndpointName")], request, "Endpoints")


def delete_endpoint(context: Context, manager: Manager, request: Request) -> Answer:
    """DeleteEndpoint: ends its servers."""
    endpoint = _require(context, ENDPOINT, "endpoint", request["EndpointName"])
    context.store.delete(ENDPOINT, endpoint["EndpointName"])
    tags.forget(context, endpoint["EndpointArn"])
    manager.delete(endpoint["EndpointName"])
    events.endpoint_changed(
        context, {**endpoint, "EndpointStatus": "Deleting", "LastModifiedTime": context.clock.now()}
    )
    return {}


def variants(config: Record) -> list[dict[str, Any]]:
    """ProductionVariants as DescribeEndpoint shows them."""
    shown = []
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


def _capture(config: Record) -> dict[str, Any]:
    capture = config.get("DataCaptureConfig")
    if not capture:
        return {}
    summary = {
        "EnableCapture": capture.get("EnableCapture", True),
        "CaptureStatus": "Started" if capture.get("EnableCapture", True) else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }
    return {"DataCaptureConfig": summary}


def _guards(request: Request, endpoint: Record, config: Record) -> dict[str, Any]:
    """DeploymentConfig, checked as SageMaker does and kept; traffic is exchanged at once, and no alarm is watched."""
    if not (asked := request.get("DeploymentConfig")):
        return {}
    before, after = (
        {one["VariantName"] for one in variants}
        for variants in (endpoint["ProductionVariants"], config["ProductionVariants"])
    )
    if before != after:
        raise ValidationError("A guarded deployment needs the variant names of the endpoint in service")
    routing = asked.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type") == "CANARY" and any(one["InitialInstanceCount"] < 2 for one in config["ProductionVariants"]):
        raise ValidationError("A canary is half of a variant's instances at most: it needs two instances")
    return {"LastDeploymentConfig": asked}


def _config(context: Context, request: Request) -> Record:
    return _require(context, CONFIG, "endpoint configuration", request["EndpointConfigName"])


def _create(
    context: Context, kind: str, arn_kind: str, request: Request, extra: Mapping[str, Any] | None = None
) -> Answer:
    prefix = kind  # the API calls the members of a Model ModelName, ModelArn, and so on
    name = request[f"{prefix}Name"]
    arn = context.scope.arn(arn_kind, name)
    record = {key: value for key, value in request.items() if key != "Tags"}
    with context.store.lock:
        if context.store.get(kind, name):
            raise ValidationError(f'Cannot create already existing {prefix} "{arn}".')
        context.store.put(
            kind, name, {**record, f"{prefix}Arn": arn, "CreationTime": context.clock.now(), **(extra or {})}
        )
    tags.put(context, arn, request.get("Tags") or [])
    return {f"{prefix}Arn": arn}


def _require(context: Context, kind: str, what: str, name: str) -> Record:
    record = context.store.get(kind, name)
    if record is None:
        raise ValidationError(f'Could not find {what} "{name}": it does not exist.')
    return record


def _list(context: Context, kind: str, prefix: str, request: Request, member: str) -> Answer:
    members = (f"{prefix}Name", f"{prefix}Arn", "CreationTime")
    rows = [pick(record, *members) for record in select(context.store.all(kind), request, name=f"{prefix}Name")]
    return page(rows, request, member)


def _delete(context: Context, kind: str, what: str, name: str) -> Answer:
    record = _require(context, kind, what, name)
    context.store.delete(kind, name)
    tags.forget(context, next(value for key, value in record.items() if key.endswith("Arn") and f"/{name}" in value))
    return {}
