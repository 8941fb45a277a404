"""How executions run: order, branches, parallel steps, retries, cache, stop, restart; with real small processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.sagemaker import events
from local.sagemaker.jobs import processing as jobs

ROLE = "arn:aws:iam::111122223333:role/pipeline"
JOB_ROLE = "arn:aws:iam::111122223333:role/job"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


def call(name: str, *, needs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), **arguments: Any) -> dict[str, Any]:
    """A Lambda step."""
    listed = [{"OutputName": output, "OutputType": "String"} for output in outputs]
    return {
        "Name": name,
        "Type": "Lambda",
        "FunctionArn": FUNCTION,
        "Arguments": {"name": name, **arguments},
        "OutputParameters": listed,
        "DependsOn": list(needs),
    }


def gate(name: str, left: Any, right: Any, then: list[Any], otherwise: list[Any]) -> dict[str, Any]:
    """A Condition step: left equals right."""
    condition = {"Type": "Equals", "LeftValue": left, "RightValue": right}
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": [condition], "IfSteps": then, "ElseSteps": otherwise},
    }


def statuses(steps: dict[str, Any]) -> dict[str, str]:
    """Status by step."""
    return {name: step["StepStatus"] for name, step in steps.items()}


@pytest.fixture
def calls(cloud: Any) -> list[Any]:
    """Events that the function got; it answers its own event with an added answer."""
    seen: list[Any] = []

    def function(event: Any) -> Any:
        seen.append(event)
        return {"answer": "yes", "number": 3}

    cloud.functions[FUNCTION] = function
    return seen


def test_steps_run_after_what_they_need(api: Any, calls: list[Any]) -> None:
    value = {"Get": "Steps.A.OutputParameters['answer']"}
    execution, steps = api.run(call("C", needs=("B",)), call("B", got=value), call("A", outputs=("answer",)))
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert [event["name"] for event in calls] == ["A", "B", "C"]
    assert calls[1]["got"] == "yes"
    assert steps["A"]["Metadata"]["Lambda"] == {
        "Arn": FUNCTION,
        "OutputParameters": [{"Name": "answer", "Value": "yes"}],
    }


@pytest.mark.parametrize(("side", "run", "left_out"), [("1", "Then", "Otherwise"), ("2", "Otherwise", "Then")])
def test_only_the_chosen_branch_and_what_hangs_on_it_run(
    api: Any, calls: list[Any], side: str, run: str, left_out: str
) -> None:
    choose = gate("Gate", {"Get": "Parameters.Side"}, "1", [call("Then")], [call("Otherwise")])
    parameters = [{"Name": "Side", "Type": "String"}]
    api.create(choose, call("AfterThen", needs=("Then",)), call("AfterGate", needs=("Gate",)), parameters=parameters)
    execution, steps = api.end(api.start(Side=side))
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert left_out not in steps
    assert run in steps
    assert ("AfterThen" in steps) is (side == "1")
    assert "AfterGate" in steps


def test_a_missing_lambda_output_fails_the_step(api: Any, calls: list[Any]) -> None:
    execution, steps = api.run(call("A", outputs=("nope",)))
    assert steps["A"]["FailureReason"].endswith("has no output 'nope'")
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed: A"


def test_a_function_error_names_its_type_but_not_its_text(api: Any, cloud: Any) -> None:
    def function(event: Any) -> Any:
        raise ZeroDivisionError("patient Mueller")

    cloud.functions[FUNCTION] = function
    _, steps = api.run(call("A"))
    assert "ZeroDivisionError" in steps["A"]["FailureReason"]
    assert "Mueller" not in json.dumps(steps, default=str)


def test_a_failed_step_starts_nothing_more_but_lets_others_finish(api: Any, calls: list[Any], processing: Any) -> None:
    slow = processing("Slow", "import time; time.sleep(0.6)")
    bad = processing("Bad", "raise SystemExit(3)")
    execution, steps = api.run(slow, bad, call("AfterBad", needs=("Bad",)), call("AfterSlow", needs=("Slow",)))
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert statuses(steps) == {"Slow": "Succeeded", "Bad": "Failed"}
    assert steps["Bad"]["FailureReason"].endswith("exit code: 3")


def test_a_fail_step_stops_what_is_running(api: Any, processing: Any) -> None:
    slow = processing("Slow", "import time; time.sleep(60)")
    wait = processing("Wait", "import time; time.sleep(0.5)")
    fail = {"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": "enough"}, "DependsOn": ["Wait"]}
    execution, steps = api.run(slow, wait, fail)
    assert (execution["PipelineExecutionStatus"], execution["FailureReason"]) == ("Failed", "enough")
    assert statuses(steps) == {"Slow": "Stopped", "Wait": "Succeeded", "No": "Failed"}


def test_independent_steps_run_at_the_same_time(api: Any, cloud: Any, processing: Any, tmp_path: Any) -> None:
    meet = """
