"""Metrics of a binary classifier with intervals by patient bootstrap: numpy only, so that every side can check them.

Labels are 0 (normal) and 1 (pneumonia); scores are the model's probabilities of 1. A metric that a sample does not
define (precision without a positive call, an AUC with one class) is nan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def confusion_matrix(labels: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """[[true negative, false positive], [false negative, true positive]]; a score at the threshold is positive."""
    called = scores >= threshold
    truth = labels.astype(bool)
    return np.array(
        [[np.sum(~truth & ~called), np.sum(~truth & called)], [np.sum(truth & ~called), np.sum(truth & called)]]
    )


def threshold_metrics(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    """accuracy, precision, recall (sensitivity), specificity, f1 at a threshold."""
    (true_negative, false_positive), (false_negative, true_positive) = confusion_matrix(labels, scores, threshold)
    return {
        "accuracy": _ratio(true_positive + true_negative, len(labels)),
        "precision": _ratio(true_positive, true_positive + false_positive),
        "recall": _ratio(true_positive, true_positive + false_negative),
        "specificity": _ratio(true_negative, true_negative + false_positive),
        "f1": _ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
    }


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates from (0, 0) to (1, 1), one point per distinct score."""
    true_positives, false_positives = _cumulative(labels, scores)
    return false_positives / max(false_positives[-1], 1), true_positives / max(true_positives[-1], 1)


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve (ties count half)."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    false_positive_rate, true_positive_rate = roc_curve(labels, scores)
    return float(np.trapezoid(true_positive_rate, false_positive_rate))


def pr_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision: sum over distinct scores of precision times the step in recall."""
    if not labels.any():
        return float("nan")
    true_positives, false_positives = _cumulative(labels, scores)
    precision = true_positives[1:] / (true_positives[1:] + false_positives[1:])
    return float(np.sum(np.diff(true_positives / true_positives[-1]) * precision))


def _cumulative(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives when the threshold falls below each distinct score, starting with none."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order], labels[order].astype(np.float64)
    last_of_tie = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true_positives = np.cumsum(truth)[last_of_tie]
    return np.append(0.0, true_positives), np.append(0.0, last_of_tie + 1 - true_positives)


def expected_calibration_error(labels: np.ndarray, scores: np.ndarray, bins: int = 10) -> float:
    """Mean distance between score and frequency over equal-width bins, weighted by the bins' shares (Naeini 2015)."""
    index = np.minimum((scores * bins).astype(int), bins - 1)
    error = 0.0
    for bin_number in range(bins):
        inside = index == bin_number
        if inside.any():
            error += inside.mean() * abs(float(labels[inside].mean()) - float(scores[inside].mean()))
    return float(error)


def all_metrics(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    """Every metric of the report."""
    return {
        **threshold_metrics(labels, scores, threshold),
        "roc_auc": roc_auc(labels, scores),
        "pr_auc": pr_auc(labels, scores),
        "expected_calibration_error": expected_calibration_error(labels, scores),
    }


def patient_bootstrap(
    patients: np.ndarray,
    measure: Callable[[np.ndarray], Mapping[str, float]],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float, float]]:
    """Standard deviation and percentile interval of each metric when patients, not images, are drawn again.

    Images of one patient resemble each other: drawing images would make the interval too narrow.

    Args:
        patients: the patient of each row.
        measure: row indices -> metrics of those rows.
    """
    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        chosen = generator.integers(0, len(rows), len(rows))
        for name, value in measure(np.concatenate([rows[number] for number in chosen])).items():
            drawn.setdefault(name, []).append(value)
    return {name: _spread(np.array(values)) for name, values in drawn.items()}


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    defined = values[np.isfinite(values)]
    if not len(defined):
        return float("nan"), float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(defined.std()), float(low), float(high)


def report(
    labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, threshold: float, seed: int
) -> dict[str, dict[str, Any]]:
    """Each metric as {"value", "standard_deviation", "interval": [low, high]}; undefined is None (JSON null)."""
    values = all_metrics(labels, scores, threshold)
    spreads = patient_bootstrap(patients, lambda rows: all_metrics(labels[rows], scores[rows], threshold), seed=seed)
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        deviation, low, high = spreads[name]
        found[name] = {
            "value": _json(value),
            "standard_deviation": _json(deviation),
            "interval": [_json(low), _json(high)],
        }
    return found


def _json(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
