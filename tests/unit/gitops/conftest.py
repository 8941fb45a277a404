"""Small previews as the CLI prints them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Step = dict[str, Any]


@pytest.fixture
def step() -> Callable[..., Step]:
    def build(op: str, kind: str, name: str, *, old: Any = None, new: Any = None, **rest: Any) -> Step:
        found: Step = {"op": op, "urn": f"urn:pulumi:prod::imaging::imaging:storage:Store${kind}::{name}", **rest}
        for state, inputs in (("oldState", old), ("newState", new)):
            if inputs is not None:
                found[state] = {"custom": True, "type": kind, "inputs": inputs, "outputs": inputs}
        return found

    return build


@pytest.fixture
def document() -> Callable[..., str]:
    def build(*steps: Step, **rest: Any) -> str:
        return json.dumps({"steps": list(steps), **rest}, indent=4)

    return build
