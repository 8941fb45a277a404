"""The bootstrap of an account with two environments, as the engine would get it."""

from __future__ import annotations

import importlib.util
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi.runtime
import pytest
import yaml

from bootstrap.settings import PROJECT

ROOT = Path(__file__).parents[3]


def _load_recorder() -> ModuleType:
    """The recorder by its path: tests are no package, and pytest imports each file by itself."""
    name = "tests_fixtures_pulumi_recorder"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "fixtures" / "pulumi_recorder.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def account() -> Callable[..., Any]:
    """`account("prod", preview=False, **changed)`: what the bootstrap registers for an account's stack file."""
    recorder = _load_recorder()

    def record(stack: str, *, preview: bool = False, **changed: Any) -> Any:
        given = yaml.safe_load((ROOT / "bootstrap" / f"Pulumi.{stack}.yaml").read_text())["config"]
        given |= {f"{PROJECT}:{key}": value for key, value in changed.items()}
        config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
        main = runpy.run_path(str(ROOT / "bootstrap" / "__main__.py"), run_name="program")["main"]
        pulumi.runtime.set_all_config(config)
        try:
            return recorder.record(main, preview=preview, stack=stack)
        finally:
            pulumi.runtime.set_all_config({})

    return record
