"""The environment of Monitoring."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        reconcile_grace_seconds: how long an upload may be on its way before the reconciler drives it again.
    """

    training_data_bucket: str
    preprocessed_bucket: str
    tracking_table: str
    ingestion_state_machine_arn: str
    import_queue_url: str
    datastore_id: str
    event_bus_name: str
    reconcile_grace_seconds: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
