"""The report's pictures (matplotlib without a display)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training import metrics
from training.names import FINDINGS


def _figure() -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=100, metadata={"Software": None})  # no version text: the same run, the same bytes
    pyplot.close(figure)


def training_curves(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Loss and accuracy of both sides by epoch, the kept epoch marked."""
    figure, axes = _figure()
    epochs = range(1, len(history) + 1)
    for name in ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy"):
        style = "-" if name.startswith("validation") else "--"
        axes.plot(epochs, [row[name] for row in history], style, label=name.replace("_", " "))
    axes.axvline(best_epoch, color="grey", linewidth=1, label=f"kept epoch {best_epoch}")
    axes.set(xlabel="epoch", title="Training")
    axes.legend(fontsize=7)
    _save(figure, path)


def roc(labels: np.ndarray, scores: np.ndarray, path: Path) -> None:
    """The ROC curve with its area."""
    figure, axes = _figure()
    false_positive_rate, true_positive_rate = metrics.roc_curve(labels, scores)
    axes.plot(false_positive_rate, true_positive_rate, label=f"area {metrics.roc_auc(labels, scores):.3f}")
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC, held-out patients")
    axes.legend(loc="lower right")
    _save(figure, path)


def confusion(matrix: np.ndarray, path: Path) -> None:
    """Counts of images by truth (rows) and call (columns)."""
    figure, axes = _figure()
    axes.imshow(matrix, cmap="Blues")
    for row in range(2):
        for column in range(2):
            dark = matrix[row, column] > matrix.max() / 2
            axes.text(column, row, int(matrix[row, column]), ha="center", va="center", color="w" if dark else "k")
    axes.set(xticks=[0, 1], yticks=[0, 1], xlabel="called", ylabel="truth", title="Images of held-out patients")
    axes.set_xticklabels(FINDINGS)
    axes.set_yticklabels(FINDINGS)
    _save(figure, path)


def reliability(labels: np.ndarray, scores: np.ndarray, path: Path, bins: int = 10) -> None:
    """How often pneumonia was right, by predicted probability: on the diagonal the scores are frequencies."""
    figure, axes = _figure()
    index = np.minimum((scores * bins).astype(int), bins - 1)
    filled = [number for number in range(bins) if (index == number).any()]
    predicted = [float(scores[index == number].mean()) for number in filled]
    observed = [float(labels[index == number].mean()) for number in filled]
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    axes.plot(predicted, observed, "o-")
    axes.set(xlabel="predicted probability", ylabel="observed frequency", title="Calibration, held-out patients")
    _save(figure, path)
