"""The environment of ModelRegistry."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_shared import settings
from lambda_shared.errors import ConfigurationError
from model_registry.scaling import ScalingPlan


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        auto_approve: approve a model that passed both evaluations; otherwise a human is asked.
        auto_deploy: serve a model as soon as it is approved.
        deployment_config: how UpdateEndpoint shifts traffic and which alarms undo it, JSON in the API's own shape.
        challenger_percent: of the requests that a challenger answers in a trial.
        scaling: members of ScalingPlan as JSON but the smallest number, which is inference_instances; {}: none.
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
    inference_instances: int
    challenger_percent: int
    deployment_config: str
    scaling: str

    def deployment(self) -> dict[str, Any]:
        """DeploymentConfig of UpdateEndpoint. Raises ConfigurationError."""
        return _object("DEPLOYMENT_CONFIG", self.deployment_config)

    def scaling_plan(self) -> ScalingPlan | None:
        """How the endpoint scales; None where it does not. Raises ConfigurationError."""
        given = _object("SCALING", self.scaling)
        try:
            return ScalingPlan(minimum=self.inference_instances, **given) if given else None
        except TypeError:
            raise ConfigurationError("CONFIGURATION", "SCALING lacks a member, or has one that nobody knows") from None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError):
        raise ConfigurationError("CONFIGURATION", f"{name} must be a JSON object") from None
