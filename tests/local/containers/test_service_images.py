"""The services' entry points start in an environment that has their lock file and what the Dockerfile copies."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVICES = [
    path.parent.name for path in sorted((ROOT / "containers").glob("*/Dockerfile")) if "services." in path.read_text()
]
pytestmark = pytest.mark.local


@pytest.mark.parametrize("name", SERVICES)
def test_the_entry_point_knows_its_options(name: str, image: Callable[[str], Any]) -> None:
    made = image(name)
    environment = {"PYTHONPATH": str(made.app), "PATH": os.environ["PATH"]}
    command = [*made.entry, "--help"]
    done = subprocess.run(command, cwd=made.app, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout
