"""The SDK's own view of the resource types, and a provider without any engine around it."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from pulumi._types import resource_types


class RefusedError(Exception):
    """What `context.abort` raises: the status the engine would get."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    """A gRPC context with one peer."""

    metadata: tuple[Any, ...] = field(default_factory=tuple)

    def peer(self) -> str:
        return "test"

    def abort(self, code: grpc.StatusCode, message: str) -> NoReturn:
        raise RefusedError(code, message)

    def set_trailing_metadata(self, metadata: tuple[Any, ...]) -> None:
        self.metadata = metadata


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture(scope="session")
def sdk_classes() -> dict[str, tuple[str, str]]:
    """Type token -> (module, class) of the installed pulumi_aws, read from its own registry."""
    spec = importlib.util.find_spec("pulumi_aws")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text()
    modules = json.loads(text.split('resource_modules="""', 1)[1].split('"""', 1)[0])
    return {token: (m["fqn"], name) for m in modules for token, name in m["classes"].items()}


@pytest.fixture(scope="session")
def sdk_names(sdk_classes: dict[str, tuple[str, str]]) -> Any:
    """`sdk_names(token)` -> (top-level property names, text of the module's nested types)."""

    def names(token: str) -> tuple[set[str], str]:
        module, name = sdk_classes[token]
        home = importlib.import_module(module)
        nested = Path(str(home.__file__)).with_name("outputs.py")
        return set(resource_types(getattr(home, name))), nested.read_text() if nested.exists() else ""

    return names


@pytest.fixture(scope="module")
def offline_environment() -> Iterator[None]:
    """No credentials, an endpoint that nobody serves, and the switch; clients are shared within a test module."""
    from local.provider.clients import connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "LOCAL_AWS_ACCOUNT"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
        patch.setenv("LOCAL_AWS_OFFLINE", "1")
        connect.cache_clear()
        yield
        connect.cache_clear()
