"""Selective execution: chosen steps run again on what the others left; whatever cannot be answered for is refused."""

from __future__ import annotations

from typing import Any

import pytest

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


def call(name: str, **arguments: Any) -> dict[str, Any]:
    listed = [{"OutputName": "number", "OutputType": "Integer"}]
    return {
        "Name": name,
        "Type": "Lambda",
        "FunctionArn": FUNCTION,
        "Arguments": {"name": name, **arguments},
        "OutputParameters": listed,
    }


def output(name: str) -> dict[str, str]:
    return {"Get": f"Steps.{name}.OutputParameters['number']"}


@pytest.fixture
def calls(cloud: Any) -> list[dict[str, Any]]:
    """Events that the function got; it answers how many there were."""
    seen: list[dict[str, Any]] = []

    def function(event: Any) -> Any:
        seen.append(event)
        if event["name"] == "Breaks":
            raise RuntimeError("broken")
        return {"number": len(seen)}

    cloud.functions[FUNCTION] = function
    return seen


CHAIN = (call("First"), call("Second", given=output("First")), call("Third", given=output("Second")))


def request(*names: str, source: str | None = None) -> dict[str, Any]:
    config: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in names]}
    if source:
        config["SourcePipelineExecutionArn"] = source
    return {"PipelineName": "p", "SelectiveExecutionConfig": config}


def again(api: Any, *names: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    return api.end(api("StartPipelineExecution", **request(*names))["PipelineExecutionArn"])


def refusal(api: Any, *names: str, source: str | None = None) -> str:
    code, message = api.refusal("StartPipelineExecution", **request(*names, source=source))
    assert code == "ValidationException"
    return message


def test_only_the_selected_step_runs_on_what_the_others_left(api: Any, calls: list[dict[str, Any]]) -> None:
    first, _ = api.run(*CHAIN)
    source = first["PipelineExecutionArn"]
    described, steps = again(api, "Second")
    assert [event["name"] for event in calls] == ["First", "Second", "Third", "Second"]
    assert calls[-1]["given"] == 1, "what First answered in the source execution"
    assert described["PipelineExecutionStatus"] == "Succeeded"
    assert described["SelectiveExecutionConfig"] == {
        "SourcePipelineExecutionArn": source,
        "SelectedSteps": [{"StepName": "Second"}],
    }
    assert set(steps) == {"First", "Second"}, "Third was not asked for"
    assert steps["First"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert "SelectiveExecutionResult" not in steps["Second"]


def test_selected_steps_that_hang_together_hand_their_new_results_on(api: Any, calls: list[dict[str, Any]]) -> None:
    api.run(*CHAIN)
    again(api, "Second", "Third")
    assert [event["name"] for event in calls[3:]] == ["Second", "Third"]
    assert calls[-1]["given"] == 4


def test_a_failed_run_goes_on_from_where_it_failed(api: Any, calls: list[dict[str, Any]], cloud: Any) -> None:
    api.run(call("First"), call("Breaks", given=output("First")))
    cloud.functions[FUNCTION] = lambda event: calls.append(event) or {"number": 9}
    described, steps = again(api, "Breaks")
    assert (described["PipelineExecutionStatus"], calls[-1]["given"]) == ("Succeeded", 1)
    assert steps["Breaks"]["StepStatus"] == "Succeeded"


def test_a_step_behind_a_condition_keeps_the_branch_that_was_chosen(api: Any, calls: list[dict[str, Any]]) -> None:
    condition = {"Type": "Equals", "LeftValue": output("First"), "RightValue": 1}
    gate = {
        "Name": "Gate",
        "Type": "Condition",
        "Arguments": {"Conditions": [condition], "IfSteps": [call("Yes")], "ElseSteps": [call("No")]},
    }
    api.run(call("First"), gate)
    _, steps = again(api, "Yes")
    assert [event["name"] for event in calls] == ["First", "Yes", "Yes"]
    assert steps["Gate"]["SelectiveExecutionResult"]


REFUSED = {
    "unknown step": (["Fourth"], None),
    "no step": ([], None),
    "foreign source": (["Second"], "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p/execution/none"),
}


@pytest.mark.parametrize(("names", "source"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_selected_is_refused(
    api: Any, calls: list[dict[str, Any]], names: list[str], source: str | None
) -> None:
    api.run(*CHAIN)
    assert refusal(api, *names, source=source)
    assert len(calls) == 3


def test_without_an_earlier_execution_nothing_can_be_reused(api: Any, calls: list[dict[str, Any]]) -> None:
    api.create(*CHAIN)
    assert "has ended" in refusal(api, "Second")


def test_a_step_whose_forerunner_failed_cannot_be_selected(api: Any, calls: list[dict[str, Any]]) -> None:
    api.run(call("Breaks"), call("After", given=output("Breaks")))
    assert "did not succeed: Breaks" in refusal(api, "After")
