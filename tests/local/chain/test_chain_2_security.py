"""The two drills of the security officer, on the whole stack: the very commands that the documents name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.stack import LocalStack

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("drill", ["breach", "restore"])
def test_a_drill_passes_on_the_running_stack(stack: LocalStack, out: dict, drill: str) -> None:
    outputs = {**out, "client_environment": stack.client_environment()}
    done = subprocess.run(
        [sys.executable, "-m", "tools.drills", drill],
        input=json.dumps(outputs),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("passed\n")
    assert "FAIL" not in done.stdout
