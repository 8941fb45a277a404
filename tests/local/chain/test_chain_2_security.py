"""The two drills of the security officer, on the whole stack: the very commands that the documents name."""

import json
import sys

import pytest

from local.stack import LocalStack
from tests.local.chain.conftest import run_command


@pytest.mark.parametrize("drill", ["breach", "restore"])
def test_a_drill_passes_on_the_running_stack(stack: LocalStack, out: dict, drill: str) -> None:
    outputs = {**out, "client_environment": stack.client_environment()}
    done = run_command(sys.executable, "-m", "tools.drills", drill, given=json.dumps(outputs))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("passed\n")
    assert "FAIL" not in done.stdout
