"""The environment of ModelRegistry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        auto_approve: approve a model that passed both evaluations; otherwise a human is asked.
        auto_deploy: serve a model as soon as it is approved.
        challenger_percent: of the requests that a challenger answers in a trial.
    """

    model_package_group: str
    metrics_table: str
    event_bus_name: str
    alerts_topic_arn: str
    endpoint_name: str
    model_execution_role_arn: str
    auto_approve: bool
    auto_deploy: bool
    inference_instance_type: str
    data_capture_uri: str
    data_capture_percent: int
    endpoint_kms_key_arn: str
    challenger_percent: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
