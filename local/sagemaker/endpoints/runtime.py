"""InvokeEndpoint: choose a variant, ask its server, capture, count (API reference, SageMaker Runtime)."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from local.sagemaker.context import Context
from local.sagemaker.endpoints.manager import ENDPOINT, Fleet, Manager
from local.sagemaker.endpoints.server import ModelServer, ServerReply
from local.sagemaker.errors import ModelError, ServiceError
from local.sagemaker.jobs.failure import JobFailedError

METRICS = "AWS/SageMaker"
_CUSTOM = "x-amzn-sagemaker-custom-attributes"
_ERROR_CHARACTERS = 1000
_ANSWERS = frozenset({"InService", "Updating", "RollingBack", "UpdateRollbackFailed"})
_random = random.Random()  # noqa: S311 - traffic split, not security

Reply = tuple[int, dict[str, str], bytes]


class RuntimeValidationError(ServiceError):
    """The runtime API spells this error differently from the control API."""

    code = "ValidationError"
    status = 400


class UnavailableError(ServiceError):
    """The endpoint exists but nothing answers."""

    code = "ServiceUnavailable"
    status = 503


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One request to an endpoint."""

    endpoint: str
    body: bytes
    content_type: str
    accept: str
    custom_attributes: str | None = None
    target_variant: str | None = None
    inference_id: str | None = None

    @classmethod
    def of(cls, endpoint: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """From the HTTP request; header names are lower case."""
        return cls(
            endpoint=endpoint,
            body=body,
            content_type=headers.get("content-type", "application/octet-stream"),
            accept=headers.get("accept", "*/*"),
            custom_attributes=headers.get(_CUSTOM),
            target_variant=headers.get("x-amzn-sagemaker-target-variant"),
            inference_id=headers.get("x-amzn-sagemaker-inference-id"),
        )


def invoke(context: Context, manager: Manager, invocation: Invocation) -> Reply:
    """Answer one invocation. Raises RuntimeValidationError, UnavailableError or ModelError."""
    name = invocation.endpoint
    endpoint = context.store.get(ENDPOINT, name)
    if endpoint is None:
        raise RuntimeValidationError(f"Endpoint {name} of account {context.scope.account} not found.")
    if endpoint["EndpointStatus"] not in _ANSWERS:
        raise RuntimeValidationError(f"Endpoint {name} is in status {endpoint['EndpointStatus']}, not InService.")
    try:
        fleet = manager.fleet(name)
    except JobFailedError as error:
        raise UnavailableError(f"The servers of endpoint {name} could not be started again: {error.reason}") from error
    with fleet.lock:
        fleet.busy += 1
    try:
        return _ask(context, fleet, invocation)
    finally:
        with fleet.lock:
            fleet.busy -= 1


def choose(weights: Mapping[str, float], target: str | None, pick: random.Random = _random) -> str:
    """The target variant, or one by weight. Raises RuntimeValidationError for a target that does not exist."""
    if target is not None:
        if target not in weights:
            raise RuntimeValidationError(f"Variant {target} does not exist")
        return target
    names = list(weights)
    total = sum(weights.values())
    return pick.choices(names, [weights[name] if total else 1.0 for name in names])[0]


def _ask(context: Context, fleet: Fleet, invocation: Invocation) -> Reply:
    weights = {v["VariantName"]: float(v.get("InitialVariantWeight", 1.0)) for v in fleet.config["ProductionVariants"]}
    variant = choose(weights, invocation.target_variant)
    server = fleet.servers[variant]
    headers = {"Content-Type": invocation.content_type, "Accept": invocation.accept}
    if invocation.custom_attributes:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = invocation.custom_attributes
    started = time.perf_counter()
    try:
        reply = server.request("POST", "/invocations", invocation.body, headers)
    except OSError as error:  # also a time-out of the socket
        message = f"Invocation of the server failed: {type(error).__name__}"
        reply = ServerReply(500, "application/json", message.encode())
    _count(context, invocation.endpoint, variant, reply.status, time.perf_counter() - started)
    if reply.status >= 400:
        raise _model_error(context, variant, server, reply)
    if fleet.capture is not None:
        given, answered = (invocation.content_type, invocation.body), (reply.content_type, reply.body)
        said = {"customAttributes": [invocation.custom_attributes], "inferenceId": invocation.inference_id}
        told = {name: value for name, value in said.items() if value not in (None, [None])}
        fleet.capture.add(variant, given, answered, told)
    answer_headers = {"Content-Type": reply.content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if invocation.custom_attributes:
        answer_headers["X-Amzn-SageMaker-Custom-Attributes"] = invocation.custom_attributes
    return 200, answer_headers, reply.body


def _model_error(context: Context, variant: str, server: ModelServer, reply: ServerReply) -> ModelError:
    side = "client" if reply.status < 500 else "server"
    text = reply.body[:_ERROR_CHARACTERS].decode(errors="replace")
    return ModelError(
        f'Received {side} error ({reply.status}) from {variant} with message "{text}". '
        f"See the log group {server.log_group} for more information.",
        reply.status,
        text,
        context.scope.log_stream(server.log_group, server.log_stream),
    )


def _count(context: Context, endpoint: str, variant: str, status: int, seconds: float) -> None:
    values = [
        ("Invocations", 1.0, "None"),
        ("Invocation4XXErrors", float(400 <= status < 500), "None"),
        ("Invocation5XXErrors", float(status >= 500), "None"),
        ("ModelLatency", seconds * 1e6, "Microseconds"),
    ]
    context.cloud.put_metrics(METRICS, values, {"EndpointName": endpoint, "VariantName": variant})
