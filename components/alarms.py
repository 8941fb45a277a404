"""The platform's alarms as a table of facts (row A9), expanded for the names of a stack; no AWS resource in here.

A metric that the platform publishes itself (namespace ImagingPlatform) is read without dimensions: the functions'
metrics writer publishes each one so, beside the same one for each service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Comparison = Literal["GreaterThanThreshold", "LessThanThreshold", "GreaterThanOrEqualToThreshold"]
Missing = Literal["notBreaching", "breaching", "ignore", "missing"]

PLATFORM: Final = "ImagingPlatform"
MINUTE: Final = 60
DAY: Final = 86_400
GIGABYTE: Final = 10**9

MAX_QUERY_METRICS: Final = 10
"""An alarm on metric maths takes at most ten metrics.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric stream as an alarm or a dashboard reads it; `period_seconds` bounds each data point."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict[str, str])
    statistic: str = "Sum"
    period_seconds: int = 5 * MINUTE


@dataclass(frozen=True, kw_only=True)
class AlarmRow:
    """One alarm.

    Attributes:
        role: Last part of the alarm's name.
        meaning: What went wrong and what to look at, in one sentence without any identifier of a patient.
        threshold: Bound, in `unit`.
        unit: Unit of the threshold, for the reader.
        metrics: The metric, or the operands of `expression` under their ids.
        expression: Metric maths over the ids of `metrics`; None when the one metric itself is watched.
        periods: Consecutive periods over the bound before the alarm sounds.
        missing: What silence means.
    """

    role: str
    meaning: str
    threshold: float
    unit: str
    metrics: Mapping[str, Metric]
    comparison: Comparison = "GreaterThanThreshold"
    expression: str | None = None
    periods: int = 1
    missing: Missing = "notBreaching"

    def __post_init__(self) -> None:
        if self.expression is None and len(self.metrics) != 1:
            raise ValueError(f"alarm {self.role}: without an expression it watches exactly one metric")
        if len(self.metrics) > MAX_QUERY_METRICS:
            raise ValueError(
                f"alarm {self.role}: {len(self.metrics)} metrics, CloudWatch takes at most {MAX_QUERY_METRICS}"
            )


@dataclass(frozen=True, kw_only=True)
class WatchedNames:
    """Physical names of one stack that the table and the dashboards need, by role."""

    functions: Mapping[str, str]
    tables: Mapping[str, str]
    buckets: Mapping[str, str]
    pipeline: str


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """When the alarms sound; the stack's data.

    Attributes:
        accuracy: smallest accuracy of a model that may serve, 0 to 1.
        audit_lag_minutes: None where the stack has no trail (whose it is watches it) or none that delivers.
        storage_gb: what the PHI zone may hold, 10^9 bytes.
    """

    retrieval_p99_milliseconds: float
    accuracy: float
    data_store_errors_per_minute: float
    function_error_percent: float
    storage_gb: float
    audit_lag_minutes: float | None


def rows(names: WatchedNames, bounds: Bounds) -> list[AlarmRow]:
    """The eight alarms of row A9; the one on Lambda errors is there once for each function, so it names the culprit."""
    return [
        AlarmRow(
            role="retrieval-latency",
            meaning="Reading image sets is slow (p99): look at the data store and at throttling.",
            threshold=bounds.retrieval_p99_milliseconds,
            unit="milliseconds",
            metrics={"latency": platform_metric("RetrievalLatency", statistic="p99")},
            periods=3,
        ),
        AlarmRow(
            role="training-failed",
            meaning="A training pipeline execution failed: its reason is in the pipeline errors log group.",
            threshold=1,
            unit="executions",
            comparison="GreaterThanOrEqualToThreshold",
            metrics={"failed": pipeline_metric("ExecutionFailed", names.pipeline)},
        ),
        AlarmRow(
            role="model-accuracy",
            meaning="The independent evaluation measured an accuracy below the threshold.",
            threshold=bounds.accuracy,
            unit="fraction",
            comparison="LessThanThreshold",
            metrics={"accuracy": platform_metric("ModelAccuracy", statistic="Minimum")},
        ),
        AlarmRow(
            role="datastore-errors",
            meaning="Too many calls to the HealthImaging data store fail.",
            threshold=bounds.data_store_errors_per_minute,
            unit="errors a minute",
            metrics={"errors": platform_metric("DataStoreErrors", period_seconds=MINUTE)},
        ),
        *(
            _function_errors(role, name, bounds.function_error_percent)
            for role, name in sorted(names.functions.items())
        ),
        *(_table_throttles(names.tables, kind) for kind in ("read", "write")),
        AlarmRow(
            role="storage-budget",
            meaning="The PHI zone holds more than its budget: look at what grew, and at life cycles.",
            threshold=bounds.storage_gb * GIGABYTE,
            unit="bytes",
            metrics={"stored": platform_metric("StorageBytes", statistic="Maximum", period_seconds=DAY)},
        ),
        *_audit_lag(bounds.audit_lag_minutes),
    ]


def platform_metric(name: str, *, statistic: str = "Sum", period_seconds: int = 5 * MINUTE) -> Metric:
    """A metric that our functions publish, under no dimension: an alarm need not know which function says it."""
    return Metric(namespace=PLATFORM, name=name, statistic=statistic, period_seconds=period_seconds)


def pipeline_metric(name: str, pipeline: str, statistic: str = "Sum") -> Metric:
    """A metric of SageMaker Pipelines.

    https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    """
    return Metric(
        namespace="AWS/Sagemaker/ModelBuildingPipeline",
        name=name,
        dimensions={"PipelineName": pipeline},
        statistic=statistic,
    )


def function_metric(name: str, function: str, statistic: str = "Sum") -> Metric:
    """A metric that Lambda publishes for one function."""
    return Metric(namespace="AWS/Lambda", name=name, dimensions={"FunctionName": function}, statistic=statistic)


def _audit_lag(minutes: float | None) -> list[AlarmRow]:
    if minutes is None:
        return []
    return [
        AlarmRow(
            role="audit-lag",
            meaning="The newest audit record is too old, or the check itself is silent.",
            threshold=minutes * MINUTE,
            unit="seconds",
            metrics={"lag": platform_metric("AuditLogLagSeconds", statistic="Maximum")},
            periods=3,
            missing="breaching",  # a watch that says nothing must not look like peace
        )
    ]


def _function_errors(role: str, function: str, percent: float) -> AlarmRow:
    return AlarmRow(
        role=f"function-errors-{role}",
        meaning=f"Too many calls of {role} fail: look at its log group and its dead letters.",
        threshold=percent,
        unit="percent",
        metrics={
            "errors": function_metric("Errors", function),
            "calls": function_metric("Invocations", function),
        },
        expression="IF(calls > 0, 100 * errors / calls, 0)",
    )


def _table_throttles(tables: Mapping[str, str], kind: str) -> AlarmRow:
    """Reads and writes have an alarm each: an alarm takes ten metrics, and there is one for each table."""
    throttles = {
        f"{kind}{number}": Metric(
            namespace="AWS/DynamoDB",
            name=f"{kind.capitalize()}ThrottleEvents",
            dimensions={"TableName": tables[role]},
        )
        for number, role in enumerate(sorted(tables))
    }
    return AlarmRow(
        role=f"table-throttles-{kind}",
        meaning=f"DynamoDB throttles {kind}s: callers retry, but the platform slows down.",
        threshold=0,
        unit="requests",
        metrics=throttles,
        expression=" + ".join(f"FILL({identity}, 0)" for identity in sorted(throttles)),
    )
