"""Entry point of ModelRegistry: evaluation events, the pipeline's rejection step, and people's commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.events.publisher import EventPublisher
from lambda_shared.metrics import EmfMeter
from lambda_shared.runtime import lambda_handler, parse
from model_registry.adapters import EndpointPlan, SageMakerHosting, SageMakerPackages, SnsHumans
from model_registry.decisions import DynamoDecisions
from model_registry.models import EndpointEvent, PassedEvent, RejectedNotice, TrialEvent, VersionCommand
from model_registry.scaling import VariantScaling
from model_registry.service import Registry
from model_registry.settings import Settings


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    plan = EndpointPlan(
        endpoint_name=values.endpoint_name,
        role_arn=values.model_execution_role_arn,
        instance_type=values.inference_instance_type,
        data_capture_uri=values.data_capture_uri,
        data_capture_percent=values.data_capture_percent,
        kms_key_arn=values.endpoint_kms_key_arn,
        instance_count=values.inference_instances,
        challenger_percent=values.challenger_percent,
        deployment=values.deployment(),
    )
    scaling_plan = values.scaling_plan()
    scaling = (
        VariantScaling(aws.client("application-autoscaling"), values.endpoint_name, scaling_plan)
        if scaling_plan
        else None
    )
    return Registry(
        packages=SageMakerPackages(aws.client("sagemaker"), values.model_package_group),
        hosting=SageMakerHosting(aws.client("sagemaker"), plan, scaling),
        humans=SnsHumans(aws.client("sns"), values.alerts_topic_arn),
        decisions=DynamoDecisions(aws.table(values.metrics_table), SystemClock()),
        publisher=EventPublisher(aws.client("events"), values.event_bus_name, "imaging.model-registry"),
        meter=EmfMeter(),
        clock=SystemClock(),
        endpoint_name=values.endpoint_name,
        auto_approve=values.auto_approve,
        auto_deploy=values.auto_deploy,
    )


@lambda_handler
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Dispatch by the shape of the event."""
    if event.get("operation") == "notify-rejected":
        notice = parse(RejectedNotice, event)
        return dict(registry().notify_rejected(notice.accuracy, notice.threshold, notice.execution, notice.reason))
    if event.get("detail-type") == "SageMaker Endpoint State Change":
        return _settled(parse(EndpointEvent, event))
    if event.get("detail-type") == "TrialDecided":
        return registry().decided(parse(TrialEvent, event).detail.data)
    if "operation" not in event:
        return registry().passed(parse(PassedEvent, event).detail.data)
    return _carried_out(parse(VersionCommand, event))


def _settled(event: EndpointEvent) -> dict[str, Any]:
    made = registry()
    return made.endpoint_changed() if event.detail.endpoint_name == made.endpoint_name else {"status": "not-ours"}


def _carried_out(command: VersionCommand) -> dict[str, Any]:
    number, reason, actor = command.version, command.reason, command.actor
    work: dict[str, Callable[[Registry], dict[str, Any]]] = {
        "approve": lambda made: made.approve(number, reason, actor),
        "reject": lambda made: made.reject(number, reason, actor),
        "rollback": lambda made: made.rollback(number, reason, actor),
        "deploy": lambda made: made.deploy(number, actor),
        "trial": lambda made: made.trial(number, reason, actor, dry_run=command.dry_run),
        "end-trial": lambda made: made.end_trial(number, reason, actor),
    }
    return work[command.operation](registry())
