"""Platt scaling: it takes a shift away, keeps the order, and never turns a model round."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibration import IDENTITY, Calibration, fit


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def applied(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    return sigmoid(calibration.slope * logits + calibration.intercept)


def test_scores_that_rank_rightly_but_sit_too_low_get_their_threshold_back():
    labels = np.repeat([0, 1], 15)
    logits = np.concatenate([np.linspace(-4, -2.5, 15), np.linspace(-2, -0.2, 15)])  # all below 0.5
    assert ((sigmoid(logits) >= 0.5) == labels).mean() == 0.5
    assert ((applied(fit(sigmoid(logits), labels), logits) >= 0.5) == labels).mean() == 1.0


def test_a_known_distortion_is_found_again():
    generator = np.random.default_rng(4)
    logits = generator.normal(0, 2, 20_000)
    labels = (generator.random(20_000) < sigmoid(logits)).astype(int)
    found = fit(sigmoid((logits - 1.5) / 2), labels)  # distorted: slope 1/2, shifted
    assert found.slope == pytest.approx(2.0, rel=0.1)
    assert found.intercept == pytest.approx(1.5, abs=0.15)


def test_completely_separated_findings_give_a_finite_line():
    labels = np.repeat([0, 1], 5)
    found = fit(np.where(labels == 1, 0.999999999, 0.000000001), labels)
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope > 0


def test_scores_against_the_labels_are_left_as_they_are():
    labels = np.repeat([0, 1], 20)
    assert fit(np.where(labels == 1, 0.2, 0.8), labels) == IDENTITY


def test_scores_that_say_nothing_fall_to_the_middle():
    generator = np.random.default_rng(8)
    labels = np.tile([0, 1], 500)
    logits = generator.normal(0, 3, 1000)
    found = fit(sigmoid(logits), labels)
    assert np.abs(applied(found, logits) - 0.5).max() < 0.2, "noise must not be told with confidence"


def test_the_rarer_finding_does_not_move_the_threshold():
    logits = np.concatenate([np.linspace(-3, 1, 400), np.linspace(-1, 3, 20)])
    labels = np.repeat([0, 1], [400, 20])
    found = fit(sigmoid(logits), labels)
    assert -found.intercept / found.slope == pytest.approx(0.0, abs=0.25)
