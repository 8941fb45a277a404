"""Metrics against numbers worked out by hand, and against scikit-learn where it is at hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics

LABELS = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.array([0.1, 0.6, 0.4, 0.8, 0.5, 0.2])
# At 0.5: calls 0 1 0 1 1 0 -> true negatives 2, false positives 1, false negatives 1, true positives 2.


def test_the_confusion_matrix_counts_truth_by_row_and_call_by_column():
    assert metrics.confusion_matrix(LABELS, SCORES, 0.5).tolist() == [[2, 1], [1, 2]]


def test_threshold_metrics_are_the_hand_numbers():
    found = metrics.threshold_metrics(LABELS, SCORES, 0.5)
    assert found == pytest.approx(
        {"accuracy": 4 / 6, "precision": 2 / 3, "recall": 2 / 3, "specificity": 2 / 3, "f1": 2 / 3}
    )


def test_the_roc_area_is_the_share_of_pairs_in_the_right_order():
    # 9 pairs; the false positive at 0.6 stands above 0.4 and 0.5: 7 of 9 are in order.
    assert metrics.roc_auc(LABELS, SCORES) == pytest.approx(7 / 9)


def test_a_tie_counts_half():
    assert metrics.roc_auc(np.array([0, 1]), np.array([0.5, 0.5])) == pytest.approx(0.5)


def test_average_precision_is_the_hand_number():
    # Descending: 0.8 hit (1/1), 0.6 miss, 0.5 hit (2/3), 0.4 hit (3/4): mean over three positives.
    assert metrics.pr_auc(LABELS, SCORES) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_calibration_error_weights_bins_by_their_share():
    labels, scores = np.array([0, 1, 1, 1]), np.array([0.15, 0.15, 0.95, 0.95])
    assert metrics.expected_calibration_error(labels, scores) == pytest.approx(0.5 * 0.35 + 0.5 * 0.05)


def test_a_score_of_one_falls_into_the_last_bin():
    assert metrics.expected_calibration_error(np.array([1, 0]), np.array([1.0, 0.0])) == 0.0


@pytest.mark.parametrize(
    ("labels", "scores", "undefined"),
    [
        ([0, 0], [0.1, 0.2], {"precision", "recall", "f1", "roc_auc", "pr_auc"}),
        ([1, 1], [0.9, 0.8], {"specificity", "roc_auc"}),
    ],
    ids=["only normal", "only pneumonia"],
)
def test_what_a_sample_does_not_define_is_nan(labels: list[int], scores: list[float], undefined: set[str]):
    found = metrics.all_metrics(np.array(labels), np.array(scores), 0.5)
    assert {name for name, value in found.items() if math.isnan(value)} == undefined


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=60))
def test_areas_agree_with_scikit_learn(rows: list[tuple[int, int]]):
    reference = pytest.importorskip("sklearn.metrics")
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] / 20 for row in rows])
    if len(set(labels.tolist())) < 2:
        return
    assert metrics.roc_auc(labels, scores) == pytest.approx(reference.roc_auc_score(labels, scores))
    assert metrics.pr_auc(labels, scores) == pytest.approx(reference.average_precision_score(labels, scores))


def test_the_interval_is_wider_by_patient_than_by_image():
    """Ten patients whose five images are right or wrong together: images are no independent evidence."""
    generator = np.random.default_rng(5)
    labels = np.tile([0, 1], 25)
    right = np.repeat(generator.random(10) < 0.7, 5)
    scores = np.where(right, labels, 1 - labels).astype(float)
    patients = np.repeat(np.arange(10), 5)

    def measure(rows: np.ndarray) -> dict[str, float]:
        return {"accuracy": float(((scores[rows] >= 0.5) == labels[rows]).mean())}

    _, low, high = metrics.patient_bootstrap(patients, measure, seed=1)["accuracy"]
    _, image_low, image_high = metrics.patient_bootstrap(np.arange(50), measure, seed=1)["accuracy"]
    assert high - low > 1.5 * (image_high - image_low)
    assert low <= float(((scores >= 0.5) == labels).mean()) <= high


def test_the_report_is_the_same_for_the_same_seed_and_has_no_nan():
    patients = np.array(["a", "b", "c", "d", "e", "f"])
    first = metrics.report(LABELS, SCORES, patients, 0.5, seed=9)
    assert first == metrics.report(LABELS, SCORES, patients, 0.5, seed=9)
    assert first["accuracy"]["value"] == pytest.approx(4 / 6, abs=1e-6)
    only_normal = metrics.report(np.zeros(3, int), np.zeros(3), np.array(["a", "b", "c"]), 0.5, seed=9)
    assert only_normal["roc_auc"] == {"value": None, "standard_deviation": None, "interval": [None, None]}
