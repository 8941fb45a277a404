"""The drift check: what chance explains is left alone, what it does not is told, and nobody's data leave with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import model_evaluation.handler as entry
from model_evaluation import captures, distance
from model_evaluation.adapters import DynamoMetricsTable, S3Artifacts, S3Captures, SageMakerRegistry
from model_evaluation.captures import Window
from model_evaluation.drift import DriftCheck, Limits, compare
from training import baseline

RESEARCH = "proj-local-preprocessed-111122223333"
ARTIFACTS = "proj-local-model-artifacts-111122223333"
GROUP = "proj-local-pneumonia"
PACKAGE = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/{GROUP}/3"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
LIMITS = Limits(window_hours=24, min_images=50, psi=0.25, significance=0.01)
PATIENTS, PER_PATIENT = 60, 4


def answers(seed: int, *, patients: int, shift: float = 0.0, maker: str = "ACME") -> list[dict[str, Any]]:
    """Answers of an endpoint: a patient's images resemble each other."""
    generator = np.random.default_rng(seed)
    found: list[dict[str, Any]] = []
    for _ in range(patients):
        level, ill = generator.normal(0.4, 0.05), generator.random()
        for _ in range(PER_PATIENT):
            score = float(np.clip(ill + generator.normal(0, 0.03), 0, 1))
            numbers = {
                "intensity_p50": float(level + generator.normal(0, 0.01) + shift),
                "intensity_spread": float(generator.normal(0.2, 0.02)),
                "spacing_mm": 0.7,
            }
            looks = {**numbers, "size": "512x512", "modality": "CT", "manufacturer": maker}
            finding = "pneumonia" if score >= 0.5 else "normal"
            found.append({"probability": score, "finding": finding, "model_version": "3", "appearance": looks})
    return found


def made_baseline(seed: int = 1) -> dict[str, Any]:
    seen = answers(seed, patients=PATIENTS)
    images = baseline.of_images([one["appearance"] for one in seen], PATIENTS)
    scores = np.array([one["probability"] for one in seen])
    columns = {"patient_keys": np.repeat(np.arange(PATIENTS), PER_PATIENT)}
    return json.loads(json.dumps(baseline.of_model(images, columns, scores, 0.5, "s")))


def window_of(found: list[dict[str, Any]]) -> Window:
    window = Window()
    for one in found:
        window.add(one)
    return window


def captured(answer: Any, moment: datetime = NOW - timedelta(hours=1)) -> str:
    data = {
        "endpointInput": {"observedContentType": "application/dicom", "mode": "INPUT", "data": "RE9FXkpBTkU="},
        "endpointOutput": {"observedContentType": "application/json", "mode": "OUTPUT", "data": json.dumps(answer)},
    }
    metadata = {"eventId": "e", "inferenceTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"})


# -- distances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(40, 60), (7, 300), (200, 200)])
def test_the_kolmogorov_smirnov_distance_is_scipys(first: int, second: int) -> None:
    generator = np.random.default_rng(first)
    one, two = np.round(generator.normal(0, 1, first), 1), np.round(generator.normal(0.3, 1, second), 1)
    theirs: Any = stats.ks_2samp(one, two, method="asymp")
    assert distance.kolmogorov_smirnov(one.tolist(), two.tolist()) == pytest.approx(theirs.statistic)


@pytest.mark.parametrize("apart", [0.1, 0.2, 0.4])
def test_the_chance_of_a_distance_is_near_the_exact_one(apart: float) -> None:
    exact = float(stats.kstwo.sf(apart, 50))  # two samples of 100 behave as one of 50
    assert distance.ks_chance(apart, 100, 100) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(("value", "degrees"), [(0.5, 1), (4.0, 1), (9.0, 9), (25.0, 9), (60.0, 30)])
def test_the_tail_of_chi_squared_is_near_the_exact_one(value: float, degrees: int) -> None:
    chance = distance.psi_chance(value * 2 / 100, degrees + 1, 100, 100)
    assert chance == pytest.approx(float(stats.chi2.sf(value, degrees)), abs=0.01)


def test_the_index_of_equal_shares_is_nought_and_grows_with_the_shift() -> None:
    assert distance.psi([10, 20, 30], [10, 20, 30]) == 0
    assert distance.psi([100, 0], [0, 100]) > distance.psi([100, 0], [60, 40]) > 0.25