import os, pathlib, sys, time
here = pathlib.Path(os.environ["MEETING"])
(here / os.environ["ME"]).touch()
end = time.monotonic() + 20
while len(list(here.iterdir())) < 2:
    if time.monotonic() > end: sys.exit("nobody came")
    time.sleep(0.02)
"""
    folder = tmp_path / "meeting"
    folder.mkdir()
    steps = [
        processing(name, meet, arguments={"Environment": {"MEETING": str(folder), "ME": name}}) for name in ("A", "B")
    ]
    execution, _ = api.run(*steps)
    assert execution["PipelineExecutionStatus"] == "Succeeded"


def test_max_parallel_steps_is_kept(api: Any, cloud: Any) -> None:
    running: list[str] = []
    peak: list[int] = []

    def function(event: Any) -> Any:
        running.append(event["name"])
        time.sleep(0.05)
        peak.append(len(running))
        running.remove(event["name"])
        return {}

    cloud.functions[FUNCTION] = function
    api.run(*[call(name) for name in "ABCD"], ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    assert peak == [1, 1, 1, 1]


@pytest.fixture
def report(processing: Any, cloud: Any) -> Callable[..., list[dict[str, Any]]]:
    """A processing step that writes a report, and a Condition that reads it."""

    def make(**policy: Any) -> list[dict[str, Any]]:
        cloud.objects["b/in/x"] = b"x"
        script = """
import json, os, pathlib
pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "processing/report/r.json").write_text(json.dumps({"ok": 1}))
"""
        step = processing(
            "Report",
            script,
            outputs={"report": ("s3://b/report", "/opt/ml/processing/report")},
            PropertyFiles=[{"PropertyFileName": "R", "OutputName": "report", "FilePath": "r.json"}],
            **policy,
        )
        value = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Report.PropertyFiles.R"}, "Path": "ok"}}
        return [step, gate("Gate", value, 1, [], [])]

    return make


def test_an_internal_error_is_repeated_with_growing_pauses(
    api: Any, cloud: Any, clock: Any, report: Callable[..., Any]
) -> None:
    policy = {
        "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"],
        "IntervalSeconds": 10,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    }
    cloud.broken = 2
    execution, steps = api.run(*report(RetryPolicies=[policy]))
    assert execution["PipelineExecutionStatus"] == "Succeeded", steps["Report"].get("FailureReason")
    assert clock.waits == [10.0, 20.0]
    assert steps["Report"]["AttemptCount"] == 3


def test_retries_end_with_their_budget(api: Any, cloud: Any, clock: Any, report: Callable[..., Any]) -> None:
    cloud.broken = 50
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "IntervalSeconds": 40, "ExpireAfterMin": 2}
    _, steps = api.run(*report(RetryPolicies=[policy]))
    assert clock.waits == [40.0, 80.0]
    assert "InternalError" in steps["Report"]["FailureReason"]


def test_an_algorithm_error_is_not_repeated(api: Any, clock: Any, processing: Any) -> None:
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR", "Step.SERVICE_FAULT"], "MaxAttempts": 3}
    _, steps = api.run(processing("Bad", "raise SystemExit(1)", RetryPolicies=[policy]))
    assert (steps["Bad"]["AttemptCount"], clock.waits) == (1, [])


def test_the_cache_answers_the_same_arguments_until_it_expires(
    api: Any, clock: Any, report: Callable[..., Any]
) -> None:
    first, steps = api.run(*report(CacheConfig={"Enabled": True, "ExpireAfter": "PT1H"}))
    job = steps["Report"]["Metadata"]["ProcessingJob"]["Arn"]

    clock.time += 3000
    again, hit = api.end(api.start())
    assert again["PipelineExecutionStatus"] == "Succeeded"
    assert hit["Report"]["Metadata"]["ProcessingJob"]["Arn"] == job
    assert hit["Report"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}

    clock.time += 3000
    _, later = api.end(api.start())
    assert "CacheHitResult" not in later["Report"]
    assert later["Report"]["Metadata"]["ProcessingJob"]["Arn"] != job


def test_stopping_ends_the_job_with_sigterm(api: Any, processing: Any, context: Any) -> None:
    script = """
