"""`make validate-local`: the stack as a stranger sees it, and a canary image that leaves no trace."""

import json
import sys
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.stack import LocalStack
from tests.fixtures.notebooks import run as run_notebook
from tests.local.chain.conftest import run_command

pytestmark = [pytest.mark.local, pytest.mark.engine]


def test_the_stack_is_as_it_should_be_from_outside(stack: LocalStack, out: dict) -> None:
    told = json.dumps({**out, "client_environment": stack.client_environment()})
    done = run_command(sys.executable, "-m", "tools.validate", "local", "--outputs", "-", given=told)
    *faults, total = done.stdout.splitlines()
    assert total.endswith(f"alarms and the API were looked at: {len(faults)} faults"), done.stdout + done.stderr
    # what the chain did before may sound for its period; a stack that nothing happened to is silent
    assert [fault for fault in faults if not fault.endswith("sounds")] == []
    assert not [fault for fault in faults if "audit-lag" in fault], "nothing delivers a trail here"


def test_the_notebook_of_deployment_validation_runs(
    stack: LocalStack, out: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "outputs.json"
    told.write_text(json.dumps({**out, "client_environment": stack.client_environment()}))
    monkeypatch.setenv("IMAGING_OUTPUTS", str(told))
    said = run_notebook("4-deployment-validation.ipynb")
    assert "the API refuses a stranger, over TLS" in said
    assert "but on other resources" in said
    assert "ingestion now" in said


def test_a_canary_comes_through_and_leaves_nothing(stack: LocalStack, cloud: Cloud, out: dict) -> None:
    table = {"TableName": "healthcare-imaging-mlops-local-image-tracking", "Select": "COUNT"}
    before = cloud.client("dynamodb").scan(**table)["Count"]
    done = run_command(
        *(sys.executable, "-m", "operations", "canary", "--stack", "local", "--limit", "300"),
        environment=stack.client_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("uploaded", "imported", "read back", "removed"):
        assert stage in done.stdout
    assert cloud.client("dynamodb").scan(**table)["Count"] == before
