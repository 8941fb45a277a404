"""One local stack for all tests of the whole chain: brought up by the real engine, removed at the end."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.engine.paths import ROOT
from local.stack import LocalStack


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_command(
    *command: str, given: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command as people type it, in the project's folder, with `environment` over this process's own."""
    return subprocess.run(
        command,
        input=given,
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    made = LocalStack(Path(tmp_path_factory.mktemp("chain")), port=free_port())
    try:
        made.up()
        yield made
    finally:
        made.remove()


@pytest.fixture
def cloud(stack: LocalStack) -> Cloud:
    return Cloud(stack.aws.start())


@pytest.fixture(scope="session")
def out(stack: LocalStack) -> dict:
    return stack.outputs()
