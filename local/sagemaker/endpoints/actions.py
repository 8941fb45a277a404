"""The actions on models, endpoint configurations and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import events, registry, tags
from local.sagemaker.context import Context
from local.sagemaker.endpoints import deployment
from local.sagemaker.endpoints.manager import CONFIG, ENDPOINT, MODEL, RUNNING, Manager
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
        "ProductionVariants": deployment.variants(config),
        **deployment.capture(config),
    }
    answer = _create(context, ENDPOINT, "endpoint", request, extra)
    context.store.put(RUNNING, request["EndpointName"], config)
    events.endpoint_changed(context, context.store.require(ENDPOINT, request["EndpointName"]))
    manager.create(request["EndpointName"])
    return answer


def update_endpoint(context: Context, manager: Manager, request: Request) -> Answer:
    """UpdateEndpoint: the old servers stay until the new ones are healthy and no alarm sounds; otherwise for good."""
    wanted = _config(context, request)
    with context.store.lock:
        endpoint = _settled(context, request)
        config = deployment.effective(wanted, endpoint, request)
        guards = deployment.guards(request, endpoint, config)
        changed = context.store.update(
            ENDPOINT,
            endpoint["EndpointName"],
            EndpointStatus="Updating",
            LastModifiedTime=context.clock.now(),
            PendingDeploymentSummary=deployment.pending(context, config),
            **({"LastDeploymentConfig": guards} if guards else {}),
        )
    events.endpoint_changed(context, changed)
    manager.update(endpoint["EndpointName"], config, guards)
    return {"EndpointArn": endpoint["EndpointArn"]}


def update_weights(context: Context, manager: Manager, request: Request) -> Answer:
    """UpdateEndpointWeightsAndCapacities: how requests are shared, and how many machines a variant says it has.

    A variant is one process here, however many machines it has.
    """
    asked = {one["VariantName"]: one for one in request["DesiredWeightsAndCapacities"]}
    with context.store.lock:
        endpoint = _settled(context, request)
        config = manager.running(endpoint)
        if unknown := sorted(set(asked) - {one["VariantName"] for one in config["ProductionVariants"]}):
            raise ValidationError(f"The endpoint has no variant {unknown[0]}")
        changed = context.store.update(ENDPOINT, endpoint["EndpointName"], EndpointStatus="Updating")
    events.endpoint_changed(context, changed)
    variants = [deployment.scaled(one, asked.get(one["VariantName"], {})) for one in config["ProductionVariants"]]
    manager.scale(endpoint["EndpointName"], {**config, "ProductionVariants": variants})
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
    context.store.delete(RUNNING, endpoint["EndpointName"])
    tags.forget(context, endpoint["EndpointArn"])
    manager.delete(endpoint["EndpointName"])
    events.endpoint_changed(
        context, {**endpoint, "EndpointStatus": "Deleting", "LastModifiedTime": context.clock.now()}
    )
    return {}


def _settled(context: Context, request: Request) -> Record:
    """The endpoint, if an update may begin; a failed one can only be deleted (DescribeEndpoint, EndpointStatus)."""
    endpoint = _require(context, ENDPOINT, "endpoint", request["EndpointName"])
    if endpoint["EndpointStatus"] not in ("InService", "UpdateRollbackFailed"):
        raise ValidationError(f"Cannot update endpoint in status {endpoint['EndpointStatus']}")
    return endpoint


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
