"""What computes and carries: functions, workflow, containers, training, the API and its edge, events and queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cost.estate import Resource
from cost.line import Amount, Case, Driver, Rule
from cost.usage import HOURS_A_MONTH, Usage

EXPRESS_GB: Final = 64 / 1024
VOLUMES: Final = 2
"""A pipeline execution has a volume for the training job and one for processing; each lives while its job runs."""


def calls_of(role: str, usage: Usage) -> tuple[Driver, float, float]:
    """(driver, calls a month, seconds a call) of a function by its logical name."""
    per_file = usage.per_file
    table: dict[str, tuple[Driver, float, float]] = {
        "ingestion-function": ("scan", usage.files * per_file.function_calls * 1.03, per_file.function_seconds),
        "api-function": ("reader", usage.readings * usage.calls_per_study, 0.2),
        "monitoring-function": ("standing", HOURS_A_MONTH * 12 + 30, 8),  # every five minutes, and every night
        "mlops-pipeline-trigger": ("training", usage.readings * 0.1 + usage.trainings_per_month, 2),
        "mlops-model-evaluation": ("training", usage.trainings_per_month, 300),
        "mlops-model-registry": ("training", usage.trainings_per_month * 3, 5),
        "breach-function": ("standing", 20, 5),
    }
    return table.get(role, ("standing", 0, 0))


def function(resource: Resource, case: Case) -> Iterator[Amount]:
    """Requests, memory by time, and the trace of each call (5 % are sampled)."""
    driver, calls, seconds = calls_of(resource.name, case.usage)
    gigabytes = float(resource.inputs.get("memorySize") or 128) / 1024
    yield Amount(price="lambda-request", quantity=calls, driver=driver)
    yield Amount(price="lambda-gb-second", quantity=calls * seconds * gigabytes, driver=driver)
    yield Amount(price="xray-trace", quantity=calls * 0.05, driver=driver)


def machine(resource: Resource, case: Case) -> Iterator[Amount]:
    """Standard workflows bill each step; an execution has a handful of its own around up to 100 objects.

    An Express one has an execution a file, billed by its time and 64 MB of memory.
    """
    if resource.name != "ingestion-machine":
        return
    usage = case.usage
    if resource.inputs.get("type") == "EXPRESS":
        seconds = usage.per_file.function_calls * usage.per_file.function_seconds
        yield Amount(price="sfn-express-request", quantity=usage.files, driver="scan")
        yield Amount(price="sfn-express-gb-second", quantity=usage.files * seconds * EXPRESS_GB, driver="scan")
        return
    own = usage.scans * max(1, usage.files_per_scan / 100) * 5
    yield Amount(price="sfn-transition", quantity=usage.files * usage.per_file.transitions + own, driver="scan")


def pipeline(resource: Resource, case: Case) -> Iterator[Amount]:
    """The jobs of every execution, and the endpoint that the registry deploys; sizes are the stack's settings."""
    usage, training = case.usage, case.estate.settings["training"]
    registry = case.estate.settings["registry"]
    share = 1 - usage.spot_percent / 100 if training.get("useSpot") else 1
    hours = usage.trainings_per_month * usage.training_hours * int(training.get("trainingInstances", 1))
    processing = usage.trainings_per_month * usage.processing_hours
    yield Amount(price=training["trainingInstanceType"], quantity=hours * share, driver="training")
    yield Amount(price=training["processingInstanceType"], quantity=processing, driver="training")
    volume = float(training["volumeSizeGb"]) * (hours + processing) / HOURS_A_MONTH
    yield Amount(price="sagemaker-storage-gb", quantity=volume, driver="training")
    if registry.get("autoDeploy"):
        yield Amount(
            price=registry["inferenceInstanceType"], quantity=usage.endpoint_hours * registry["inferenceInstances"]
        )


def tasks(resource: Resource, case: Case) -> Iterator[Amount]:
    """A Fargate service at the count that it starts with; what scaling adds is not foreseen."""
    prefix = resource.name.removesuffix("-service")
    size = next(one for one in case.estate.of("aws:ecs/taskDefinition:TaskDefinition") if one.name == f"{prefix}-task")
    hours = float(resource.inputs.get("desiredCount") or 1) * HOURS_A_MONTH
    virtual = float(size.inputs["cpu"]) / 1024
    yield Amount(price="fargate-vcpu-hour", quantity=hours * virtual)
    yield Amount(price="fargate-gb-hour", quantity=hours * float(size.inputs["memory"]) / 1024)
    if any(feature.inputs.get("name") == "RUNTIME_MONITORING" for feature in case.estate.of(_FEATURE)):
        yield Amount(price="guardduty-vcpu", quantity=virtual * float(resource.inputs.get("desiredCount") or 1))


