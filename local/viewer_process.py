"""The two processes behind the viewer's address: frame_proxy and the TLS origin, started and ended with the stack."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from local.engine.paths import CACHE, PROJECT_PYTHON, ROOT

_START_SECONDS = 60


class ViewerProcessError(RuntimeError):
    """A process did not start; the message says where its log is."""


class Viewer:
    """Both processes of one run folder; they outlive the command that started them."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "viewer"

    @property
    def url(self) -> str | None:
        """The viewer's address while it is served."""
        facts = self.folder / "facts.json"
        return json.loads(facts.read_text())["origin"] if facts.exists() and self._pid("origin") else None

    def start(self, outputs: dict[str, Any], aws_env: dict[str, str], aws_folder: Path) -> str:
        """Serve the viewer of a stack; answers its address. A running one goes on unless the stack has changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self._kept()
        frame_port = before.get("frame_port") or _free_port()
        origin = before.get("origin") or _free_origin(outputs["viewer_origins"])
        facts = {
            "origin": origin,
            "frame_port": frame_port,
            "frame_proxy_url": f"http://127.0.0.1:{frame_port}",
            "api_url": outputs["api_url"],
            "aws_url": aws_env["AWS_ENDPOINT_URL"],
            "ca_bundle": aws_env["AWS_CA_BUNDLE"],
            "certificate": str(aws_folder / "tls/server.pem"),
            "key": str(aws_folder / "tls/server.key"),
            "client_id": outputs["viewer_client_id"],
            "issuer": f"https://cognito-idp.{aws_env['AWS_REGION']}.amazonaws.com/{outputs['user_pool_id']}",
        }
        if before == facts and self._pid("origin") and self._pid("frame-proxy"):
            return origin
        self.stop()
        (self.folder / "facts.json").write_text(json.dumps(facts, indent=1))
        self._spawn("frame-proxy", ["-m", "services.frame_proxy"], frame_proxy_environment(facts, outputs, aws_env))
        arguments = ["-m", "local.viewer_origin", "--facts", str(self.folder / "facts.json"), "--cache", str(CACHE)]
        self._spawn("origin", arguments, {})
        self._wait("frame-proxy", frame_port)
        self._wait("origin", int(origin.rsplit(":", 1)[1]))
        return origin

    def stop(self) -> None:
        """End both."""
        for name in ("origin", "frame-proxy"):
            number = self._pid(name)
            if number is None:
                continue
            os.kill(number, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while self._pid(name) is not None and time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(number, os.WNOHANG)
                time.sleep(0.05)
            if self._pid(name) is not None:
                os.kill(number, signal.SIGKILL)
            (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def _kept(self) -> dict[str, Any]:
        path = self.folder / "facts.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def _pid(self, name: str) -> int | None:
        path = self.folder / f"{name}.pid"
        if not path.exists():
            return None
        number = int(path.read_text())
        with contextlib.suppress(OSError):
            os.kill(number, 0)
            command = Path(f"/proc/{number}/cmdline")
            ours = name.replace("-", "_").encode()
            return number if not command.exists() or ours in command.read_bytes() else None
        return None

    def _spawn(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        kept |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambdas/shared/src")]), **environment}
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [str(PROJECT_PYTHON), *arguments],
                cwd=ROOT,
                env=kept,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / f"{name}.pid").write_text(str(child.pid))

    def _wait(self, name: str, port: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._pid(name):
            if _listening(port):
                return
            time.sleep(0.1)
        tail = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]
        raise ViewerProcessError(f"{name} did not start; the end of {self.folder.name}/{name}.log:\n{tail}")


def frame_proxy_environment(facts: dict[str, Any], outputs: dict[str, Any], aws_env: dict[str, str]) -> dict[str, str]:
    """Settings of frame_proxy on this machine, as its task definition gives them on AWS."""
    settings = {
        "REGION": aws_env["AWS_REGION"],
        "DATASTORE_ID": outputs["datastore_id"],
        "ENDPOINT_URL": aws_env["AWS_ENDPOINT_URL"],
        "DICOMWEB_ENDPOINT_URL": aws_env["AWS_ENDPOINT_URL"],
        "CA_BUNDLE": aws_env["AWS_CA_BUNDLE"],
        "ISSUER": facts["issuer"],
        "CLIENT_IDS": facts["client_id"],
        "JWKS_URL": f"{aws_env['AWS_ENDPOINT_URL']}/{outputs['user_pool_id']}/.well-known/jwks.json",
        "ASSIGNMENTS_TABLE": outputs["assignments_table"],
        "PSEUDONYM_KEY_SECRET_ARN": outputs["pseudonym_secret_arn"],
        "AUDIT_FILE": str(Path(facts["certificate"]).parent / "frame-proxy-audit.jsonl"),
        "PORT": str(facts["frame_port"]),
    }
    return {**aws_env, **{f"FRAME_PROXY_{name}": value for name, value in settings.items()}}


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _free_origin(origins: list[str]) -> str:
    """The first origin whose port nobody listens on: the user pool lets sign-ins return to these only."""
    for origin in origins:
        if not _listening(int(origin.rsplit(":", 1)[1])):
            return origin
    raise ViewerProcessError("every port of api.viewerOrigins (Pulumi.local.yaml) is taken: end another local stack")