def test_a_constant_figure_has_a_bin_of_its_own() -> None:
    edges = distance.bins_of([0.7] * 101)
    assert distance.counted([0.6, 0.7, 0.8], edges) == [1, 1, 1]


# -- the comparison -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20, 40))
def test_another_sample_of_the_same_patients_population_is_no_drift(seed: int) -> None:
    found = compare(made_baseline(), window_of(answers(seed, patients=30)), LIMITS)
    assert len(found) == 8
    assert [one.name for one in found if one.drifted] == []


@pytest.mark.parametrize("seed", range(5))
def test_shifted_intensities_are_a_drift_of_the_intensities_alone(seed: int) -> None:
    found = compare(made_baseline(), window_of(answers(seed, patients=30, shift=0.15)), LIMITS)
    assert [one.name for one in found if one.drifted] == ["intensity_p50"]


def test_a_new_scanner_is_a_drift() -> None:
    found = compare(made_baseline(), window_of(answers(3, patients=30, maker="other")), LIMITS)
    assert [one.name for one in found if one.drifted] == ["manufacturer"]


def test_many_slices_of_two_patients_prove_nothing() -> None:
    few = answers(5, patients=2, shift=0.15)
    found = compare(made_baseline(), window_of(few), LIMITS)
    assert [one.name for one in found if one.drifted] == []


# -- the check ------------------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    events: list[tuple[Any, str]] = field(default_factory=list)

    def publish(self, data: Any, event_id: str) -> None:
        self.events.append((data, event_id))


class FakeSageMaker:
    def __init__(self, *versions: str) -> None:
        self.versions = versions

    def list_model_packages(self, **request: Any) -> dict[str, Any]:
        assert (request["ModelApprovalStatus"], request["SortOrder"]) == ("Approved", "Descending")
        return {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in self.versions]}

    def describe_model_package(self, **_: Any) -> dict[str, Any]:
        said = {
            "test_set_uri": "s3://x/y",
            "evaluation_uri": f"s3://{RESEARCH}/runs/e1/evaluation/evaluation.json",
            "snapshot_id": "s",
            "code_sha256": "c",
        }
        return {
            "ModelPackageGroupName": GROUP,
            "ModelPackageVersion": 3,
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://x/model.tar.gz"}]},
            "CustomerMetadataProperties": said,
        }


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def check(s3: Any, metrics_table: Any, recorder: Recorder, meter: Any, clock: Any) -> Callable[..., DriftCheck]:
    def make(lines: list[str], *versions: str, document: Any = None) -> DriftCheck:
        body = json.dumps(document or made_baseline())
        s3.put_object(Bucket=RESEARCH, Key="runs/e1/evaluation/baseline.json", Body=body)
        key = f"endpoint-data-capture/{GROUP}/primary/2026/11/21/11/05-00-000-a.jsonl"
        s3.put_object(Bucket=ARTIFACTS, Key=key, Body="\n".join(lines))
        return DriftCheck(
            registry=SageMakerRegistry(FakeSageMaker(*(versions or (PACKAGE,))), GROUP),
            artifacts=S3Artifacts(s3, frozenset({RESEARCH})),
            captures=S3Captures(s3, f"s3://{ARTIFACTS}/endpoint-data-capture/", GROUP),
            table=DynamoMetricsTable(metrics_table),
            publisher=recorder,
            meter=meter,
            clock=clock,
            limits=LIMITS,
        )

    return make


def test_a_shift_is_told_with_the_figure_that_moved_most(
    check: Any, recorder: Recorder, meter: Any, metrics_table: Any
) -> None:
    told = check([captured(one) for one in answers(2, patients=30, shift=0.15)]).run()
    assert (told["decision"], told["model_version"], told["images"]) == ("drift", 3, 120)
    ((event, _),) = recorder.events
    assert (event.subject, event.metric, event.threshold) == (PACKAGE, "drift:intensity_p50", 0.25)
    assert event.value > 0.25
    assert meter.counts["DriftedFigures"] == 1
    (item,) = metrics_table.scan()["Items"]
    assert (item["model_version"], item["decision"]) == ("drift", "drift")


