"""The evaluation refuses to judge on patients the model has seen, and reports by image and by study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import evaluate
from training.dataset import Split, open_split
from training.failure import DatasetError, PatientLeakError
from training.split import patient_digest


@pytest.fixture
def test_split(tmp_path: Path, split_writer: Callable[..., None], sides: dict[str, list[str]]) -> Split:
    split_writer(tmp_path / "test", "test", sides)
    return open_split(tmp_path / "test")


def described(seen: list[str]) -> dict[str, Any]:
    return {
        "seen_patients": [patient_digest(patient) for patient in seen],
        "threshold": 0.5,
        "config": {"backbone": "small_cnn", "image_size": 64},
    }


def test_held_out_patients_pass(test_split: Split, sides: dict[str, list[str]]):
    evaluate.check_held_out(test_split, described(sides["train"] + sides["validation"]))


def test_a_patient_the_model_has_seen_is_refused_without_a_name(test_split: Split, sides: dict[str, list[str]]):
    with pytest.raises(PatientLeakError, match="1 patient") as caught:
        evaluate.check_held_out(test_split, described([*sides["train"], sides["test"][2]]))
    assert sides["test"][2] not in str(caught.value)


def test_the_manifests_own_lists_are_checked_too(test_split: Split, sides: dict[str, list[str]]):
    test_split.manifest["patients"] = {**sides, "train": sides["test"][:1]}
    with pytest.raises(PatientLeakError):
        evaluate.check_held_out(test_split, described([]))


def test_another_split_in_the_test_channel_is_refused(
    tmp_path: Path, split_writer: Callable[..., None], sides: dict[str, list[str]]
):
    split_writer(tmp_path / "validation", "validation", sides)
    with pytest.raises(DatasetError, match="validation"):
        evaluate.check_held_out(open_split(tmp_path / "validation"), described([]))


def test_the_report_has_image_and_study_figures_with_intervals(test_split: Split):
    columns = test_split.arrays()
    scores = np.where(columns["labels"] == 1, 0.9, 0.1)
    first = columns["study_keys"] == columns["study_keys"][0]
    scores[np.flatnonzero(first)[0]] = 0.9 - scores[np.flatnonzero(first)[0]] + 0.1  # one image of one study is wrong
    report = evaluate.evaluation(described([]), test_split, columns, scores, seed=3)
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(15 / 16)
    assert report["study_metrics"]["accuracy"]["value"] == 1.0, "the study's other images outvote it"
    assert report["counts"] == {"images": 16, "studies": 4, "patients": 4, "positive_images": 8}
    low, high = report["metrics"]["accuracy"]["interval"]
    assert low <= 15 / 16 <= high
    assert np.sum(report["confusion_matrix"]) == 16
    assert report["model"] == {"backbone": "small_cnn", "image_size": 64}


def test_sample_predictions_are_bounded_and_carry_pseudonyms_only(test_split: Split):
    columns = test_split.arrays()
    rows = evaluate.predictions(columns, np.linspace(0, 1, 16))
    assert len(rows) == 16
    assert all(set(row) == {"image_key", "study_key", "finding", "probability"} for row in rows)
    assert [row["image_key"] for row in rows] == sorted(columns["image_keys"].tolist())


def test_a_missing_model_is_named(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"model\.tar\.gz"):
        evaluate.unpack_model(tmp_path, tmp_path / "out")
