"""One local stack for all tests of the whole chain: brought up by the real engine, removed at the end."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.stack import LocalStack


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
