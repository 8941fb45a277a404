"""A back-fill is started over one source and followed to its end, with objects counted by outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from operations import backfill
from operations.__main__ import app


class Machines:
    """Step Functions whose Map Run is done at the third look."""

    def __init__(self, final: str = "SUCCEEDED", failed: int = 0) -> None:
        self.inputs: list[dict[str, Any]] = []
        self.machine = ""
        self.looks = 0
        self.final = final
        self.failed = failed

    def start_execution(self, *, stateMachineArn: str, input: str) -> dict[str, str]:  # noqa: A002, N803
        self.machine = stateMachineArn
        self.inputs.append(json.loads(input))
        return {"executionArn": "execution"}

    def describe_execution(self, **_: Any) -> dict[str, str]:
        self.looks += 1
        return {"status": "RUNNING"} if self.looks < 3 else {"status": self.final}

    def list_map_runs(self, **_: Any) -> dict[str, Any]:
        return {"mapRuns": [{"mapRunArn": "run"}] if self.looks > 1 else []}

    def describe_map_run(self, **_: Any) -> dict[str, Any]:
        done = 4 - self.failed if self.looks > 2 else 2
        counts = {"total": 4, "succeeded": done, "failed": self.failed, "timedOut": 0, "aborted": 0, "pending": 0}
        return {"itemCounts": counts}


def test_a_run_is_followed_from_before_its_listing_to_its_end() -> None:
    machines, told = Machines(), list[backfill.Progress]()
    ended = backfill.follow(machines, "execution", told.append, sleep=lambda _: None)
    assert [one.objects.get("succeeded") for one in told] == [None, 2, 4]
    assert (ended.status, ended.objects["total"]) == ("SUCCEEDED", 4)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("operations.__main__.account", lambda: "111122223333")

    def invoke(machines: Machines, *arguments: str) -> Any:
        monkeypatch.setattr(boto3, "client", lambda _: machines)
        return CliRunner().invoke(app, ["backfill", "--pause", "0.1", *arguments])

    yield invoke


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], {"prefix": "upload/"}),
        (["--prefix", "upload/2019/"], {"prefix": "upload/2019/"}),
        (["--manifest", "backfill/lost.jsonl"], {"manifest": "backfill/lost.jsonl"}),
    ],
    ids=["all", "a prefix", "a manifest"],
)
def test_the_command_starts_the_stacks_machine_over_one_source(run: Any, arguments: list[str], given: Any) -> None:
    machines = Machines()
    result = run(machines, *arguments)
    assert (result.exit_code, machines.inputs) == (0, [given])
    assert machines.machine.endswith(":111122223333:stateMachine:healthcare-imaging-mlops-local-backfill")
    assert json.loads(result.stdout)["objects"]["succeeded"] == 4
    assert "4 of 4 objects" in result.stderr


@pytest.mark.parametrize(("final", "failed"), [("SUCCEEDED", 1), ("FAILED", 0)])
def test_objects_or_a_run_that_failed_are_exit_code_two(run: Any, final: str, failed: int) -> None:
    assert run(Machines(final, failed)).exit_code == 2


def test_it_need_not_be_waited_for(run: Any) -> None:
    machines = Machines()
    assert json.loads(run(machines, "--no-wait").stdout) == {"execution": "execution"}
    assert machines.looks == 0
