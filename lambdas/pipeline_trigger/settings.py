"""The environment of PipelineTrigger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        min_new_labels: newly labelled studies since the last run that make a new run worth its cost.
    """

    labels_table: str
    tracking_table: str
    training_runs_table: str
    preprocessed_bucket: str
    pipeline_name: str
    model_package_group: str
    min_new_labels: int
    idempotency_table: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