def balancer(resource: Resource, case: Case) -> Iterator[Amount]:
    """The hours, and one capacity unit: a GB an hour."""
    network = resource.inputs.get("loadBalancerType") == "network"
    gb = case.usage.scan_gb if network else case.usage.readings * case.usage.megabytes_per_reading / 1_000
    yield Amount(price="balancer-hour", quantity=HOURS_A_MONTH)
    unit = "nlcu-hour" if network else "lcu-hour"
    yield Amount(price=unit, quantity=gb, driver="scan" if network else "reader")


def distribution(resource: Resource, case: Case) -> Iterator[Amount]:
    """What readers fetch: pages and frames, each request through one function."""
    usage = case.usage
    requests = usage.readings * (usage.frames_per_study + 20)
    yield Amount(price="cloudfront-gb", quantity=usage.readings * usage.megabytes_per_reading / 1_000, driver="reader")
    yield Amount(price="cloudfront-request", quantity=requests, driver="reader")
    yield Amount(price="cloudfront-function", quantity=requests, driver="reader")


def rest_api(resource: Resource, case: Case) -> Iterator[Amount]:
    """Requests; answers are small, since pixels come from HealthImaging."""
    calls = case.usage.readings * case.usage.calls_per_study
    yield Amount(price="api-request", quantity=calls, driver="reader")
    yield Amount(price="internet-gb", quantity=calls * 20e-6, driver="reader")  # about 20 kB an answer


def firewall(resource: Resource, case: Case) -> Iterator[Amount]:
    """The list, its rules and the requests that they see."""
    usage = case.usage
    seen = usage.readings * (usage.calls_per_study if resource.component == "api" else usage.frames_per_study + 20)
    yield Amount(price="waf-acl", quantity=1)
    yield Amount(price="waf-rule", quantity=len(resource.inputs.get("rules", [])))
    yield Amount(price="waf-request", quantity=seen, driver="reader")


def people(resource: Resource, case: Case) -> Iterator[Amount]:
    """Everyone who signs in within the month, by the pool's feature plan."""
    plus = resource.inputs.get("userPoolTier") == "PLUS"
    price = "cognito-plus-user" if plus else "cognito-essentials-user"
    yield Amount(price=price, quantity=case.usage.readers, driver="reader")


def bus(resource: Resource, case: Case) -> Iterator[Amount]:
    """Events of the platform; S3's own are opt-in and billed alike."""
    usage = case.usage
    yield Amount(price="event", quantity=usage.files * 1.1, driver="scan")
    yield Amount(price="event", quantity=usage.trainings_per_month * 10, driver="training")


def archive(resource: Resource, case: Case) -> Iterator[Amount]:
    """About 1 kB of each event of the platform's own bus."""
    yield Amount(price="archive-gb", quantity=case.usage.files * 0.1 * 1e-6, driver="scan")


def queue(resource: Resource, case: Case) -> Iterator[Amount]:
    """Work queues by file; a dead-letter queue is idle, and a queue with a reader is polled all month."""
    if resource.name in {"ingestion-upload", "ingestion-import"}:
        share = case.usage.per_file.queue_requests / 2
        yield Amount(price="sqs-request", quantity=case.usage.files * share, driver="scan")
        yield Amount(price="sqs-request", quantity=5 * 3 * 60 * HOURS_A_MONTH)  # Lambda's five pollers, 20 s each
    else:
        yield Amount(price="sqs-request", quantity=1_000)


def topic(resource: Resource, case: Case) -> Iterator[Amount]:
    """Messages and the e-mails that they become."""
    share = case.usage.emails / max(1, len(case.estate.of(resource.type)))
    yield Amount(price="sns-message", quantity=share)
    yield Amount(price="sns-email", quantity=share)


_FEATURE: Final = "aws:guardduty/detectorFeature:DetectorFeature"
RULES: Final[Mapping[str, Rule]] = {
    "aws:apigateway/restApi:RestApi": rest_api,
    "aws:cloudfront/distribution:Distribution": distribution,
    "aws:cloudwatch/eventArchive:EventArchive": archive,
    "aws:cloudwatch/eventBus:EventBus": bus,
    "aws:cognito/userPool:UserPool": people,
    "aws:ecs/service:Service": tasks,
    "aws:lambda/function:Function": function,
    "aws:lb/loadBalancer:LoadBalancer": balancer,
    "aws:sagemaker/pipeline:Pipeline": pipeline,
    "aws:sfn/stateMachine:StateMachine": machine,
    "aws:sns/topic:Topic": topic,
    "aws:sqs/queue:Queue": queue,
    "aws:wafv2/webAcl:WebAcl": firewall,
}