import os, pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "output/message").write_text("told to go")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("waiting", flush=True)
time.sleep(60)
"""
    api.create(processing("Long", script))
    arn = api.start()
    end = time.monotonic() + 20
    while "waiting" not in api.cloud.log_text(jobs.LOG_GROUP) and time.monotonic() < end:
        time.sleep(0.05)
    api("StopPipelineExecution", PipelineExecutionArn=arn)
    execution, steps = api.end(arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    assert statuses(steps) == {"Long": "Stopped"}
    job = api("DescribeProcessingJob", ProcessingJobName=context.store.all(jobs.KIND)[0]["ProcessingJobName"])
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Stopped", "told to go")
    changes = [d["currentPipelineExecutionStatus"] for kind, d in api.cloud.events if kind == events.EXECUTION]
    assert changes == ["Executing", "Stopping", "Stopped"]
    code, _ = api.refusal("StopPipelineExecution", PipelineExecutionArn=arn)
    assert code == "ConflictException"


def test_a_restart_marks_what_was_running_as_failed(
    api: Any, context: Any, restarted: Callable[[], Any], processing: Any
) -> None:
    api.create(processing("Long", "import time; time.sleep(60)"))
    arn = api.start()
    end = time.monotonic() + 20
    while not context.store.all(jobs.KIND) and time.monotonic() < end:
        time.sleep(0.02)
    after = restarted()
    execution = after("DescribePipelineExecution", PipelineExecutionArn=arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "process ended while this was running" in execution["FailureReason"]
    job = after("ListProcessingJobs")["ProcessingJobSummaries"][0]
    assert job["ProcessingJobStatus"] == "Failed"
    steps = after("ListPipelineExecutionSteps", PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    assert [step["StepStatus"] for step in steps] == ["Failed"]
    assert api.cloud.events[-1][1]["currentPipelineExecutionStatus"] == "Failed"
    api.service.executor.stop(arn)


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        pytest.param((ROLE, "sagemaker:CreateProcessingJob"), "sagemaker:CreateProcessingJob", id="create-job"),
        pytest.param((ROLE, "iam:PassRole"), "iam:PassRole", id="pass-role"),
        pytest.param((JOB_ROLE, "s3:read"), "AccessDenied", id="job-reads"),
        pytest.param((JOB_ROLE, "s3:write"), "Uploading output to s3://b/report: AccessDenied", id="job-writes"),
        pytest.param((ROLE, "s3:read"), "reading a property file: AccessDenied", id="pipeline-reads-property-file"),
        pytest.param((JOB_ROLE, "sts:AssumeRole"), "Could not assume role", id="job-role-trust"),
    ],
)
def test_a_missing_right_fails_the_step_as_on_aws(
    api: Any, cloud: Any, report: Callable[..., Any], denied: tuple[str, str], reason: str
) -> None:
    cloud.denied.add(denied)
    execution, steps = api.run(*report())
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert reason in " ".join(step.get("FailureReason", "") for step in steps.values())


def test_register_makes_the_group_and_the_next_version(api: Any) -> None:
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": "g",
            "ModelApprovalStatus": "PendingManualApproval",
            "CustomerMetadataProperties": {"execution": {"Get": "Execution.PipelineExecutionId"}},
        },
    }
    after = call("After", version={"Get": "Steps.Register.ModelPackageVersion"})
    api.cloud.functions[FUNCTION] = lambda event: api.cloud.events.append(("version", event["version"]))
    _, steps = api.run(register, after)
    assert steps["Register"]["Metadata"]["RegisterModel"]["Arn"].endswith(":model-package/g/1")
    api.end(api.start())
    assert [value for kind, value in api.cloud.events if kind == "version"] == [1, 2]
    assert len(api("ListModelPackages", ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 2


def test_a_start_is_idempotent_by_its_token(api: Any, calls: list[Any]) -> None:
    api.create(call("A"))
    arns = {
        api("StartPipelineExecution", PipelineName="p", ClientRequestToken="t" * 32)["PipelineExecutionArn"]
        for _ in range(3)
    }
    assert len(arns) == 1
    api.end(arns.pop())
    assert len(calls) == 1


def test_metrics_of_executions_are_counted(api: Any, calls: list[Any]) -> None:
    api.run(call("A"))
    counted = [(name, dimensions) for _, name, _, dimensions in api.cloud.metrics]
    assert counted == [
        (n, {"PipelineName": "p"}) for n in ("ExecutionStarted", "ExecutionSucceeded", "ExecutionDuration")
    ]
