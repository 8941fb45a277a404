# ruff: noqa: N803 - fakes have the service's argument names
"""A trial's look: which answers and truths count, in which order, and who is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

import model_evaluation.handler as entry
from lambda_shared import trials
from lambda_shared.errors import InvalidEventError
from lambda_shared.labels import Label
from model_evaluation.adapters import DynamoMetricsTable, SageMakerEndpoint
from model_evaluation.ports import Trial
from model_evaluation.sequential import Study
from model_evaluation.trial import TrialCheck, answers, truths

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=5)
CONFIG = trials.config_name("proj-local-pneumonia", 3, 4, "0123abcd")
TRIAL = Trial(champion=3, challenger=4, share=0.5, since=SINCE)


def captured(study: str | None, version: int, score: float, minutes: float = 30, **others: Any) -> str:
    """A captured line; minutes after the begin of the trial."""
    body = {"probability": score, "finding": "x", "threshold": 0.5, "model_version": str(version), **others}
    metadata = {
        "eventId": "e",
        "inferenceTime": (SINCE + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"inferenceId": study} if study else {}),
    }
    return json.dumps({"captureData": {"endpointOutput": {"data": json.dumps(body)}}, "eventMetadata": metadata})


def label(study: str, finding: str, minutes: float = 120, version: int = 1) -> Label:
    at = (SINCE + timedelta(minutes=minutes)).isoformat()
    return Label(
        study_key=study,
        version=version,
        finding=finding,  # pyright: ignore[reportArgumentType]
        certainty="definite",
        reader="r",
        created_at=at,
        image_count=1,
    )


def counted(lines: list[str], labels: list[Label]) -> list[Study]:
    found, _ = answers(lines, TRIAL)
    return list(truths(found, labels, TRIAL.challenger))


AGREES = Study(challenger=True, agrees=True)


def test_a_study_is_judged_by_the_mean_of_its_images_and_the_arm_that_answered_first() -> None:
    lines = [captured("s", 3, 0.1, 31), captured("s", 4, 0.4, 30), captured("s", 4, 0.9, 32)]
    assert counted(lines, [label("s", "pneumonia")]) == [AGREES]
    assert counted(lines, [label("s", "normal")]) == [Study(challenger=True, agrees=False)]


def test_only_a_truth_that_came_after_the_answer_counts_and_a_correction_changes_nothing() -> None:
    line = captured("s", 4, 0.9)
    assert counted([line], [label("s", "pneumonia", minutes=10)]) == []
    assert counted([line], [label("s", "pneumonia"), label("s", "normal", 130, version=2)]) == [AGREES]


def test_an_answer_after_the_truth_is_not_part_of_the_studys() -> None:
    assert counted([captured("s", 4, 0.9), captured("s", 4, 0.0, 200)], [label("s", "pneumonia")]) == [AGREES]


@pytest.mark.parametrize(
    "line",
    [
        captured(None, 4, 0.9),
        captured("s", 5, 0.9),
        captured("s", 4, 0.9, -1),
        captured("s", 4, 0.9, explanations=[{"image": [], "heat": []}]),
    ],
    ids=["no study", "another version", "before the trial", "a heat map"],
)
def test_answers_that_are_not_of_the_trial_do_not_count(line: str) -> None:
    assert answers([line], TRIAL) == ({}, 0)


def test_broken_lines_are_counted_and_left() -> None:
    broken = ["", "{", "[]", captured("s", 4, 0.9).replace("probability", "p"), '{"eventMetadata": {}}']
    found, unreadable = answers([*broken, captured("s", 4, 0.9)], TRIAL)
    assert (list(found), unreadable) == (["s"], len(broken))


def test_studies_come_in_the_order_of_their_truths() -> None:
    lines = [captured(name, version, 0.9) for name, version in (("a", 3), ("b", 4), ("c", 3))]
    labels = [label("c", "normal", 150), label("b", "pneumonia", 140), label("a", "pneumonia", 160)]
    assert [(one.challenger, one.agrees) for one in counted(lines, labels)] == [
        (True, True),
        (False, False),
        (False, True),
    ]


class FakeSageMaker:
    """One endpoint."""

    def __init__(self, **changes: Any) -> None:
        weights = (("primary", 70.0), ("challenger", 30.0))
        self.found: dict[str, Any] | None = {
            "EndpointConfigName": CONFIG,
            "EndpointStatus": "InService",
            "LastModifiedTime": SINCE,
            "ProductionVariants": [{"VariantName": name, "CurrentWeight": weight} for name, weight in weights],
            **changes,
        }

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        if self.found is None:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "Could not find"}}, "Describe")
        return self.found


def test_the_endpoint_says_which_versions_are_on_trial_and_for_which_share() -> None:
    found = SageMakerEndpoint(FakeSageMaker(), "e").trial()
    assert found == Trial(champion=3, challenger=4, share=0.3, since=SINCE)


def test_without_two_arms_there_is_no_trial() -> None:
    one_arm = [{"VariantName": "primary", "CurrentWeight": 1.0}, {"VariantName": "challenger", "CurrentWeight": 0.0}]
    for changes in (
        {"EndpointConfigName": "proj-local-pneumonia-v3-0123abcd"},
        {"EndpointStatus": "Updating"},
        {"ProductionVariants": one_arm},
    ):
        assert SageMakerEndpoint(FakeSageMaker(**changes), "e").trial() is None
    nothing = FakeSageMaker()
    nothing.found = None
    assert SageMakerEndpoint(nothing, "e").trial() is None


def test_a_name_says_the_versions_and_fits() -> None:
    assert trials.pair_of(CONFIG) == (3, 4)
    assert len(trials.config_name("p" * 63, 12345, 12346, "0123abcd")) == 63
    assert trials.pair_of(trials.config_name("p" * 63, 12345, 12346, "0123abcd")) == (12345, 12346)


def check(
    metrics_table: Any, meter: Any, clock: Any, *, right: bool, studies: int = 80
) -> tuple[TrialCheck, list[Any]]:
    """A trial whose challenger agrees with every reader, or with none; the champion does the opposite."""
    events: list[Any] = []
    names = [f"{number:032x}" for number in range(studies)]
    lines = [
        captured(name, 3 + number % 2, 0.9 if (number % 2 == 1) == right else 0.1) for number, name in enumerate(names)
    ]
    made = TrialCheck(
        endpoint=SimpleNamespace(trial=lambda: TRIAL),  # pyright: ignore
        captures=SimpleNamespace(lines=lambda hour: lines if hour.hour == 7 else []),  # pyright: ignore
        labels=SimpleNamespace(verified_since=lambda _: [label(name, "pneumonia") for name in names]),  # pyright: ignore
        table=DynamoMetricsTable(metrics_table),
        publisher=SimpleNamespace(publish=lambda data, event_id: events.append((data, event_id))),  # pyright: ignore
        meter=meter,
        clock=clock,
        alpha=0.05,
        most=2000,
    )
    return made, events


@pytest.mark.parametrize(("right", "outcome"), [(True, "better"), (False, "worse")])
def test_a_decision_is_told_once_recorded_and_named_with_its_figures(
    metrics_table: Any, meter: Any, clock: Any, right: bool, outcome: str
) -> None:
    made, events = check(metrics_table, meter, clock, right=right)
    told = made.run(dry_run=True)
    assert (told["decision"], told["champion"]["version"], told["challenger"]["version"]) == (outcome, 3, 4)
    assert (events, metrics_table.scan()["Items"]) == ([], []), "a dry run leaves nothing"
    assert made.run() == made.run() == told
    assert len({event_id for _, event_id in events}) == 1
    data = events[0][0]
    assert (data.outcome, data.champion_version, data.challenger_version) == (outcome, 3, 4)
    assert data.challenger_agreement == float(right)
    assert {item["model_version"] for item in metrics_table.scan()["Items"]} == {"trial"}
    assert meter.counts["TrialStudies"] == 2 * told["studies"]


def test_too_few_studies_decide_nothing(metrics_table: Any, meter: Any, clock: Any) -> None:
    made, events = check(metrics_table, meter, clock, right=True, studies=6)
    told = made.run()
    assert (told["decision"], told["studies"], events) == ("continues", 6, [])


def test_the_schedule_reaches_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        entry, "trial_check", lambda: SimpleNamespace(run=lambda *, dry_run: {"decision": "no-trial", "dry": dry_run})
    )
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    assert entry.handler({"operation": "trial"}, context) == {"decision": "no-trial", "dry": False}
    assert entry.handler({"operation": "trial", "dry_run": True}, context)["dry"] is True
    with pytest.raises(InvalidEventError):
        entry.handler({"operation": "trial", "dry_run": "perhaps"}, context)
