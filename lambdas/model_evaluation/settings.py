"""The environment of ModelEvaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        accuracy_threshold: least accuracy, 0..1, on the frozen test set.
        max_disagreement: largest absolute difference to the pipeline's own figures that rounding explains.
        data_capture_uri: s3:// folder below which the endpoint keeps its answers.
        drift_window_hours, drift_min_images, drift_psi, drift_significance: see model_evaluation.drift.Limits.
        trial_alpha, trial_max_studies: see model_evaluation.trial.TrialCheck.
    """

    model_artifacts_bucket: str
    preprocessed_bucket: str
    metrics_table: str
    model_package_group: str
    event_bus_name: str
    accuracy_threshold: float
    max_disagreement: float
    idempotency_table: str
    endpoint_name: str
    data_capture_uri: str
    drift_window_hours: int
    drift_min_images: int
    drift_psi: float
    drift_significance: float
    labels_table: str
    trial_alpha: float
    trial_max_studies: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
