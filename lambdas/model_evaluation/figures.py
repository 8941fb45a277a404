"""The figures of a binary classifier, written independently of training/metrics.py: that is the point of them.

Labels are 0 (normal) and 1 (pneumonia), scores are probabilities of 1; a score at the decision threshold is positive.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[np.integer[Any]]
    Scores = NDArray[np.floating[Any]]

COMPARED = ("accuracy", "precision", "recall", "f1", "roc_auc")


def figures(labels: Labels, scores: Scores, threshold: float) -> dict[str, float]:
    """accuracy, precision, recall, f1 and roc_auc; nan where the sample does not define one."""
    actual = [bool(label) for label in labels.tolist()]
    called = [score >= threshold for score in scores.tolist()]
    hits = sum(truth and call for truth, call in zip(actual, called, strict=True))
    correct = sum(truth == call for truth, call in zip(actual, called, strict=True))
    precision = _ratio(hits, sum(called))
    recall = _ratio(hits, sum(actual))
    return {
        "accuracy": _ratio(correct, len(actual)),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * hits, sum(called) + sum(actual)),
        "roc_auc": roc_auc(labels, scores),
    }


def roc_auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic: P(positive scores higher), ties count half."""
    import numpy as np

    truth = labels.astype(bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return math.nan
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(middle_rank[inverse][truth].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def disagreement(own: dict[str, float], claimed: dict[str, Any]) -> tuple[str, float]:
    """The figure that differs most from the pipeline's report, and by how much.

    A figure that the report lacks, or that only one side can define, differs by 1: silence is no agreement.
    """
    worst, largest = COMPARED[0], 0.0
    for name in COMPARED:
        entry: Any = claimed.get(name)
        value = entry.get("value") if isinstance(entry, dict) else entry  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        difference = _difference(own[name], float(value) if isinstance(value, int | float) else math.nan)
        if difference > largest:
            worst, largest = name, difference
    return worst, largest


def _difference(own: float, claimed: float) -> float:
    if math.isnan(own) or math.isnan(claimed):
        return 0.0 if math.isnan(own) and math.isnan(claimed) else 1.0
    return abs(own - claimed)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
