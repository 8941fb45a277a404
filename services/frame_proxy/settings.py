"""Everything that differs between places: a YAML file, each key also as FRAME_PROXY_<KEY> in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PREFIX: Final = "FRAME_PROXY_"
MEBIBYTE: Final = 1024 * 1024


class SettingsError(ValueError):
    """The configuration cannot be used; the message names every key at fault and no value."""


class Settings(BaseModel):
    """Configuration of one process.

    Attributes:
        region, datastore_id: the data store that is served.
        endpoint_url, dicomweb_endpoint_url: where HealthImaging's API and its DICOMweb host answer; "" is AWS itself.
        ca_bundle: PEM file that upstream's certificate is checked against; "" is the system's.
        issuer: the pool's issuer, as tokens name it.
        client_ids: app clients whose access tokens are taken.
        jwks_url, jwks_file: where the pool's public keys are; by default below the issuer. A file wins.
        assignments_table: DynamoDB table reader -> patient_key.
        pseudonym_key_secret_arn, pseudonym_key_file: the key of the pseudonyms; a file wins.
        audit_log_group: CloudWatch log group of the access audit; "" writes to `audit_file`.
        audit_file: JSON lines, for one machine.
        host, port, root: where this service listens, and the path that DICOMweb starts at.
        tls_certificate, tls_key: PEM files; "" serves plain HTTP, for behind a TLS sidecar or in tests only.
        tls_self_signed: serve TLS with a certificate made at the start, for a load balancer that checks none.
        public_url: origin that viewers see, for the URLs in metadata; "" gives relative ones.
        frame_cache_bytes, metadata_cache_bytes: bounds of the two caches.
        upstream_concurrency: HealthImaging calls in flight at once.
        upstream_queue: calls that may wait for a place; the next is refused with 503.
        person_concurrency: requests of one person in flight at once; the next is refused with 429.
        scope_seconds: how long an answer of the assignments table is believed: revocation takes this long.
        directory_seconds: how often the list of image sets is brought up to date.
        browser_cache_seconds: `max-age` of frames.
        audit_flush_seconds, audit_queue: how long and how many reads wait for the audit log before reads are refused.
        lame_duck_seconds: how long new requests are still taken after SIGTERM.
        drain_seconds: how long requests in flight may go on after that.
        identifying_search_keys: take PatientName and the like in a query string too (they then are in access logs).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    region: str
    datastore_id: str = Field(pattern=r"^[0-9a-z]{32}$")
    endpoint_url: str = ""
    dicomweb_endpoint_url: str = ""
    ca_bundle: str = ""
    issuer: str
    client_ids: list[str] = Field(min_length=1)
    jwks_url: str = ""
    jwks_file: str = ""
    assignments_table: str
    pseudonym_key_secret_arn: str = ""
    pseudonym_key_file: str = ""
    audit_log_group: str = ""
    audit_file: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    root: str = Field(default="/dicom-web", pattern=r"^(/[A-Za-z0-9_-]+)+$")
    tls_certificate: str = ""
    tls_key: str = ""
    tls_self_signed: bool = False
    public_url: str = ""
    frame_cache_bytes: int = Field(default=512 * MEBIBYTE, ge=0)
    metadata_cache_bytes: int = Field(default=256 * MEBIBYTE, ge=0)
    upstream_concurrency: int = Field(default=64, ge=1)
    upstream_queue: int = Field(default=2048, ge=0)
    person_concurrency: int = Field(default=256, ge=1)
    scope_seconds: float = Field(default=1, ge=0)
    directory_seconds: float = Field(default=5, gt=0)
    browser_cache_seconds: int = Field(default=3600, ge=0)
    audit_flush_seconds: float = Field(default=1, gt=0)
    audit_queue: int = Field(default=20_000, ge=1)
    lame_duck_seconds: float = Field(default=5, ge=0)
    drain_seconds: float = Field(default=20, ge=1)
    identifying_search_keys: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if not self.pseudonym_key_secret_arn and not self.pseudonym_key_file:
            raise ValueError("one of pseudonym_key_secret_arn and pseudonym_key_file is needed")
        if not self.audit_log_group and not self.audit_file:
            raise ValueError("one of audit_log_group and audit_file is needed")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.tls_self_signed and self.tls_key:
            raise ValueError("tls_self_signed and tls_key exclude each other")
        return self

    @property
    def keys_url(self) -> str:
        """Where the pool's public keys are fetched."""
        return self.jwks_url or f"{self.issuer.rstrip('/')}/.well-known/jwks.json"


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of a YAML file, each key overridden by the environment.

    Raises:
        SettingsError: the file cannot be read, or keys are unknown, missing or of a wrong kind.
    """
    found = _read(path) if path else {}
    environ = os.environ if environ is None else environ
    for name in Settings.model_fields:
        text = environ.get(f"{PREFIX}{name.upper()}")
        if text is not None:
            found[name] = _parts(text) if name == "client_ids" else text
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"the configuration file cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise SettingsError("the configuration file is not a YAML mapping")
    return dict(content)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _sentence(error: ValidationError) -> str:
    parts = [f"{'.'.join(str(at) for at in one['loc']) or 'settings'}: {one['msg']}" for one in error.errors()]
    return "the configuration cannot be used: " + "; ".join(parts)
