"""The embedded AWS for integration tests: one launcher per session, real TLS, real IAM keys."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below tests/local needs the embedded AWS."""
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.local)


class Launcher:
    """One `python -m local.aws` process and the folder it keeps its state in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the launcher printed so far."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def command(self, **changed: str) -> list[str]:
        """The command line; options may be replaced by name."""
        options = {
            "--dir": str(self.folder),
            "--port": str(self.port),
            "--lambda-python": str(ROOT / ".venvs/lambda/bin/python"),
            "--train-python": str(ROOT / ".venvs/train/bin/python"),
            **{"--" + name.replace("_", "-"): value for name, value in changed.items()},
        }
        python = ROOT / ".venvs/aws/bin/python"
        return [str(python), "-m", "local.aws", *[part for option in options.items() for part in option]]

    def start(self) -> dict[str, str]:
        """Start it and wait for its ready file; returns the environment map."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return json.loads(ready.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.05)
        pytest.fail(f"the embedded AWS did not start:\n{self.log}")

    def stop(self) -> None:
        """Stop it cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


def client(environment: dict[str, str], service: str, **named: Any) -> Any:
    """A boto3 client of the embedded AWS; SigV4 presigning, no silent retries."""
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        verify=environment["AWS_CA_BUNDLE"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=named.pop("access_key", environment["AWS_ACCESS_KEY_ID"]),
        aws_secret_access_key=named.pop("secret_key", environment["AWS_SECRET_ACCESS_KEY"]),
        aws_session_token=named.pop("session_token", None),
        config=Config(
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
            retries={"total_max_attempts": 1},
            **named,
        ),
    )


def wait_until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
    """The first true answer of `condition`; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    pytest.fail(f"{what} did not come true within {seconds:.0f} s")


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment map of a running embedded AWS; its folder goes when the session ends."""
    launcher = Launcher(tmp_path_factory.mktemp("embedded-aws") / "state")
    try:
        yield launcher.start()
    finally:
        launcher.stop()


@pytest.fixture(scope="session")
def aws(embedded_aws: dict[str, str]) -> Callable[..., Any]:
    """`aws("s3")`: a client with the deploy user's keys."""
    return lambda service, **named: client(embedded_aws, service, **named)


@pytest.fixture
def own_launcher(tmp_path: Path) -> Iterator[Launcher]:
    """A launcher for one test that wants to stop, kill and start it."""
    launcher = Launcher(tmp_path / "state")
    yield launcher
    launcher.kill()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """`wait_until` for tests of other folders."""
    return wait_until


@pytest.fixture
def make_client() -> Callable[..., Any]:
    """`client` for tests that start their own launcher or use other keys."""
    return client
