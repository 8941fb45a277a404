"""What all functions of a stack are given alike, and the access statements that more than one of them needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components._base import Context
from components._iam import Statement
from components._logs import LogClass, LogKeeping
from components._tags import DataClass
from components.alarms import PLATFORM
from components.function import (
    FunctionCode,
    FunctionKeys,
    FunctionNetwork,
    FunctionSize,
    PlatformFunction,
    PlatformFunctionArgs,
)

LOG_LEVEL = "POWERTOOLS_LOG_LEVEL"


@dataclass(frozen=True, kw_only=True)
class KeyArns:
    """ARN of the customer-managed key of each data class."""

    phi: pulumi.Input[str]
    imaging: pulumi.Input[str]
    tracking: pulumi.Input[str]
    research: pulumi.Input[str]
    models: pulumi.Input[str]
    logs: pulumi.Input[str]
    audit: pulumi.Input[str]
    events: pulumi.Input[str]
    secrets: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A DynamoDB table as a function knows it."""

    name: pulumi.Input[str]
    arn: pulumi.Input[str]

    def index(self, name: str) -> pulumi.Output[str]:
        """ARN of one of its indexes."""
        return pulumi.Output.concat(self.arn, f"/index/{name}")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The common ground of a stack's functions.

    Attributes:
        runtime: Lambda runtime identifier.
        shared_layer: ARN of the layer that every function loads.
        log_level: INFO or above.
        logs: how logs are kept, by class.
    """

    context: Context
    keys: KeyArns
    network: FunctionNetwork
    runtime: str
    shared_layer: pulumi.Input[str]
    log_level: str
    logs: LogKeeping


@dataclass(frozen=True, kw_only=True)
class FunctionPlan:
    """What makes one function different from the others.

    Attributes:
        role: last part of its physical name; also the `service` of its logs and metrics.
        environment: its own variables, beside the three that all functions have.
        layers: layers beside the shared one.
        log_class: `audit` where its log tells who did what to health information.
        path: folder of the package when it is not `lambdas/<package>`.
    """

    role: str
    description: str
    package: str
    handler: str
    size: FunctionSize
    environment: Mapping[str, pulumi.Input[str]]
    statements: Sequence[Statement]
    data_class: DataClass
    layers: Sequence[pulumi.Input[str]] = ()
    log_class: LogClass = "operations"
    path: str | None = None


def platform_function(
    logical_name: str, plan: FunctionPlan, workload: Workload, opts: pulumi.ResourceOptions
) -> PlatformFunction:
    """The planned function on the stack's common ground."""
    return PlatformFunction(
        logical_name,
        PlatformFunctionArgs(
            context=workload.context,
            role=plan.role,
            description=plan.description,
            code=FunctionCode(
                package=plan.package,
                handler=plan.handler,
                runtime=workload.runtime,
                layers=[workload.shared_layer, *plan.layers],
                path=plan.path,
            ),
            size=plan.size,
            network=workload.network,
            keys=FunctionKeys(environment=workload.keys.secrets, dead_letters=workload.keys.events),
            environment={
                "POWERTOOLS_SERVICE_NAME": plan.role,
                "POWERTOOLS_METRICS_NAMESPACE": PLATFORM,
                LOG_LEVEL: workload.log_level,
                **plan.environment,
            },
            statements=plan.statements,
            logs=workload.logs,
            log_class=plan.log_class,
            log_level=workload.log_level,
            data_class=plan.data_class,
        ),
        opts=opts,
    )


def function_name(context: Context, role: str) -> str:
    """Physical name of the function with that role, known before it exists."""
    return context.naming.name(role)


def function_arn(context: Context, role: str) -> str:
    """ARN of the function with that role, known before it exists."""
    return context.naming.arn("lambda", f"function:{function_name(context, role)}")


def use_key(context: Context, sid: str, service: str, keys: Sequence[pulumi.Input[str]], *, write: bool) -> Statement:
    """The keys, but only through one service: nobody decrypts by hand what S3 or DynamoDB would have refused."""
    return Statement(
        sid=sid,
        actions=["kms:Decrypt", "kms:GenerateDataKey"] if write else ["kms:Decrypt"],
        resources=list(keys),
        conditions={"StringEquals": {"kms:ViaService": f"{service}.{context.region}.amazonaws.com"}},
    )


def put_events(bus_arn: pulumi.Input[str], source: str) -> Statement:
    """Events on the platform's bus, under the function's own source only."""
    return Statement(
        sid="TellThePlatform",
        actions=["events:PutEvents"],
        resources=[bus_arn],
        # IfExists: PutEvents always carries the key on AWS, the embedded AWS never does
        conditions={"StringEqualsIfExists": {"events:source": source}},
    )


def once_only(table: Table) -> Statement:
    """The idempotency table: an event that arrives twice is done once."""
    return Statement(
        sid="DoEventsOnce",
        actions=["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        resources=[table.arn],
    )
