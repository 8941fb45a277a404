"""Settings to a running application: AWS clients, keys, caches."""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import json
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imaging.pseudonym import Pseudonymizer, key_from_secret
from lambda_shared.assignments import DynamoAssignmentsTable
from services.frame_proxy.app import App
from services.frame_proxy.audit import Audit, AuditSink, CloudWatchSink, FileSink
from services.frame_proxy.cache import SharedCache
from services.frame_proxy.directory import Directory
from services.frame_proxy.frames import Frames
from services.frame_proxy.gate import PersonGate, UpstreamGate
from services.frame_proxy.healthimaging import HealthImaging
from services.frame_proxy.identity import KeySource, Verifier
from services.frame_proxy.image_sets import Contents
from services.frame_proxy.metrics import Metrics
from services.frame_proxy.scope import Assignments, Scope
from services.frame_proxy.services import Services
from services.frame_proxy.settings import Settings, SettingsError

_KEYS_TIMEOUT = aiohttp.ClientTimeout(total=10)


def build(settings: Settings, *, assignments: Assignments | None = None, sink: AuditSink | None = None) -> App:
    """The application of one process. Raises SettingsError when keys or credentials are not to be had."""
    metrics = Metrics()
    gate = UpstreamGate(settings.upstream_concurrency, settings.upstream_queue)
    upstream = HealthImaging(
        datastore_id=settings.datastore_id,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        dicomweb_endpoint_url=settings.dicomweb_endpoint_url,
        ca_bundle=settings.ca_bundle,
        credentials=_credentials(),
        gate=gate,
        observe=metrics.called,
    )
    pseudonymizer = Pseudonymizer(_pseudonym_key(settings))
    frames = Frames(upstream, settings.frame_cache_bytes)
    contents: SharedCache[tuple[str, int], Contents] = SharedCache(
        settings.metadata_cache_bytes, lambda one: one.weight
    )
    audit = Audit(sink or _sink(settings), flush_seconds=settings.audit_flush_seconds, queue=settings.audit_queue)
    table = assignments or DynamoAssignmentsTable(_resource(settings, "dynamodb").Table(settings.assignments_table))
    services = Services(
        settings=settings,
        verifier=Verifier(settings.issuer, settings.client_ids, key_source(settings)),
        scope=Scope(table, settings.scope_seconds),
        audit=audit,
        upstream=upstream,
        directory=Directory(upstream, pseudonymizer),
        contents=contents,
        frames=frames,
        persons=PersonGate(settings.person_concurrency),
        pseudonymizer=pseudonymizer,
        metrics=metrics,
    )
    metrics.gauge("frame_cache_bytes", "Frames held", lambda: frames.cache.bytes)
    metrics.gauge("metadata_cache_bytes", "Metadata held", lambda: contents.bytes)
    metrics.gauge("frame_cache_hits", "Frames found in the cache", lambda: frames.cache.hits)
    metrics.gauge("frame_cache_misses", "Frames that had to be fetched", lambda: frames.cache.misses)
    metrics.gauge("upstream_waiting", "Calls that wait for a place", lambda: gate.waiting)
    metrics.gauge("upstream_running", "Calls under way", lambda: gate.running)
    metrics.gauge("audit_backlog", "Audit records that are not durable yet", lambda: audit.backlog)
    return App(services)


def key_source(settings: Settings) -> KeySource:
    """Where the pool's public keys come from: a file, else the issuer."""
    if settings.jwks_file:

        async def from_file() -> dict[str, Any]:
            return json.loads(Path(settings.jwks_file).read_text())

        return from_file
    tls = ssl.create_default_context(cafile=settings.ca_bundle or None)

    async def from_issuer() -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(timeout=_KEYS_TIMEOUT) as session,
            session.get(settings.keys_url, ssl=tls) as answer,
        ):
            answer.raise_for_status()
            return json.loads(await answer.read())

    return from_issuer


def _credentials() -> Any:
    found: Any = botocore.session.get_session().get_credentials()
    if found is None:
        raise SettingsError("no AWS credentials are to be had")
    return found


def _client_options(settings: Settings) -> dict[str, Any]:
    retries: Any = {"total_max_attempts": 3, "mode": "standard"}
    return {
        "region_name": settings.region,
        "endpoint_url": settings.endpoint_url or None,
        "verify": settings.ca_bundle or None,
        "config": Config(retries=retries, connect_timeout=3, read_timeout=10, max_pool_connections=32),
    }


def _client(settings: Settings, service: str) -> Any:
    return boto3.client(service, **_client_options(settings))


def _resource(settings: Settings, service: str) -> Any:
    return boto3.resource(service, **_client_options(settings))


def _sink(settings: Settings) -> AuditSink:
    if not settings.audit_log_group:
        return FileSink(Path(settings.audit_file))
    stream = f"{socket.gethostname()}-{os.getpid()}"
    return CloudWatchSink(_client(settings, "logs"), settings.audit_log_group, stream)


def _pseudonym_key(settings: Settings) -> bytes:
    if settings.pseudonym_key_file:
        try:
            return key_from_secret(Path(settings.pseudonym_key_file).read_text())
        except (OSError, ValueError) as error:
            raise SettingsError(f"pseudonym_key_file cannot be used ({type(error).__name__})") from None
    try:
        found = _client(settings, "secretsmanager").get_secret_value(SecretId=settings.pseudonym_key_secret_arn)
        return key_from_secret(str(found["SecretString"]))
    except (ClientError, BotoCoreError, KeyError, ValueError) as error:
        raise SettingsError(f"the pseudonym key cannot be had ({type(error).__name__})") from None
