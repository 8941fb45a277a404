"""Challenger against champion: the model in service judged on the same patients as the new one.

Only patients that neither model has seen count: the champion may have learned from some of today's test patients. The
difference is paired by image and its interval is drawn by patient; McNemar's exact test says how often chance alone
would make two equally good models differ that much (Dietterich 1998).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from training import metrics, names
from training.split import patient_digest


def fetch(uri: str, directory: Path) -> None:
    """Download the champion's model.tar.gz with the job's role. # uri: s3://bucket/key"""
    import boto3

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    directory.mkdir(parents=True, exist_ok=True)
    boto3.client("s3").download_file(bucket, key, str(directory / "model.tar.gz"))


def compare(
    model: Path,
    columns: dict[str, np.ndarray],
    scores: np.ndarray,
    judge: Callable[[Path, np.ndarray], np.ndarray],
    *,
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """The comparison as the report carries it; comparable is false where the two cannot be put side by side.

    Args:
        model: the champion's unpacked artifact.
        columns: the test split. scores: the challenger's. judge: scores of an artifact on images.
    """
    described = json.loads((model / names.MODEL_METADATA_FILE).read_text())
    if described["config"]["image_size"] != columns["images"].shape[1]:
        return {"comparable": False, "reason": "the model in service reads another image size"}
    seen = set(described["seen_patients"])
    fresh = np.array([patient_digest(str(patient)) not in seen for patient in columns["patient_keys"]])
    if not fresh.any():
        return {"comparable": False, "reason": "the model in service has seen every patient of the test split"}
    labels, patients = columns["labels"][fresh], columns["patient_keys"][fresh]
    champion = judge(model, columns["images"][fresh])
    right = (scores[fresh] >= threshold) == labels.astype(bool)
    right_before = (champion >= described["threshold"]) == labels.astype(bool)
    gain = right.astype(float) - right_before.astype(float)
    spread = metrics.patient_bootstrap(patients, lambda rows: {"difference": float(gain[rows].mean())}, seed=seed)
    _, low, high = spread["difference"]
    return {
        "comparable": True,
        "snapshot_id": described["snapshot_id"],
        "patients": len(np.unique(patients)),
        "images": int(fresh.sum()),
        "accuracy": round(float(right.mean()), 6),
        "champion_accuracy": round(float(right_before.mean()), 6),
        "difference": round(float(gain.mean()), 6),
        "interval": [round(low, 6), round(high, 6)],
        "p_value": round(mcnemar(int((right & ~right_before).sum()), int((~right & right_before).sum())), 6),
    }


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact probability of a split at least as uneven, were both models equally good."""
    total = better + worse
    if not total:
        return 1.0
    tail = sum(comb(total, count) for count in range(min(better, worse) + 1)) / 2**total
    return min(1.0, 2 * tail)
