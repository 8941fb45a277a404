"""The three dashboards of row A9 as documents: HealthImaging, training pipeline, MLOps; no AWS resource in here.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from components.alarms import DAY, WatchedNames, function_metric, pipeline_metric, platform_metric
from components.alarms import Metric as WatchedMetric

Body = dict[str, Any]

COLUMNS: Final = 24
WIDTH: Final = 8
HEIGHT: Final = 6
VARIANT: Final = "primary"
"""Name that the registry gives the one production variant (contract test)."""
ROLES: Final = ("healthimaging", "training", "mlops")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One time series widget: a title that names the unit, and its metrics."""

    title: str
    metrics: Sequence[WatchedMetric]


def bodies(names: WatchedNames, *, region: str, datastore_id: str, endpoint: str) -> dict[str, str]:
    """Dashboard role -> body text (compact, sorted keys)."""
    pages = {
        "healthimaging": _healthimaging(names, datastore_id),
        "training": _training(names),
        "mlops": _mlops(names, endpoint),
    }
    return {role: _body(charts, region) for role, charts in pages.items()}


def _healthimaging(names: WatchedNames, datastore_id: str) -> list[Chart]:
    """The clinical copy: how fast it answers, how much it holds, what it refuses."""
    calls = WatchedMetric(namespace="AWS/HealthImaging", name="CallCount", dimensions={"DatastoreId": datastore_id})
    return [
        Chart(
            title="Retrieval latency: average and p99 (ms)",
            metrics=[
                platform_metric("RetrievalLatency", statistic="Average"),
                platform_metric("RetrievalLatency", statistic="p99"),
            ],
        ),
        Chart(title="Calls to the data store", metrics=[calls]),
        Chart(
            title="Compression: bytes of pixels for each byte stored",
            metrics=[platform_metric("CompressionRatio", statistic="Average")],
        ),
        Chart(
            title="Data store errors, failed health checks",
            metrics=[platform_metric("DataStoreErrors"), platform_metric("HealthCheckFailed")],
        ),
        Chart(
            title="Imports: started, throttled, failed, non-primary",
            metrics=[
                platform_metric(name)
                for name in ("ImportJobStarted", "ImportThrottled", "ImportFailed", "ImportNonPrimary")
            ],
        ),
        Chart(
            title="Objects: accepted, quarantined",
            metrics=[platform_metric("IngestionAccepted"), platform_metric("IngestionQuarantined")],
        ),
        Chart(
            title="Reconciler: missing, driven again",
            metrics=[platform_metric("ReconcileMissing"), platform_metric("ReconcileRedriven")],
        ),
        Chart(
            title="Stored (bytes)",
            metrics=[platform_metric("StorageBytes", statistic="Maximum", period_seconds=DAY)],
        ),
        Chart(
            title="Imported, and the PHI zone as a whole (bytes)",
            metrics=[platform_metric("ImportedBytes"), _bucket_size(names.buckets["training-data"])],
        ),
        Chart(
            title="Connections to the API (concurrent calls)",
            metrics=[function_metric("ConcurrentExecutions", names.functions["radiologist-api"], "Maximum")],
        ),
        Chart(
            title="Age of the newest audit record (s)",
            metrics=[platform_metric("AuditLogLagSeconds", statistic="Maximum")],
        ),
    ]


