"""Platt scaling on the validation patients: scores that mean what they say, and 0.5 as the right threshold.

Training sees augmented images under dropout, so the network's ranking on plain images of new patients can be right
while all its scores sit too low or too high. A line through the logits, fitted on the validation split (never on the
test split), takes that shift away; it is folded into the last layer, so every consumer of the artifact gets it.
Platt 1999, with his smoothed targets, which keep the fit finite when the two findings separate completely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras  # pyright: ignore[reportMissingImports]

_STEPS = 100
_RIDGE = 1e-6
_EPSILON = 1e-6


@dataclass(frozen=True)
class Calibration:
    """logit' = slope * logit + intercept."""

    slope: float
    intercept: float


IDENTITY = Calibration(1.0, 0.0)


def fit(scores: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit on held-out scores; IDENTITY where the scores do not rise with the label (turning them round would lie).

    Args:
        scores: (N,) probabilities of the positive class.
        labels: (N,) 0 or 1, both present.
    """
    logits = np.log(np.clip(scores, _EPSILON, 1 - _EPSILON) / np.clip(1 - scores, _EPSILON, 1 - _EPSILON))
    positives, negatives = int(labels.sum()), int(len(labels) - labels.sum())
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([logits, np.ones_like(logits)], axis=1).astype(np.float64)  # (N, 2)
    # Both findings count alike, as they do in training (class weights).
    weights = np.where(labels == 1, 0.5 / positives, 0.5 / negatives)
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        line = line - _step(line, design, targets, weights)
    slope, intercept = float(line[0]), float(line[1])
    return Calibration(slope, intercept) if np.isfinite(line).all() and slope > 0 else IDENTITY


def _step(line: np.ndarray, design: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One damped Newton step of weighted logistic regression."""
    predicted = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
    gradient = design.T @ (weights * (predicted - targets))
    curvature = design.T @ (design * (weights * predicted * (1 - predicted))[:, None]) + _RIDGE * np.eye(2)
    step = np.linalg.solve(curvature, gradient)
    return step / max(1.0, float(np.abs(step).max()))  # at most 1 per step: far from the minimum Newton overshoots


def fold_into(model: keras.Model, layer: str, calibration: Calibration) -> None:
    """Put the line into the sigmoid layer's weights: sigmoid(slope * (w x + b) + intercept)."""
    kernel, bias = model.get_layer(layer).get_weights()
    model.get_layer(layer).set_weights([kernel * calibration.slope, bias * calibration.slope + calibration.intercept])
