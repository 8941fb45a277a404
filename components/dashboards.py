"""The three dashboards of row A9 as documents: HealthImaging, training pipeline, MLOps; no AWS resource in here.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from typing import Final

from components._charts import Chart, Maths, Search, body
from components.alarms import DAY, MINUTE, WatchedNames, function_metric, pipeline_metric, platform_metric
from components.alarms import Metric as WatchedMetric

VARIANT: Final = "primary"
"""Name that the registry gives the one production variant (contract test)."""
ROLES: Final = ("healthimaging", "training", "mlops")


def bodies(
    names: WatchedNames, *, region: str, datastore_id: str, endpoint: str, training_usd_per_hour: float
) -> dict[str, str]:
    """Dashboard role -> body text (compact, sorted keys)."""
    pages = {
        "healthimaging": _healthimaging(names, datastore_id),
        "training": _training(names),
        "mlops": _mlops(names, endpoint, training_usd_per_hour),
    }
    return {role: body(charts, region) for role, charts in pages.items()}


def _healthimaging(names: WatchedNames, datastore_id: str) -> list[Chart]:
    """The clinical copy: how fast it answers, how much it holds, what it refuses."""
    # under the operation, the data store and its type, and nowhere without the operation
    # https://docs.aws.amazon.com/healthimaging/latest/devguide/monitoring-cloudwatch.html
    calls = Search(namespace="AWS/HealthImaging", name="CallCount", statistic="Sum", mentions=datastore_id)
    return [
        Chart(
            title="Retrieval latency: average and p99 (ms)",
            metrics=[
                platform_metric("RetrievalLatency", statistic="Average"),
                platform_metric("RetrievalLatency", statistic="p99"),
            ],
        ),
        Chart(title="Calls to the data store, by operation", metrics=[calls]),
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
            title="Stored in the PHI zone, current versions (bytes)",
            metrics=[platform_metric("StorageBytes", statistic="Maximum", period_seconds=DAY)],
        ),
        Chart(
            title="Imported, and the PHI zone as a whole (bytes)",
            metrics=[platform_metric("ImportedBytes"), _bucket_size("PHI zone", names.buckets["training-data"])],
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
            metrics=[  # under the host, which is named after the job
                Search(namespace=jobs, name=name, statistic="Average", period_seconds=MINUTE)
                for name in ("CPUUtilization", "GPUUtilization", "GPUMemoryUtilization")
            ],
        ),
        Chart(
            title="Labels waiting for a training, trainings started",
            metrics=[platform_metric("LabelsWaiting", statistic="Maximum"), platform_metric("TrainingStarted")],
        ),
    ]


def _mlops(names: WatchedNames, endpoint: str, usd_per_hour: float) -> list[Chart]:
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
            title="Decisions: approved, rejected by people, refused by the gate, deployment undone",
            metrics=[
                _daily(name) for name in ("ModelApproved", "ModelRejected", "ModelGateRefused", "DeploymentUndone")
            ],
        ),
        Chart(title="Approved of all models that were decided on (% a day)", metrics=[_approval_rate()]),
        Chart(
            title="Time from registration to service (s)",
            metrics=[platform_metric("TimeToDeploy", statistic="Average")],
        ),
        Chart(
            title="Drift of what the endpoint sees and answers: figures beyond chance, largest PSI",
            metrics=[platform_metric(name, statistic="Maximum") for name in ("DriftedFigures", "DriftLargestPsi")],
        ),
        Chart(
            title="Drift: accuracy of the model in service on patients new since, and of the model trained with them",
            metrics=[platform_metric(name, statistic="Average") for name in ("ChampionAccuracy", "ModelAccuracy")],
        ),
        Chart(title="Cost of a training that succeeded (USD)", metrics=[_training_cost(usd_per_hour)]),
        Chart(
            title="Data volume: research zone and models (bytes)",
            metrics=[_bucket_size(role, names.buckets[role]) for role in ("preprocessed", "model-artifacts")],
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


def _daily(name: str) -> WatchedMetric:
    return platform_metric(name, period_seconds=DAY)


def _approval_rate() -> Maths:
    """Of what people or the gate decided; a day without a decision has no rate."""
    counts = {"approved": "ModelApproved", "rejected": "ModelRejected", "refused": "ModelGateRefused"}
    every = " + ".join(f"FILL({identity}, 0)" for identity in counts)
    return Maths(
        expression=f"100 * FILL(approved, 0) / ({every})",
        label="approved (%)",
        operands={identity: _daily(name) for identity, name in counts.items()},
    )


def _training_cost(usd_per_hour: float) -> Maths:
    """The training jobs alone, at the list price of their machine on demand: Spot shows in the billed seconds."""
    return Maths(
        expression=f"billed / 3600 * {usd_per_hour:g}",
        label="training jobs (USD)",
        operands={"billed": platform_metric("TrainingBillableSeconds", statistic="Average")},
    )


def _bucket_size(label: str, bucket: str) -> Search:
    """S3 reports a bucket's bytes once a day, one storage class at a time."""
    return Search(
        namespace="AWS/S3",
        name="BucketSizeBytes",
        statistic="Average",
        mentions=bucket,
        total=label,
        period_seconds=DAY,
    )
