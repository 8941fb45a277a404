"""The drift baseline (drift-baseline/1): how the images and the predictions of a model looked when it was judged.

Preprocess sums up all images of the snapshot, Evaluate adds the predictions for the held-out patients and writes
baseline.json beside the report; the drift check (lambdas/model_evaluation) compares what the endpoint sees with it.
Sums only: no figure of a single image and no key is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from training import names
from training.appearance import CATEGORIES, NUMBERS

SCHEMA = "drift-baseline/1"
PERCENTS = np.arange(101)
SCORE_BINS = 10


def of_images(appearances: Iterable[Mapping[str, Any]], patients: int) -> dict[str, Any]:
    """The sum of many images: their distributions by figure, how many they are, and of how many patients."""
    seen = list(appearances)
    numbers = {name: [one[name] for one in seen if name in one] for name in NUMBERS}
    return {
        "images": len(seen),
        "patients": patients,
        "numbers": {name: sketch(values) for name, values in numbers.items() if values},
        "categories": {
            name: dict(sorted(Counter(one[name] for one in seen if name in one).items())) for name in CATEGORIES
        },
    }


def of_model(
    images: Mapping[str, Any], columns: Mapping[str, np.ndarray], scores: np.ndarray, threshold: float, snapshot_id: str
) -> dict[str, Any]:
    """The whole baseline of a model. # scores: (N,) of the held-out images, 0..1

    Args:
        images: `of_images` of the snapshot, as the manifest carries it.
        columns: of the held-out split.
    """
    counts, _ = np.histogram(scores, bins=SCORE_BINS, range=(0.0, 1.0))
    found = Counter(names.FINDINGS[int(score >= threshold)] for score in scores)
    return {
        "schema": SCHEMA,
        "snapshot_id": snapshot_id,
        "images": dict(images),
        "predictions": {
            "images": len(scores),
            "patients": len(np.unique(columns["patient_keys"])),
            "numbers": {"probability": sketch(scores)},
            "categories": {"finding": {name: found[name] for name in names.FINDINGS}},
            "histogram": {"from": 0.0, "to": 1.0, "counts": counts.tolist()},
        },
    }


def sketch(values: Iterable[float] | np.ndarray) -> list[float]:
    """A distribution as its percentiles 0 to 100."""
    return [round(float(value), 6) for value in np.percentile(np.asarray(list(values), np.float64), PERCENTS)]
