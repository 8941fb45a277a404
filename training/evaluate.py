"""Step 3: judge the exported model on patients it has never seen.

    python -m training.evaluate --seed 20250101

Reads  <base>/processing/input/model/model.tar.gz and <base>/processing/input/test/.
Writes <base>/processing/evaluation/: evaluation.json (the gate reads metrics.accuracy.value), predictions.json and
roc.png, confusion.png, reliability.png.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import metrics, names
from training.dataset import Split, open_split
from training.failure import DatasetError, PatientLeakError, reported
from training.split import check_no_leak, patient_digest

SAMPLE_PREDICTIONS = 200


def main(arguments: Sequence[str]) -> None:
    """Run the step in the container's directories."""
    parser = argparse.ArgumentParser(prog="training.evaluate")
    parser.add_argument("--seed", type=int, default=20250101)
    seed = parser.parse_args(arguments).seed
    with tempfile.TemporaryDirectory() as unpacked:
        model = unpack_model(names.processing_dir("input/model"), Path(unpacked))
        described = json.loads((model / names.MODEL_METADATA_FILE).read_text())
        test = open_split(names.processing_dir("input/test"))
        check_held_out(test, described)
        columns = test.arrays()
        scores = _scores(model, columns["images"])
    target = names.processing_dir("evaluation")
    target.mkdir(parents=True, exist_ok=True)
    report = evaluation(described, test, columns, scores, seed)
    (target / names.EVALUATION_FILE).write_text(json.dumps(report, indent=1, sort_keys=True))
    (target / "predictions.json").write_text(json.dumps(predictions(columns, scores), indent=1))
    _draw(columns["labels"], scores, described["threshold"], target)
    _print(report)


def unpack_model(directory: Path, target: Path) -> Path:
    """Unpack model.tar.gz: a processing input arrives as SageMaker stored it."""
    archive = directory / "model.tar.gz"
    if not archive.is_file():
        raise DatasetError("the model input has no model.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")
    return target


def check_held_out(test: Split, described: dict[str, Any]) -> None:
    """Refuse to judge on a patient the model has seen, by the artifact's own list and by the manifest's.

    Raises:
        PatientLeakError: with the number of patients, never their keys.
        DatasetError: another split or another image size.
    """
    if test.name != "test":
        raise DatasetError(f"the test input holds the {test.name} split")
    if test.image_size != described["config"]["image_size"]:
        raise DatasetError(f"the test images have {test.image_size} pixels, the model reads another size")
    patients = test.patients()
    seen = set(described["seen_patients"])
    leaked = sum(patient_digest(patient) in seen for patient in patients)
    if leaked:
        raise PatientLeakError(f"{leaked} patient(s) of the test split were seen in training: no figure would be true")
    check_no_leak({**test.manifest["patients"], "test": patients})


def _scores(model: Path, images: np.ndarray) -> np.ndarray:
    from training.export import saved_model_scores

    return saved_model_scores(model / "1", images[..., None])


def evaluation(
    described: dict[str, Any], test: Split, columns: dict[str, np.ndarray], scores: np.ndarray, seed: int
) -> dict[str, Any]:
    """The report: image-level metrics with patient-bootstrap intervals, and study-level ones (mean score per study)."""
    labels, patients, threshold = columns["labels"], columns["patient_keys"], described["threshold"]
    studies, first = np.unique(columns["study_keys"], return_index=True)
    study_scores = np.array([scores[columns["study_keys"] == study].mean() for study in studies])
    return {
        "schema": "model-evaluation/1",
        "metrics": metrics.report(labels, scores, patients, threshold, seed),
        "study_metrics": metrics.report(labels[first], study_scores, patients[first], threshold, seed),
        "confusion_matrix": metrics.confusion_matrix(labels, scores, threshold).tolist(),
        "threshold": threshold,
        "positive_class": names.FINDINGS[1],
        "counts": {
            "images": len(labels),
            "studies": len(studies),
            "patients": len(np.unique(patients)),
            "positive_images": int(labels.sum()),
        },
        "interval": {"unit": "patient", "resamples": metrics.RESAMPLES, "level": metrics.LEVEL, "seed": seed},
        "model": {"backbone": described["config"]["backbone"], "image_size": described["config"]["image_size"]},
        "snapshot_id": test.manifest["snapshot_id"],
    }


def predictions(columns: dict[str, np.ndarray], scores: np.ndarray) -> list[dict[str, Any]]:
    """The first images' predictions by key, for a reader who wants to look at cases (pseudonyms only)."""
    rows = sorted(range(len(scores)), key=lambda row: str(columns["image_keys"][row]))[:SAMPLE_PREDICTIONS]
    return [
        {
            "image_key": str(columns["image_keys"][row]),
            "study_key": str(columns["study_keys"][row]),
            "finding": names.FINDINGS[int(columns["labels"][row])],
            "probability": round(float(scores[row]), 6),
        }
        for row in rows
    ]


def _draw(labels: np.ndarray, scores: np.ndarray, threshold: float, target: Path) -> None:
    from training import plots

    plots.roc(labels, scores, target / "roc.png")
    plots.confusion(metrics.confusion_matrix(labels, scores, threshold), target / "confusion.png")
    plots.reliability(labels, scores, target / "reliability.png")


def _print(report: dict[str, Any]) -> None:
    model, counts = report["model"], report["counts"]
    print(
        f"[evaluate] {model['backbone']} at {model['image_size']} pixels on {counts['patients']} held-out patients, "
        f"{counts['studies']} studies, {counts['images']} images"
    )
    for name, entry in report["metrics"].items():
        print(f"[evaluate] {name}={entry['value']} interval={entry['interval']} (95 %, by patient)")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
