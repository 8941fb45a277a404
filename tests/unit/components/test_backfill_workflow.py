"""The back-fill's document: every object of a prefix or a manifest through the states of a new upload, bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components import backfill_workflow as workflow
from components.ingestion_workflow import WITHIN_FIVE_MINUTES, object_states

ARN = "arn:aws:lambda:us-east-1:111122223333:function:image-ingestion"
MAPS = ["EachOfPrefix", "EachOfManifest"]


def states() -> dict[str, Any]:
    return workflow.backfill(ARN, "landing", 20)["States"]


@pytest.mark.parametrize("name", MAPS)
def test_each_object_is_an_express_child_of_the_states_of_a_new_upload(name: str) -> None:
    processor = states()[name]["ItemProcessor"]
    assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    label = states()[name]["Label"]
    plain = json.loads(json.dumps(processor["States"]).replace(f'"{label}', '"'))
    assert plain.pop("Deferred")["Type"] == "Fail", "only a child's failure is counted and redriven"
    wanted = object_states(ARN, WITHIN_FIVE_MINUTES)
    assert plain == {name: state for name, state in wanted.items() if name != "Deferred"}


def test_no_name_of_a_state_and_no_label_is_used_twice_in_the_machine() -> None:
    names = [*states(), *(inner for name in MAPS for inner in states()[name]["ItemProcessor"]["States"])]
    assert len(set(names)) == len(names), "Step Functions would refuse the document"
    assert {states()[name]["Label"] for name in MAPS} == set(workflow.LABELS)


@pytest.mark.parametrize("name", MAPS)
def test_a_run_is_bounded_and_stops_when_a_service_is_down(name: str) -> None:
    state = states()[name]
    assert state["MaxConcurrency"] == 20
    assert 0 < state["ToleratedFailurePercentage"] < 50
    with pytest.raises(ValueError, match="at least 1, not 0"):
        workflow.backfill(ARN, "landing", 0)


@pytest.mark.parametrize("name", MAPS)
def test_what_became_of_each_object_is_written_below_reports(name: str) -> None:
    assert states()[name]["ResultWriter"]["Parameters"] == {"Bucket": "landing", "Prefix": "reports/backfill"}


def test_only_uploads_are_listed_and_only_references_travel() -> None:
    choices = states()["Source"]["Choices"]
    patterns = {c["Next"]: [one["StringMatches"] for one in c["And"] if "StringMatches" in one] for c in choices}
    assert patterns == {"EachOfManifest": ["backfill/*"], "EachOfPrefix": ["upload/*"]}
    assert states()["Source"]["Default"] == "NoSource"
    assert states()["NoSource"]["Type"] == "Fail"
    for name in MAPS:
        assert set(states()[name]["ItemSelector"]["object"]) <= {"bucket", "key.$", "etag.$", "size.$"}


def test_the_text_is_the_same_every_time() -> None:
    text = workflow.backfill_json(ARN, "landing", 20)
    assert text == workflow.backfill_json(ARN, "landing", 20)
    assert json.loads(text)["States"] == states()
