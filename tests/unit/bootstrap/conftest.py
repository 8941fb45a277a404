"""The bootstrap of an account with two environments, as the engine would get it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi.runtime
import pytest
import yaml

from bootstrap.settings import PROJECT
from tests.fixtures import pulumi_recorder as recorder

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def account() -> Callable[..., Any]:
    """`account("prod", preview=False, **changed)`: what the bootstrap registers for an account's stack file.

    Evaluated once for each set of arguments: tests read what was registered and change nothing of it.
    """
    kept: dict[str, Any] = {}

    def evaluated(stack: str, *, preview: bool = False, **changed: Any) -> Any:
        given = yaml.safe_load((ROOT / "bootstrap" / f"Pulumi.{stack}.yaml").read_text())["config"]
        given |= {f"{PROJECT}:{key}": value for key, value in changed.items()}
        config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
        main = runpy.run_path(str(ROOT / "bootstrap" / "__main__.py"), run_name="program")["main"]
        pulumi.runtime.set_all_config(config)
        try:
            return recorder.record(main, preview=preview, stack=stack)
        finally:
            pulumi.runtime.set_all_config({})

    def record(stack: str, *, preview: bool = False, **changed: Any) -> Any:
        asked = json.dumps([stack, preview, changed], sort_keys=True)
        if asked not in kept:
            kept[asked] = evaluated(stack, preview=preview, **changed)
        return kept[asked]

    return record