def _training(names: WatchedNames) -> list[Chart]:
    """The pipeline: how often, how long, how good, on what machine load."""
    jobs = "/aws/sagemaker/TrainingJobs"
    return [
        Chart(
            title="Executions: started, succeeded, failed",
            metrics=[
                pipeline_metric(name, names.pipeline)
                for name in ("ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed")
            ],
        ),
        Chart(
            title="Execution duration (ms)",
            metrics=[pipeline_metric("ExecutionDuration", names.pipeline, "Average")],
        ),
        Chart(
            title="Accuracy of evaluated models",
            metrics=[platform_metric("ModelAccuracy", statistic="Average")],
        ),
        Chart(
            title="Evaluated models: precision, recall, F1, area under ROC",
            metrics=[
                platform_metric(name, statistic="Average")
                for name in ("ModelPrecision", "ModelRecall", "ModelF1", "ModelRocAuc")
            ],
        ),
        Chart(
            title="Disagreement of the two evaluations",
            metrics=[platform_metric("EvaluationDisagreement", statistic="Maximum")],
        ),
        Chart(
            title="Training machines: CPU and GPU (%)",
            metrics=[
                WatchedMetric(namespace=jobs, name=name, statistic="Average")
                for name in ("CPUUtilization", "GPUUtilization", "GPUMemoryUtilization")
            ],
        ),
        Chart(
            title="Labels waiting for a training, trainings started",
            metrics=[platform_metric("LabelsWaiting", statistic="Maximum"), platform_metric("TrainingStarted")],
        ),
    ]


def _mlops(names: WatchedNames, endpoint: str) -> list[Chart]:
    """From data to served model: quality, decisions, volume, use."""
    serving = {"EndpointName": endpoint, "VariantName": VARIANT}
    return [
        Chart(
            title="Data quality: accepted, quarantined, refused by de-identification",
            metrics=[
                platform_metric(name)
                for name in ("IngestionAccepted", "IngestionQuarantined", "DeidentificationRefused")
            ],
        ),
        Chart(
            title="Models: trained, deployed",
            metrics=[platform_metric("TrainingStarted"), platform_metric("ModelDeployed")],
        ),
        Chart(
            title="Time from approval to service (s)",
            metrics=[platform_metric("TimeToDeploy", statistic="Average")],
        ),
        Chart(
            title="Drift between the two evaluations of a model",
            metrics=[platform_metric("EvaluationDisagreement", statistic="Maximum")],
        ),
        Chart(
            title="Data volume: research zone and models (bytes)",
            metrics=[_bucket_size(names.buckets[role]) for role in ("preprocessed", "model-artifacts")],
        ),
        Chart(
            title="Endpoint: invocations and errors",
            metrics=[
                WatchedMetric(namespace="AWS/SageMaker", name=name, dimensions=serving)
                for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
            ],
        ),
        Chart(
            title="Endpoint: model latency (microseconds)",
            metrics=[
                WatchedMetric(namespace="AWS/SageMaker", name="ModelLatency", dimensions=serving, statistic=statistic)
                for statistic in ("Average", "p99")
            ],
        ),
        Chart(
            title="Function calls",
            metrics=[function_metric("Invocations", name) for _, name in sorted(names.functions.items())],
        ),
        Chart(
            title="Function errors",
            metrics=[function_metric("Errors", name) for _, name in sorted(names.functions.items())],
        ),
    ]


def _bucket_size(bucket: str) -> WatchedMetric:
    """S3 reports a bucket's bytes once a day, one storage class at a time."""
    return WatchedMetric(
        namespace="AWS/S3",
        name="BucketSizeBytes",
        dimensions={"BucketName": bucket, "StorageType": "StandardStorage"},
        statistic="Average",
        period_seconds=DAY,
    )


def _body(charts: Sequence[Chart], region: str) -> str:
    widgets = [_widget(chart, place, region) for place, chart in enumerate(charts)]
    return json.dumps({"widgets": widgets}, sort_keys=True, separators=(",", ":"))


def _widget(chart: Chart, place: int, region: str) -> Body:
    """Charts fill rows of three, left to right."""
    per_row = COLUMNS // WIDTH
    return {
        "type": "metric",
        "x": place % per_row * WIDTH,
        "y": place // per_row * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": chart.title,
            "region": region,
            "view": "timeSeries",
            "metrics": [_series(metric) for metric in chart.metrics],
        },
    }


def _series(metric: WatchedMetric) -> list[Any]:
    dimensions = [part for pair in metric.dimensions.items() for part in pair]
    return [
        metric.namespace,
        metric.name,
        *dimensions,
        {"stat": metric.statistic, "period": metric.period_seconds},
    ]
