"""The environment of ImageIngestion."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        import_quiet_seconds: how long a study must be unchanged before its import starts; at most 900 (SQS's limit).
        objects_per_execution: uploads that one execution of the workflow takes at most.
        max_object_bytes: larger objects are quarantined without being read.
        keep_patient_characteristics: sex, age and size stay in the research zone (PS3.15 E.3.7).
    """

    training_data_bucket: str
    preprocessed_bucket: str
    tracking_table: str
    pseudonym_key_secret_arn: str
    datastore_id: str
    import_role_arn: str
    import_queue_url: str
    upload_queue_url: str
    ingestion_state_machine_arn: str
    objects_per_execution: int
    import_quiet_seconds: int
    max_object_bytes: int
    keep_patient_characteristics: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
