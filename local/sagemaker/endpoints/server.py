"""One model server process: the model's files, the process, its port and its health."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.sagemaker import registry
from local.sagemaker.context import Context
from local.sagemaker.jobs import layout, transfer
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.logs import LogShipper
from local.sagemaker.jobs.process import Process
from local.sagemaker.names import random_id
from local.sagemaker.ports import Credentials

_SCRIPT = Path(__file__).parents[1] / "container" / "local_serving_http.py"
HEALTH_SECONDS = 300.0
REPLY_SECONDS = 60.0  # the runtime gives a container 60 s for an answer
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class ServerReply:
    """Answer of the container."""

    status: int
    content_type: str
    body: bytes


class ModelServer:
    """A server for one variant; `start` blocks until it is healthy. Raises JobFailedError when it never is."""

    def __init__(
        self, context: Context, endpoint: str, variant: str, model: Mapping[str, Any], log_group: str | None = None
    ) -> None:
        self._context, self._model = context, model
        self._folder = layout.JobFolder(context, f"{endpoint}-{variant}-{random_id(8)}", area="endpoints")
        self.log_group = log_group or f"/aws/sagemaker/Endpoints/{endpoint}"
        self.log_stream = f"{variant}/i-{random_id(17)}"
        self.caller: Credentials | None = None
        self._process: Process | None = None
        self._logs: LogShipper | None = None
        self._port = 0
        self._port_file = self._folder.home / "port"

    def start(self) -> None:
        """Fetch the model with the model's role, start the process, wait for its health."""
        try:
            self._launch()
            self._wait()
        except JobFailedError:
            self.close()
            raise

    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.running()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> ServerReply:
        """One HTTP request to the process. Raises OSError or TimeoutError when it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REPLY_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            content_type = reply.headers.get("Content-Type", "application/octet-stream")
            return ServerReply(reply.status, content_type, reply.read())
        finally:
            connection.close()

    def close(self) -> None:
        """End the process and delete its files."""
        if self._process is not None:
            self._process.stop(_STOP_SECONDS)
            self._process.wait(stop=threading.Event(), limit=None, grace=_STOP_SECONDS)
            self._process = None
        if self._logs is not None:
            self._logs.close()
            self._logs = None
        self._folder.remove()

    def _launch(self) -> None:
        context, container = self._context, _container(self._context, self._model)
        self.caller = context.cloud.assume(self._model["ExecutionRoleArn"], "SageMaker")
        store = context.cloud.storage(self.caller)
        transfer.unpack(store, container["ModelDataUrl"], self._folder.root / "model", self._folder.home / "tmp")
        environment = layout.environment(
            context, self._folder, self.caller, container.get("Environment") or {}, isolated=self._isolated
        )
        command = ["python", str(_SCRIPT), str(self._folder.root / "model"), str(self._port_file)]
        self._logs = LogShipper(context, self.caller, self.log_group, self.log_stream)
        self._process = Process(
            layout.command(context, self._folder, command, []),
            folder=self._folder.root,
            environment=environment,
            on_line=self._logs.add,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + HEALTH_SECONDS
        while self.alive() and time.monotonic() < deadline and not self._context.closing.is_set():
            if self._healthy():
                return
            time.sleep(_POLL_SECONDS)
        raise JobFailedError(
            "ClientError",
            "The primary container for production variant did not pass the ping health check. "
            f"Please check CloudWatch logs in {self.log_group}",
        )

    def _healthy(self) -> bool:
        if not self._port and self._port_file.is_file():
            self._port = int(self._port_file.read_text())
        try:
            return bool(self._port) and self.request("GET", "/ping").status == http.client.OK
        except OSError:
            return False

    @property
    def _isolated(self) -> bool:
        return bool(self._model.get("EnableNetworkIsolation"))


def _container(context: Context, model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one container of a model; a model package brings its own specification."""
    container = model.get("PrimaryContainer") or model["Containers"][0]
    package = container.get("ModelPackageName")
    if not package:
        return container
    specification = registry.require_package(context, package).get("InferenceSpecification") or {}
    inner = (specification.get("Containers") or [{}])[0]
    if not inner.get("ModelDataUrl"):
        raise JobFailedError("ClientError", f"Model package {package} has no ModelDataUrl")
    return {**inner, "Environment": {**(inner.get("Environment") or {}), **(container.get("Environment") or {})}}
