"""Starts, serves and stops one embedded AWS."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import json
import logging
import shutil
import signal
import ssl
import threading
import time
import urllib.request
from typing import Any

from local.aws import certificates, deploy_user, settings
from local.aws.alarms import Ticker
from local.aws.gateway import Gateway, Server
from local.aws.metrics import record_gauges
from local.aws.settings import ACCOUNT, REGION, Settings, StartError
from local.aws.snapshot import Generations, Snapshotter

logger = logging.getLogger("local.aws")

START_LIMIT_SECONDS = 150.0


class EmbeddedAws:
    """One running instance; ministack keeps its state in module globals, so there is one per process."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        settings.check(chosen)
        chosen.folder.mkdir(parents=True, exist_ok=True)
        chosen.ready_file.unlink(missing_ok=True)
        self._material = certificates.material(chosen.folder / "tls")
        settings.prepare_environment(chosen, self._material.bundle, self._material.certificate, self._material.key)
        self._generations = Generations(chosen.folder)
        self._generations.prepare()
        self._gateway, self._snapshots, self._stand_ins = self._assemble()
        self._ticker = Ticker(ACCOUNT, REGION, record_gauges)
        self._server = Server(self._gateway, chosen, self._material)

    def _assemble(self) -> tuple[Gateway, Snapshotter, list[Any]]:
        """Import ministack (its settings are in the environment by now) and close its gaps."""
        from ministack import app
        from ministack.core import iam_evaluator, router

        from local.aws import (
            alarms,
            cloud_control,
            event_targets,
            functions,
            invocations,
            leading_keys,
            metrics,
            object_checksums,
            rest_import,
            security_groups,
            state,
            token_keys,
            unserved,
        )

        functions.install(self._settings.lambda_python)
        invocations.install()
        metrics.install()
        metrics.count_executions()
        alarms.install()
        event_targets.install()
        security_groups.install()
        object_checksums.install()
        token_keys.install()
        leading_keys.install()
        rest_import.install(app)
        cloud_control.install(app)
        unserved.install(app, router)
        state.keep_sessions()
        state.refuse_unwritten_objects()
        gateway = Gateway(app.app, iam_evaluator.is_root_access_key)
        snapshots = state.snapshotter(app, self._generations, lambda: gateway.requests_seen)
        return gateway, snapshots, _install_stand_ins(app, router, self._settings)

    def start(self) -> dict[str, str]:
        """Serve, make the deploy user, take the first snapshot; returns the environment map."""
        self._server.start()
        self._wait_until_healthy()
        environment = {
            "AWS_ENDPOINT_URL": self._settings.endpoint,
            "AWS_CA_BUNDLE": str(self._material.bundle),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            **deploy_user.ensure(self._root_client("iam"), self._settings.folder / "deploy-user.json"),
        }
        self._gateway.close_root()
        self._snapshots.take()
        self._snapshots.start()
        self._ticker.start()
        for stand_in in self._stand_ins:
            if hasattr(stand_in, "resume"):
                stand_in.resume()
        self._settings.ready_file.touch(mode=0o600)
        self._settings.ready_file.write_text(json.dumps(environment, indent=1))
        return environment

    def stop(self) -> None:
        """Stop serving, save, remove the scratch folder."""
        self._settings.ready_file.unlink(missing_ok=True)
        for stand_in in self._stand_ins:
            if hasattr(stand_in, "stop"):
                stand_in.stop()
        self._server.stop()
        self._ticker.stop()
        self._snapshots.stop()
        if not self._snapshots.take():
            logger.error("the last snapshot failed: the state of a moment earlier stays")
        shutil.rmtree(self._settings.scratch, ignore_errors=True)

    def _wait_until_healthy(self) -> None:
        context = ssl.create_default_context(cafile=str(self._material.bundle))
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while True:
            try:
                urllib.request.urlopen(  # noqa: S310 - our own loopback https address
                    f"{self._settings.endpoint}/_ministack/health", context=context, timeout=5
                ).read()
            except OSError as error:
                if time.monotonic() > deadline or not self._server.alive:
                    raise StartError(
                        f"the embedded AWS did not come up on {self._settings.endpoint}: {error}"
                    ) from error
                time.sleep(0.05)
            else:
                return

    def _root_client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self._settings.endpoint,
            verify=str(self._material.bundle),
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - ministack's root, closed right after
        )


def _install_stand_ins(app: Any, router: Any, chosen: Settings) -> list[Any]:
    """HealthImaging and SageMaker, each with its own folder of state."""
    from local import healthimaging, sagemaker

    return [
        healthimaging.install(app, router, chosen.folder / "healthimaging"),
        sagemaker.install(app, router, chosen.folder / "sagemaker", chosen.train_python),
    ]


def run(chosen: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    started = time.monotonic()
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # handlers, not a mask: a mask would be inherited by functions
        signal.signal(number, lambda *_: asked_to_stop.set())
    instance = EmbeddedAws(chosen)
    instance.start()
    print(f"ready in {time.monotonic() - started:.2f} s on {chosen.endpoint}", flush=True)
    asked_to_stop.wait()
    instance.stop()
