"""The state machine's document: every object ends in a recorded state, whatever fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components import ingestion_workflow as workflow

ARN = "arn:aws:lambda:us-east-1:111122223333:function:image-ingestion"


def document() -> dict[str, Any]:
    return workflow.definition(ARN, 4)


def object_states() -> dict[str, Any]:
    return document()["States"]["EachObject"]["ItemProcessor"]["States"]


def tasks() -> dict[str, Any]:
    return {name: state for name, state in object_states().items() if state["Type"] == "Task"}


def followers(state: dict[str, Any]) -> Iterator[str]:
    if "Next" in state:
        yield state["Next"]
    yield from (choice["Next"] for choice in state.get("Choices", []))
    yield from (catch["Next"] for catch in state.get("Catch", []))
    if "Default" in state:
        yield state["Default"]


@pytest.mark.parametrize(
    "machine", [document(), {**document()["States"]["EachObject"]["ItemProcessor"]}], ids=["outer", "item"]
)
def test_every_state_is_reached_and_every_name_exists(machine: dict[str, Any]) -> None:
    states = machine["States"]
    reached, waiting = set[str](), [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        assert name in states, "Step Functions would refuse the document"
        if name not in reached:
            reached.add(name)
            waiting += list(followers(states[name]))
    assert reached == set(states)
    for state in states.values():
        ends = state["Type"] in {"Succeed", "Fail", "Choice"} or state.get("End")
        assert bool(ends) != ("Next" in state), "a state goes on or ends"


@pytest.mark.parametrize("name", sorted(tasks()))
def test_a_task_is_tried_again_three_times_with_growing_pauses(name: str) -> None:
    transient = next(r for r in tasks()[name]["Retry"] if "TransientError" in r["ErrorEquals"])
    assert transient["MaxAttempts"] == 3
    pauses = [transient["IntervalSeconds"] * transient["BackoffRate"] ** number for number in range(3)]
    assert pauses == [2, 4, 8]
    assert {"Lambda.ServiceException", "Lambda.SdkClientException"} <= set(transient["ErrorEquals"])


@pytest.mark.parametrize("name", sorted(tasks()))
def test_an_object_that_may_have_killed_the_function_is_tried_once_more_only(name: str) -> None:
    fatal = next(r for r in tasks()[name]["Retry"] if "Sandbox.Timedout" in r["ErrorEquals"])
    assert {"States.Timeout", "Runtime.ExitError"} <= set(fatal["ErrorEquals"])
    assert fatal["MaxAttempts"] == 1


@pytest.mark.parametrize("name", sorted(set(tasks()) - {"Quarantine"}))
def test_an_outage_defers_an_object_and_everything_else_that_keeps_failing_is_quarantined(name: str) -> None:
    outage, rest = tasks()[name]["Catch"]
    assert (outage["Next"], rest["Next"]) == ("Deferred", "Quarantine")
    assert {"TransientError", "Lambda.TooManyRequestsException"} <= set(outage["ErrorEquals"])
    assert "Sandbox.Timedout" not in outage["ErrorEquals"]
    assert rest["ErrorEquals"] == ["States.ALL"]


def test_a_deferred_object_fails_the_execution_after_the_others_are_done() -> None:
    assert [catch["Next"] for catch in tasks()["Quarantine"]["Catch"]] == ["Deferred"]
    states = document()["States"]
    assert "'deferred'" in states["Tally"]["Parameters"]["deferred.$"]
    assert states["AllRecorded"]["Choices"][0]["Next"] == "SomeDeferred"
    assert states["SomeDeferred"]["Type"] == "Fail"


def test_only_references_travel_and_the_cause_of_an_error_stays_behind() -> None:
    payloads = {name: task["Parameters"]["Payload"] for name, task in tasks().items()}
    assert {key for payload in payloads.values() for key in payload} == {
        "operation",
        "object.$",
        "object_id.$",
        "error.$",
    }
    assert payloads["Quarantine"]["error.$"] == "$.failure.Error", "a cause is a text that a library may have written"
    assert [payload["operation"] for payload in payloads.values()] == [
        "validate",
        "deidentify",
        "queue-import",
        "quarantine",
    ]


def test_only_features_are_used_that_the_embedded_aws_runs() -> None:
    text = json.dumps(document())
    for absent in ("ItemBatcher", "ResultWriter", "QueryLanguage", "DISTRIBUTED", '"Output"'):
        assert absent not in text


def test_the_text_is_the_same_every_time_and_compact() -> None:
    assert workflow.definition_json(ARN, 4) == workflow.definition_json(ARN, 4)
    assert json.loads(workflow.definition_json(ARN, 4)) == document()
    assert ": " not in workflow.definition_json(ARN, 4).replace("for import or in", "")[:200]


def test_an_express_document_differs_in_its_patience_alone() -> None:
    express = workflow.definition(ARN, 4, workflow.WITHIN_FIVE_MINUTES)
    items = express["States"]["EachObject"]["ItemProcessor"]["States"]
    assert items.keys() == object_states().keys()
    waits = items["Validate"]["Retry"][0]
    assert waits["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    longest = sum(waits["IntervalSeconds"] * waits["BackoffRate"] ** number for number in range(waits["MaxAttempts"]))
    assert longest < 60, "a throttled object is deferred well before the execution is ended"


def test_an_unbounded_map_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        workflow.definition(ARN, 0)
