"""A trial: two variants by weight, a decision that promotes or takes back, and each step on record."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import model_registry.handler as entry
from lambda_shared import trials
from lambda_shared.errors import ConflictError, InvalidEventError
from lambda_shared.events.models import TrialDecided
from model_registry.service import Registry
from tests.unit.lambdas.model_registry.test_registry import ARN, GROUP, FakeSageMaker, Recorder, build

CONTEXT = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")


@pytest.fixture
def sagemaker() -> FakeSageMaker:
    fake = FakeSageMaker()
    for number, approval in ((1, "Approved"), (2, "PendingManualApproval"), (3, "PendingManualApproval")):
        fake.add(number, approval)
    return fake


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def registry(sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any) -> Registry:
    made = build(sagemaker, recorder, meter, clock)
    made.deploy(1, "admin")
    return made


@pytest.fixture
def asking(sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any) -> Registry:
    """Of a stack where a person approves."""
    return build(sagemaker, recorder, meter, clock, approve=False)


def decided(outcome: Any, champion: int = 1, challenger: int = 2) -> TrialDecided:
    return TrialDecided(
        outcome=outcome,
        champion_version=champion,
        challenger_version=challenger,
        studies=200,
        champion_agreement=0.8,
        challenger_agreement=0.9,
        evidence=21.5,
    )


def served(sagemaker: FakeSageMaker) -> str:
    """Versions of the endpoint's configuration, as its name says them."""
    assert sagemaker.endpoint is not None
    return str(sagemaker.endpoint["EndpointConfigName"]).removeprefix(GROUP).rpartition("-")[0]


def test_a_trial_serves_both_by_weight_and_the_challenger_without_an_approval(
    registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder
) -> None:
    said = registry.trial(2, "new scanner", "kim")
    assert (said["decision"], said["champion_version"], said["change"]) == ("trial-started", 1, "updated")
    assert served(sagemaker) == "-v1-v2"
    variants = sagemaker.configs[sagemaker.endpoint["EndpointConfigName"]]["ProductionVariants"]  # pyright: ignore
    assert {one["VariantName"]: one["InitialVariantWeight"] for one in variants} == {"primary": 70, "challenger": 30}
    (container,) = sagemaker.models[f"{GROUP}-v2-trial"]["Containers"]
    assert container == {
        "Image": "image@sha256:0",
        "ModelDataUrl": "s3://artifacts/2.tar.gz",
        "Environment": {"MODEL_VERSION": "2"},
    }
    assert sagemaker.packages[2]["ModelApprovalStatus"] == "PendingManualApproval"
    assert recorder.steps[-1] == ("trial-started", 2, "kim")
    assert registry.trial(2, "again", "kim")["change"] == "unchanged"


def test_a_dry_run_begins_nothing(registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder) -> None:
    before = list(recorder.steps)
    assert registry.trial(2, "r", "kim", dry_run=True)["decision"] == "trial-could-begin"
    assert (served(sagemaker), recorder.steps, len(sagemaker.configs)) == ("-v1", before, 1)


def test_what_cannot_be_tried_is_refused(registry: Registry, sagemaker: FakeSageMaker) -> None:
    for number, code in ((1, "DECIDED"), (2, "TRIAL_UNDER_WAY")):
        if number == 2:
            registry.trial(3, "r", "kim")
        with pytest.raises(ConflictError) as refused:
            registry.trial(number, "r", "kim")
        assert refused.value.code == code
    with pytest.raises(ConflictError):
        registry.end_trial(2, "r", "kim")
    sagemaker.packages[1]["ModelApprovalStatus"] = "Rejected"
    with pytest.raises(ConflictError) as refused:
        registry.trial(2, "r", "kim")
    assert refused.value.code == "NO_CHAMPION"


def test_the_better_one_is_promoted_and_serves_alone(
    registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder
) -> None:
    registry.trial(2, "r", "kim")
    assert registry.decided(decided("better"))["decision"] == "approved-and-deployed"
    assert served(sagemaker) == "-v2"
    assert sagemaker.models[f"{GROUP}-v2"]["Containers"][0]["ModelPackageName"] == f"{ARN}2"
    assert recorder.steps[-2:] == [("approved", 2, "trial"), ("deployed", 2, "trial")]
    assert registry.decided(decided("better"))["decision"] == "no-such-trial", "a repeated event"


def test_where_a_person_approves_the_winner_waits_and_the_trial_goes_on(
    registry: Registry, sagemaker: FakeSageMaker, recorder: Recorder, asking: Registry
) -> None:
    registry.trial(2, "r", "kim")
    assert asking.decided(decided("better"))["decision"] == "waiting-for-approval"
    assert (served(sagemaker), recorder.told[-1]) == ("-v1-v2", "Model version 2 has won its trial")
    asking.approve(2, "as the trial says", "kim")
    assert served(sagemaker) == "-v2"


@pytest.mark.parametrize(("outcome", "approval"), [("worse", "Rejected"), ("undecided", "PendingManualApproval")])
def test_without_a_win_the_champion_serves_alone_and_nobody_has_to_consent(
    sagemaker: FakeSageMaker, recorder: Recorder, asking: Registry, outcome: str, approval: str
) -> None:
    asking.deploy(1, "admin")
    asking.trial(2, "r", "kim")
    asking.decided(decided(outcome))
    assert served(sagemaker) == "-v1"
    assert sagemaker.packages[2]["ModelApprovalStatus"] == approval
    assert ("trial-ended", 2, "trial") in recorder.steps
    assert recorder.steps[-1] == ("deployed", 1, "trial")


def test_a_late_decision_of_another_trial_changes_nothing(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.trial(3, "r", "kim")
    assert registry.decided(decided("worse"))["decision"] == "no-such-trial"
    assert served(sagemaker) == "-v1-v3"
    assert sagemaker.packages[2]["ModelApprovalStatus"] == "PendingManualApproval"


def test_rejecting_the_challenger_by_hand_ends_its_trial(registry: Registry, sagemaker: FakeSageMaker) -> None:
    registry.trial(2, "r", "kim")
    assert registry.reject(2, "wrong cohort", "kim")["change"] == "updated"
    assert served(sagemaker) == "-v1"
    assert trials.pair_of(sagemaker.endpoint["EndpointConfigName"]) is None  # pyright: ignore


def test_commands_and_the_event_reach_the_registry(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "registry", lambda: registry)
    command = {"operation": "trial", "version": 2, "reason": "r", "actor": "kim"}
    assert entry.handler({**command, "dry_run": True}, CONTEXT)["decision"] == "trial-could-begin"
    assert entry.handler(command, CONTEXT)["decision"] == "trial-started"
    detail = {"schema_version": "1", "event_id": "e", "occurred_at": "t", "data": decided("worse").model_dump()}
    event = {"detail-type": "TrialDecided", "detail": detail}
    assert entry.handler(event, CONTEXT)["decision"] == "rejected"
    assert entry.handler({**command, "operation": "trial", "version": 3}, CONTEXT)["decision"] == "trial-started"
    assert entry.handler({**command, "operation": "end-trial", "version": 3}, CONTEXT)["decision"] == "trial-ended"
    with pytest.raises(InvalidEventError):
        entry.handler({"detail-type": "TrialDecided", "detail": {**detail, "data": {}}}, CONTEXT)
