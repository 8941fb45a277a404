"""The environment of the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings

NO_ORIGIN = "none"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        client_ids: app clients of the pool whose tokens are taken, with commas between them.
        allowed_origin: https origins that a browser may call from, with commas between them; "none" lets none in.
        upload_url_seconds: how long a presigned upload URL is valid.
        model_registry_function: name of the function that carries out decisions about models.
    """

    training_data_bucket: str
    tracking_table: str
    assignments_table: str
    labels_table: str
    metrics_table: str
    event_bus_name: str
    model_package_group: str
    pipeline_name: str
    datastore_id: str
    client_ids: str
    pseudonym_key_secret_arn: str
    allowed_origin: str
    upload_url_seconds: int
    model_registry_function: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)

    def clients(self) -> frozenset[str]:
        """The app clients one by one."""
        return frozenset(self.client_ids.split(","))

    def origins(self) -> list[str]:
        """The origins one by one."""
        return [] if self.allowed_origin == NO_ORIGIN else self.allowed_origin.split(",")
