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
    stored = [
        WatchedMetric(
            namespace="AWS/S3",
            name="BucketSizeBytes",
            dimensions={"BucketName": names.buckets[role], "StorageType": "StandardStorage"},
            statistic="Average",
            period_seconds=DAY,
        )
        for role in sorted(names.buckets)
    ]
    return [
        Chart(
            title="Retrieval latency: average and p99 (ms)",
            metrics=[
                platform_metric("RetrievalLatency", "monitoring", statistic="Average"),
                platform_metric("RetrievalLatency", "monitoring", statistic="p99"),
            ],
        ),
        Chart(title="Calls to the data store", metrics=[calls]),
        Chart(title="Data store errors", metrics=[platform_metric("DataStoreErrors", "image-ingestion")]),
        Chart(title="Imported bytes", metrics=[platform_metric("ImportedBytes", "image-ingestion")]),
        Chart(
            title="Objects: received, imported, quarantined",
            metrics=[
                platform_metric(name, "monitoring", statistic="Maximum")
                for name in ("ObjectsReceived", "ObjectsImported", "ObjectsQuarantined")
            ],
        ),
        Chart(title="Objects without an end (reconciler)", metrics=[platform_metric("ObjectsMissing", "monitoring")]),
        Chart(title="Bucket size (bytes)", metrics=stored),
        Chart(
            title="Compression ratio (original / stored)",
            metrics=[platform_metric("CompressionRatio", "image-ingestion", statistic="Average")],
        ),
        Chart(
            title="Connections to the API",
            metrics=[function_metric("ConcurrentExecutions", names.functions["radiologist-api"], "Maximum")],
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
            metrics=[platform_metric("ModelAccuracy", "model-evaluation", statistic="Average")],
        ),
        Chart(
            title="Precision, recall, F1, ROC-AUC",
            metrics=[
                platform_metric(name, "model-evaluation", statistic="Average")
                for name in ("ModelPrecision", "ModelRecall", "ModelF1", "ModelRocAuc")
            ],
        ),
        Chart(
            title="Training machines: CPU and GPU (%)",
            metrics=[
                WatchedMetric(namespace=jobs, name=name, statistic="Average")
                for name in ("CPUUtilization", "GPUUtilization", "GPUMemoryUtilization")
            ],
        ),
        Chart(
            title="Labels waiting for a training run",
            metrics=[platform_metric("LabelsWaiting", "pipeline-trigger", statistic="Maximum")],
        ),
    ]


def _mlops(names: WatchedNames, endpoint: str) -> list[Chart]:
    """From data to served model: quality, decisions, drift, cost, use."""
    serving = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    return [
        Chart(
            title="Data quality: valid and refused objects",
            metrics=[platform_metric(name, "image-ingestion") for name in ("ObjectsValid", "ObjectsRefused")],
        ),
        Chart(
            title="Models approved and rejected",
            metrics=[platform_metric(name, "model-registry") for name in ("ModelsApproved", "ModelsRejected")],
        ),
        Chart(
            title="Time from approval to service (s)",
            metrics=[platform_metric("TimeToDeploy", "model-registry", statistic="Average")],
        ),
        Chart(
            title="Disagreement of the two evaluations",
            metrics=[platform_metric("EvaluationDisagreement", "model-evaluation", statistic="Maximum")],
        ),
        Chart(
            title="Billable training time (s)",
            metrics=[platform_metric("BillableTrainingSeconds", "model-evaluation")],
        ),
        Chart(
            title="Data volume: research zone (bytes)",
            metrics=[
                WatchedMetric(
                    namespace="AWS/S3",
                    name="BucketSizeBytes",
                    dimensions={"BucketName": names.buckets["preprocessed"], "StorageType": "StandardStorage"},
                    statistic="Average",
                    period_seconds=DAY,
                )
            ],
        ),
        Chart(
            title="Endpoint: invocations and errors",
            metrics=[
                WatchedMetric(namespace="AWS/SageMaker", name=name, dimensions=serving)
                for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
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
