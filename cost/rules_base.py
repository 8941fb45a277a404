"""What a stack pays for standing there, guarded and watched: network, keys, trail, detection, alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cost.estate import Resource
from cost.line import Amount, Case, Rule
from cost.usage import HOURS_A_MONTH

ROTATIONS_BILLED: Final = 2


def nat_gateway(resource: Resource, case: Case) -> Iterator[Amount]:
    """The hours of one gateway, and its part of what leaves by NAT."""
    yield Amount(price="nat-hour", quantity=HOURS_A_MONTH)
    yield Amount(price="nat-gb", quantity=case.usage.nat_gb / len(case.estate.of(resource.type)))


def address(resource: Resource, case: Case) -> Iterator[Amount]:
    """Every public IPv4 address is billed, in use or not."""
    yield Amount(price="public-address-hour", quantity=HOURS_A_MONTH)


def endpoint(resource: Resource, case: Case) -> Iterator[Amount]:
    """Gateway endpoints are free; an interface endpoint stands in each zone that has a private subnet."""
    if resource.inputs.get("vpcEndpointType") != "Interface":
        return
    yield Amount(price="endpoint-hour", quantity=HOURS_A_MONTH * case.estate.private_zones)
    if resource.role in {"runtime-medical-imaging", "dicom-medical-imaging"}:
        read = case.usage.readings * case.usage.megabytes_per_reading / 1_000 / 2
        yield Amount(price="endpoint-gb", quantity=read, driver="reader")


def key(resource: Resource, case: Case) -> Iterator[Amount]:
    """The key, the rotations of which it keeps the material, and its part of the requests."""
    usage = case.usage
    yield Amount(price="kms-key", quantity=1)
    if resource.inputs.get("enableKeyRotation"):
        yield Amount(price="kms-rotation", quantity=min(ROTATIONS_BILLED, usage.months_in_operation // 12))
    share = usage.files * usage.per_file.key_requests / len(case.estate.of(resource.type))
    yield Amount(price="kms-request", quantity=share, driver="scan")


def secret(resource: Resource, case: Case) -> Iterator[Amount]:
    """The secret, and a call for every tenth function call: functions keep what they read."""
    calls = case.usage.files * case.usage.per_file.function_calls * 0.1
    yield Amount(price="secret", quantity=1)
    yield Amount(price="secret-call", quantity=calls, driver="scan")


def trail(resource: Resource, case: Case) -> Iterator[Amount]:
    """The first copy of management events is free; data events and insights are not."""
    usage = case.usage
    insights = len(case.estate.settings["security"].get("trailInsights") or ())
    yield Amount(price="trail-data-event", quantity=usage.files * usage.per_file.audited_calls, driver="scan")
    yield Amount(price="trail-insight-event", quantity=usage.management_events * insights)


def detector(resource: Resource, case: Case) -> Iterator[Amount]:
    """Management events and flow logs are always looked at."""
    yield Amount(price="guardduty-event", quantity=case.usage.management_events)
    yield Amount(price="guardduty-flow-gb", quantity=case.usage.flow_log_gb)


def detector_feature(resource: Resource, case: Case) -> Iterator[Amount]:
    """S3 data events and Lambda's traffic by amount; runtime monitoring is billed with the tasks it watches.

    Malware protection of volumes scans EC2 and ECS on EC2 only, which the program does not have.
    """
    usage, name = case.usage, resource.inputs.get("name")
    if name == "S3_DATA_EVENTS":
        calls = usage.files * (usage.per_file.object_writes + usage.per_file.object_reads)
        yield Amount(price="guardduty-s3-event", quantity=calls, driver="scan")
    if name == "LAMBDA_NETWORK_LOGS":
        yield Amount(price="guardduty-flow-gb", quantity=usage.flow_log_gb / 2)


def config_recorder(resource: Resource, case: Case) -> Iterator[Amount]:
    """Every recorded change of a resource in the account."""
    yield Amount(price="config-item", quantity=case.usage.config_items)


def config_rule(resource: Resource, case: Case) -> Iterator[Amount]:
    """Evaluations of one rule."""
    yield Amount(price="config-evaluation", quantity=case.usage.rule_evaluations)


def alarm(resource: Resource, case: Case) -> Iterator[Amount]:
    """An alarm on metric maths is billed for each metric in it."""
    queries = resource.inputs.get("metricQueries") or ()
    yield Amount(price="alarm-metric", quantity=sum("metric" in query for query in queries) or 1)


def dashboard(resource: Resource, case: Case) -> Iterator[Amount]:
    """A dashboard, and its part of the metrics that the platform publishes to fill it."""
    yield Amount(price="dashboard", quantity=1)
    yield Amount(price="custom-metric", quantity=case.usage.custom_metrics / len(case.estate.of(resource.type)))


def metric_filter(resource: Resource, case: Case) -> Iterator[Amount]:
    """The filter is free, the metric that it counts is not."""
    yield Amount(price="custom-metric", quantity=1)


RULES: Final[Mapping[str, Rule]] = {
    "aws:cfg/recorder:Recorder": config_recorder,
    "aws:cfg/rule:Rule": config_rule,
    "aws:cloudtrail/trail:Trail": trail,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": metric_filter,
    "aws:cloudwatch/metricAlarm:MetricAlarm": alarm,
    "aws:ec2/eip:Eip": address,
    "aws:ec2/natGateway:NatGateway": nat_gateway,
    "aws:ec2/vpcEndpoint:VpcEndpoint": endpoint,
    "aws:guardduty/detector:Detector": detector,
    "aws:guardduty/detectorFeature:DetectorFeature": detector_feature,
    "aws:kms/key:Key": key,
    "aws:secretsmanager/secret:Secret": secret,
}
