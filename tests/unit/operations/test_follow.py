"""A training run is told as it goes: every change of a step once, every line of a script once, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from operations.__main__ import app
from operations.follow import TooLongError, follow

ARN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/healthcare-imaging-mlops-local-training/execution/abc"
BEGUN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
JOB = {"TrainingJob": {"Arn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/pipelines-abc-Train"}}


class MissingError(Exception):
    """ResourceNotFoundException."""


class Aws:
    """SageMaker and its logs: `moments` are (status of the run, its steps, lines of the log), one a look."""

    class exceptions:  # noqa: N801 - as a boto3 client has it
        ResourceNotFoundException = MissingError

    def __init__(self, *moments: tuple[str, list[dict[str, Any]], list[str]]) -> None:
        self._moments: Iterator[Any] = iter(moments)
        self.now = moments[0]
        self.runs = [{"PipelineExecutionArn": ARN}]

    def __call__(self, _service: str) -> Aws:
        return self

    def list_pipeline_executions(self, PipelineName: str, **_: Any) -> Any:  # noqa: N803 - the API's name
        assert PipelineName == "healthcare-imaging-mlops-local-training"
        return {"PipelineExecutionSummaries": self.runs}

    def describe_pipeline_execution(self, **_: str) -> Any:
        self.now = next(self._moments, self.now)
        status = self.now[0]
        more = {"FailureReason": "accuracy 0.61"} if status == "Failed" else {}
        return {"PipelineExecutionArn": ARN, "PipelineExecutionStatus": status, "CreationTime": BEGUN, **more}

    def list_pipeline_execution_steps(self, **_: str) -> Any:
        return {"PipelineExecutionSteps": self.now[1]}

    def describe_log_streams(self, logGroupName: str, logStreamNamePrefix: str) -> Any:  # noqa: N803
        assert (logGroupName, logStreamNamePrefix) == ("/aws/sagemaker/TrainingJobs", "pipelines-abc-Train")
        if not self.now[2]:
            raise MissingError
        return {"logStreams": [{"logStreamName": "pipelines-abc-Train/algo-1"}]}

    def get_log_events(self, **_: Any) -> Any:
        return {"events": [{"message": line} for line in self.now[2]]}


def step(status: str, **more: Any) -> dict[str, Any]:
    return {"StepName": "Train", "StepStatus": status, "StartTime": BEGUN, "Metadata": JOB, **more}


def test_each_change_and_each_line_of_a_script_is_told_once() -> None:
    ended = {"EndTime": BEGUN + timedelta(seconds=75), "FailureReason": "AlgorithmError: no"}
    aws = Aws(
        ("Executing", [step("Executing")], []),
        ("Executing", [step("Executing")], ["[metric] epoch=1", "a library talks"]),
        ("Executing", [step("Executing")], ["[metric] epoch=1", "a library talks", "[metric] epoch=2"]),
        ("Failed", [step("Failed", **ended)], ["[metric] epoch=1", "a library talks", "[metric] epoch=2"]),
    )
    said: list[str] = []
    assert follow(aws, ARN, said.append, pause=lambda _: None)["PipelineExecutionStatus"] == "Failed"
    assert said == [
        "Train            Executing",
        "  [metric] epoch=1",
        "  [metric] epoch=2",
        "Train            Failed after 75 s: AlgorithmError: no",
    ]


def test_who_gives_it_a_time_is_told_when_that_is_over() -> None:
    with pytest.raises(TooLongError, match="did not end within"):
        follow(Aws(("Executing", [], [])), ARN, print, seconds=-1, pause=lambda _: None)


@pytest.mark.parametrize(("status", "code"), [("Succeeded", 0), ("Failed", 2)])
def test_the_command_ends_with_the_newest_run(monkeypatch: pytest.MonkeyPatch, status: str, code: int) -> None:
    monkeypatch.setattr(boto3, "client", Aws((status, [step(status)], ["[split] 3 sides"])))
    done = CliRunner().invoke(app, ["follow"])
    assert done.exit_code == code, done.output
    assert "Run abc, begun 2026-11-22 08:00:00 UTC" in done.output
    assert "  [split] 3 sides" in done.output
    assert done.output.rstrip().endswith("Succeeded" if code == 0 else "Failed: accuracy 0.61")


def test_a_pipeline_that_has_never_run_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws(("Executing", [], []))
    aws.runs = []
    monkeypatch.setattr(boto3, "client", aws)
    done = CliRunner().invoke(app, ["follow"])
    assert (done.exit_code, "has never run" in done.output) == (0, True)