def test_an_unshifted_window_is_stable_and_tells_nobody(check: Any, recorder: Recorder, meter: Any) -> None:
    told = check([captured(one) for one in answers(2, patients=30)]).run()
    assert (told["decision"], recorder.events, meter.counts["DriftedFigures"]) == ("stable", [], 0)


def test_a_repeated_check_has_the_same_event_id(check: Any, recorder: Recorder) -> None:
    made = check([captured(one) for one in answers(2, patients=30, shift=0.15)])
    made.run()
    made.run()
    assert len({event_id for _, event_id in recorder.events}) == 1


LEFT_OUT: dict[str, Callable[[dict[str, Any]], str]] = {
    "before the window": lambda one: captured(one, NOW - timedelta(hours=25)),
    "another version": lambda one: captured({**one, "model_version": "2"}),
    "no version": lambda one: captured({name: value for name, value in one.items() if name != "model_version"}),
}


@pytest.mark.parametrize("line", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_answers_that_are_not_of_the_version_and_the_window_do_not_count(check: Any, line: Any) -> None:
    told = check([line(one) for one in answers(2, patients=30, shift=0.15)]).run()
    assert (told["decision"], told["images"]) == ("too-few-images", 0)


def test_broken_lines_are_counted_and_left(check: Any) -> None:
    good = [captured(one) for one in answers(2, patients=30)]
    broken = ["", "{", "[]", "null", captured("no object"), captured({"predictions": 3}), '{"captureData": {}}']
    told = check([*broken, *good]).run()
    assert (told["decision"], told["images"], told["unreadable"]) == ("stable", 120, len(broken))


def test_several_images_of_one_request_count_one_by_one(check: Any) -> None:
    assert check([captured({"predictions": answers(2, patients=30)})]).run()["images"] == 120


def test_a_model_without_a_baseline_is_named_so(check: Any, recorder: Recorder) -> None:
    told = check([], document={"schema": "older"}).run()
    assert told == {"decision": "no-baseline", "model_version": 3}


def test_before_the_first_approval_there_is_nothing_to_compare(check: Any) -> None:
    made = check([])
    made.registry._sagemaker.versions = ()
    assert made.run() == {"decision": "nothing-in-service"}


def test_hours_are_read_from_the_newest_on() -> None:
    begin, end = datetime(2026, 1, 1, 10, 30, tzinfo=UTC), datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert [hour.hour for hour in captures.hours(begin, end)] == [11, 10]


WORDS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ^", min_size=6, max_size=20)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*captures.NUMBERS, *captures.CATEGORIES, "PatientName"]), WORDS), WORDS)
def test_no_word_of_a_captured_answer_is_ever_told(looks: dict[str, str], name: str) -> None:
    """The property: whatever stands in an image's words, events, metrics and records repeat none of it."""
    told: list[str] = []
    lines = [captured({**one, "appearance": {**looks, "manufacturer": name}}) for one in answers(1, patients=30)]
    made = DriftCheck(
        registry=SageMakerRegistry(FakeSageMaker(PACKAGE), GROUP),
        artifacts=SimpleNamespace(read=lambda _: json.dumps(made_baseline()).encode(), download=None),  # pyright: ignore
        captures=SimpleNamespace(lines=lambda hour: lines if hour.hour == 11 else []),  # pyright: ignore
        table=SimpleNamespace(write=lambda *values: told.append(repr(values))),  # pyright: ignore
        publisher=SimpleNamespace(publish=lambda *values: told.append(repr(values))),  # pyright: ignore
        meter=SimpleNamespace(count=lambda *values: told.append(repr(values))),  # pyright: ignore
        clock=SimpleNamespace(now=lambda: NOW),  # pyright: ignore
        limits=LIMITS,
    )
    answer = made.run()
    assert answer["decision"] == "drift", "the maker is a new one"
    everything = json.dumps(answer) + "".join(told)
    assert not [word for word in (*looks.values(), name) if word in everything]


def test_the_schedule_reaches_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        entry, "drift_check", lambda: SimpleNamespace(run=lambda since: {"decision": "stable", "since": since})
    )
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    assert entry.handler({"operation": "drift"}, context) == {"decision": "stable", "since": None}
    asked = {"operation": "drift", "since": "2026-11-21T12:00:00+00:00"}
    assert entry.handler(asked, context)["since"] == NOW
