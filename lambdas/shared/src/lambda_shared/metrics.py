"""Metrics in CloudWatch's embedded metric format.

Every metric is written under two dimension sets: none at all (alarms and dashboards name a metric without knowing who
writes it) and ``service`` (to see who did). The set without dimensions is what powertools alone cannot write.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

MetricName = Literal[
    "IngestionAccepted",
    "IngestionQuarantined",
    "DeidentificationRefused",
    "ImportJobStarted",
    "ImportThrottled",
    "ImportFailed",
    "ImportNonPrimary",
    "ImportWarnings",
    "ImportedBytes",
    "DataStoreErrors",
    "LabelsWaiting",
    "TrainingStarted",
    "TrainingBillableSeconds",
    "ModelAccuracy",
    "ModelPrecision",
    "ModelRecall",
    "ModelF1",
    "ModelRocAuc",
    "EvaluationDisagreement",
    "DriftWindowImages",
    "DriftedFigures",
    "DriftLargestPsi",
    "TrialStudies",
    "ChampionAccuracy",
    "ModelApproved",
    "ModelRejected",
    "ModelGateRefused",
    "DeploymentUndone",
    "ModelDeployed",
    "TimeToDeploy",
    "ReconcileMissing",
    "ReconcileRedriven",
    "ReconcileDifferences",
    "AuditLogLagSeconds",
    "RetrievalLatency",
    "CompressionRatio",
    "StorageBytes",
    "HealthCheckFailed",
]
Unit = Literal["Count", "Seconds", "Milliseconds", "Bytes", "None"]


class PlatformMetrics(AmazonCloudWatchEMFProvider):
    """Powertools' EMF writer with the dimension-less set added."""

    def serialize_metric_set(self, *args: Any, **kwargs: Any) -> Any:
        """The EMF object of all metrics so far, under no dimension and under ``service``."""
        document: Any = super().serialize_metric_set(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType]
        document["_aws"]["CloudWatchMetrics"][0]["Dimensions"].insert(0, [])
        return document

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:
        """Write what was counted; an invocation that counted nothing writes nothing, not even a warning."""
        if self.metric_set or raise_on_empty_metrics:
            super().flush_metrics(raise_on_empty_metrics=raise_on_empty_metrics)
        else:
            self.clear_metrics()


class Meter:
    """The port that services count with; `EmfMeter` writes, tests record."""

    def count(self, name: MetricName, value: float = 1, unit: Unit = "Count") -> None:
        """Add one value of a metric."""
        raise NotImplementedError


class EmfMeter(Meter):
    """Counts into the process's EMF writer; the handler's decorator flushes it."""

    def count(self, name: MetricName, value: float = 1, unit: Unit = "Count") -> None:
        """Add one value of a metric."""
        provider().add_metric(name=name, unit=unit, value=value)


@lru_cache(maxsize=1)
def provider() -> PlatformMetrics:
    """The process's EMF writer (namespace and service come from POWERTOOLS_* variables)."""
    return PlatformMetrics(namespace="ImagingPlatform")
