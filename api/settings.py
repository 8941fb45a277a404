"""The environment of the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, get_args

from api.reading import Rules, Trigger
from lambda_shared import settings
from lambda_shared.errors import ConfigurationError

NO_ORIGIN = "none"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        client_ids: app clients of the pool whose tokens are taken, with commas between them.
        readers_per_study: 1 or 2 blind reads make ground truth.
        adjudicate_on: what sends two reads to a third reader, with commas between: finding, uncertain.
        allowed_origin: https origins that a browser may call from, with commas between them; "none" lets none in.
        preprocessed_bucket, endpoint_name: where de-identified images lie, and the endpoint that is asked about them.
        upload_url_seconds: how long a presigned upload URL is valid.
        model_registry_function: name of the function that carries out decisions about models.
    """

    training_data_bucket: str
    preprocessed_bucket: str
    tracking_table: str
    assignments_table: str
    outbox_table: str
    labels_table: str
    metrics_table: str
    event_bus_name: str
    model_package_group: str
    endpoint_name: str
    pipeline_name: str
    datastore_id: str
    client_ids: str
    pseudonym_key_secret_arn: str
    readers_per_study: int
    adjudicate_on: str
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

    def rules(self) -> Rules:
        """The rules of reading. Raises ConfigurationError."""
        triggers = frozenset(self.adjudicate_on.split(","))
        if self.readers_per_study not in {1, 2} or not triggers <= set(get_args(Trigger)):
            raise ConfigurationError("CONFIGURATION", "READERS_PER_STUDY is 1 or 2, ADJUDICATE_ON finding, uncertain")
        return Rules(readers=self.readers_per_study, adjudicate_on=cast("frozenset[Trigger]", triggers))

    def origins(self) -> list[str]:
        """The origins one by one."""
        return [] if self.allowed_origin == NO_ORIGIN else self.allowed_origin.split(",")
