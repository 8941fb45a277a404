"""The gate quotes the change control plan when it refuses, and lets nothing pass that the plan does not allow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import card, champion, gate, groups, names, reporting
from training.split import patient_digest

LIMITS = gate.Limits(accuracy=0.85, lower_bound=0.7, subgroup_floor=0.75, champion_margin=0.02)


def report(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metrics": {"accuracy": {"value": 0.9, "interval": [0.8, 1.0]}},
        "subgroups": [{"dimension": "sex", "group": "F", "patients": 9, "accuracy": 0.9}],
        "champion": {"comparable": True, "difference": 0.01, "patients": 10},
        "configuration": {"backbone": "resnet50", "image_size": 512, "epochs": 50},
    }
    return {**found, **changes}


def decided(**changes: Any) -> dict[str, Any]:
    return gate.decide(report(**changes), LIMITS, gate.load_plan())


def test_a_model_that_meets_every_limit_passes_under_the_plan_in_force() -> None:
    found = decided()
    assert (found["passed"], found["reasons"]) == (1, [])
    assert found["plan"]["version"] == gate.load_plan()["version"]


REFUSALS = {
    "accuracy": ({"metrics": {"accuracy": {"value": 0.84, "interval": [0.8, 0.9]}}}, "4.1"),
    "undefined": ({"metrics": {"accuracy": {"value": None, "interval": [0.8, 0.9]}}}, "4.1"),
    "lower-bound": ({"metrics": {"accuracy": {"value": 0.9, "interval": [0.6, 1.0]}}}, "4.2"),
    "subgroup": ({"subgroups": [{"dimension": "sex", "group": "M", "patients": 5, "accuracy": 0.6}]}, "4.3"),
    "champion": ({"champion": {"comparable": True, "difference": -0.03, "patients": 10}}, "4.4"),
    "backbone": ({"configuration": {"backbone": "vit"}}, "3 Only"),
    "number": ({"configuration": {"image_size": 2048}}, "3 Only"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_quotes_its_clause(case: str) -> None:
    changes, clause = REFUSALS[case]
    found = decided(**changes)
    assert found["passed"] == 0
    assert len(found["reasons"]) == 1
    assert clause in found["sentence"]


@pytest.mark.parametrize(
    "changes",
    [
        {"champion": None},
        {"champion": {"comparable": False, "reason": "another size"}},
        {"subgroups": [{"dimension": "sex", "group": "O", "patients": 4, "accuracy": 0.0}]},
    ],
    ids=["no-champion", "not-comparable", "tiny-group"],
)
def test_what_says_nothing_refuses_nothing(changes: dict[str, Any]) -> None:
    assert decided(**changes)["passed"] == 1


def test_a_stack_cannot_go_under_the_plans_own_threshold() -> None:
    weak = report(metrics={"accuracy": {"value": 0.7, "interval": [0.7, 0.7]}})
    assert gate.decide(weak, gate.Limits(accuracy=0.5), gate.load_plan())["passed"] == 0


def test_every_reason_is_told_at_once() -> None:
    found = decided(**REFUSALS["lower-bound"][0], **REFUSALS["champion"][0])
    assert len(found["reasons"]) == 2


@pytest.mark.parametrize(
    ("better", "worse", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (0, 6, 2 / 64), (1, 7, 18 / 256)], ids=str
)
def test_mcnemars_exact_test(better: int, worse: int, expected: float) -> None:
    assert champion.mcnemar(better, worse) == pytest.approx(expected)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    return {
        "images": np.zeros((6, 8, 8), np.float32),
        "labels": np.array([0, 1, 0, 1, 0, 1], np.int8),
        "patient_keys": np.array(["a", "b", "c", "d", "e", "f"]),
    }


def artifact(folder: Path, seen: str, size: int = 8) -> Path:
    described = {
        "config": {"image_size": size},
        "seen_patients": [patient_digest(patient) for patient in seen],
        "threshold": 0.5,
        "snapshot_id": "before",
    }
    (folder / names.MODEL_METADATA_FILE).write_text(json.dumps(described))
    return folder


def compared(model: Path, columns: dict[str, np.ndarray], scores: np.ndarray) -> dict[str, Any]:
    # the champion calls every image pneumonia: right on half of them
    return champion.compare(model, columns, scores, lambda _, images: np.ones(len(images)), threshold=0.5, seed=1)


def test_only_patients_that_neither_model_has_seen_are_compared(tmp_path: Path, columns: dict[str, np.ndarray]) -> None:
    found = compared(artifact(tmp_path, seen="ab"), columns, columns["labels"].astype(float))
    assert (found["patients"], found["images"]) == (4, 4)
    assert (found["accuracy"], found["champion_accuracy"], found["difference"]) == (1.0, 0.5, 0.5)
    assert found["interval"][0] <= 0.5 <= found["interval"][1]


@pytest.mark.parametrize(("seen", "size"), [("abcdef", 8), ("", 16)], ids=["all-seen", "another-size"])
def test_a_comparison_that_would_mean_nothing_is_not_made(
    tmp_path: Path, columns: dict[str, np.ndarray], seen: str, size: int
) -> None:
    assert compared(artifact(tmp_path, seen, size), columns, np.ones(6))["comparable"] is False


@pytest.mark.parametrize(
    ("age", "expected"),
    [("047Y", "40-49"), ("003M", "0-9"), ("090Y", "90 and over"), ("", "unknown"), ("old", "unknown")],
)
def test_ages_are_grouped_by_decade(age: str, expected: str) -> None:
    assert groups.decade(age) == expected


def test_the_card_shows_figures_groups_decision_and_what_is_missing() -> None:
    figures = {"accuracy": {"value": 0.9, "interval": [0.8, 1.0]}}
    full = report(metrics=figures, study_metrics=figures, gate=decided())
    full["counts"] = {"patients": 9, "studies": 9, "images": 27, "positive_images": 12}
    described = {
        "config": {"backbone": "resnet50", "image_size": 512, "seed": 1},
        "snapshot_id": "s",
        "snapshot_sha256": "x",
        "preparation": {},
        "input": {"shape": [None, 512, 512, 1]},
        "output": {"meaning": "probability of pneumonia"},
        "threshold": 0.5,
        "best_epoch": 3,
        "epochs": 9,
    }
    text = card.render(full, described)
    for part in ("| accuracy | 0.9 |", "| sex | F | 9 | 0.9 |", "The model meets every limit.", "External validation"):
        assert part in text
    missing = [one["topic"] for one in reporting.topics(full, described) if one["status"] == "missing"]
    assert missing[:2] == ["Software", "Training"], "what this run does not say is named, not left out"
    assert "Uncertainty" in missing and "External validation" in missing
    full["interval"] = {"level": 0.95, "resamples": 1000, "unit": "patient"}
    told = {one["topic"]: one for one in reporting.topics(full, {**described, "versions": {"keras": "3"}})}
    assert (told["Software"]["status"], told["Software"]["said"]) == ("filled", "keras 3")
    assert told["Uncertainty"]["said"] == "0.95 intervals, 1000 resamples by patient"
    assert told["Decision and its limits"]["said"].endswith("The model meets every limit.")
