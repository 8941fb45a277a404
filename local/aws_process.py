"""Start, find and stop the embedded AWS as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from local.engine.paths import AWS_PYTHON, LAMBDA_PYTHON, ROOT, TRAIN_PYTHON

DEFAULT_PORT = 4600
_START_SECONDS = 60


class AwsProcessError(RuntimeError):
    """The embedded AWS did not start; the message says where its log is."""


class AwsProcess:
    """The embedded AWS of one run folder. It outlives the command that started it; `stop` ends it.

    The port is part of queue URLs, which are resource ids: a folder keeps the port it was started with.
    """

    def __init__(self, folder: Path, port: int = DEFAULT_PORT) -> None:
        self.folder = folder
        kept = folder / "port"
        self.port = int(kept.read_text()) if kept.exists() else port

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Endpoint, certificate bundle, region and keys of the deploy user, for any AWS client."""
        return json.loads((self.folder / "ready.json").read_text())

    def pid(self) -> int | None:
        """Process id while it runs."""
        path = self.folder / "pid"
        if not path.exists():
            return None
        number = int(path.read_text())
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{number}/cmdline").read_bytes() if Path("/proc").exists() else b"local.aws"
            os.kill(number, 0)
            return number if b"local.aws" in command else None
        return None

    def healthy(self) -> bool:
        """True when it answers over TLS with the certificate of its own authority."""
        bundle = self.folder / "ready.json"
        if not bundle.exists():
            return False
        context = ssl.create_default_context(cafile=self.environment()["AWS_CA_BUNDLE"])
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", context=context, timeout=5) as answer:  # noqa: S310
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def start(self) -> dict[str, str]:
        """Start it unless it runs; returns the environment for clients."""
        if self.pid() and self.healthy():
            return self.environment()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "port").write_text(str(self.port))
        self._wait_for_port()
        (self.folder / "ready.json").unlink(missing_ok=True)
        log = (self.folder / "log.txt").open("ab")
        command = [str(AWS_PYTHON), "-m", "local.aws", "--dir", str(self.folder), "--port", str(self.port)]
        command += ["--lambda-python", str(LAMBDA_PYTHON), "--train-python", str(TRAIN_PYTHON)]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        child = subprocess.Popen(
            command, cwd=ROOT, env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        (self.folder / "pid").write_text(str(child.pid))
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                break
            if (self.folder / "ready.json").exists() and self.healthy():
                return self.environment()
            time.sleep(0.1)
        tail = (self.folder / "log.txt").read_text(errors="replace")[-1500:]
        raise AwsProcessError(
            f"The embedded AWS did not start on port {self.port}. If the port is taken, choose another: "
            f"make demo PORT=4700. The end of its log ({self.folder.name}/log.txt):\n{tail}"
        )

    def _wait_for_port(self, seconds: float = 20) -> None:
        """After a kill, a forked snapshot of the dead process may hold the port until it has written its file."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:  # nobody listens
                    return
            time.sleep(0.2)

    def stop(self, *, kill: bool = False, seconds: float = 30) -> None:
        """End it: by SIGTERM with its state saved, or by SIGKILL to stand for a crash."""
        number = self.pid()
        if number is None:
            return
        os.kill(number, signal.SIGKILL if kill else signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.pid() is not None and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(number, os.WNOHANG)
            time.sleep(0.05)
        if self.pid() is not None:
            os.kill(number, signal.SIGKILL)
        (self.folder / "pid").unlink(missing_ok=True)
