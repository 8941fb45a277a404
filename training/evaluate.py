"""Step 3: judge the exported model on patients it has never seen.

    python -m training.evaluate --seed 20250101 --accuracy-threshold 0.85 --champion s3://.../model.tar.gz

Reads  <base>/processing/input/model/model.tar.gz and <base>/processing/input/test/, and the model in service.
Writes <base>/processing/evaluation/: evaluation.json (the gate reads metrics.accuracy.value and gate.passed),
predictions.json, baseline.json (for the drift check), model-card.md and roc.png, confusion.png, reliability.png,
grad-cam.png.
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

from training import baseline, card, champion, explain, gate, metrics, names, reporting, testset
from training.dataset import Split, open_split
from training.failure import DatasetError, PatientLeakError, reported
from training.split import check_no_leak, patient_digest

SAMPLE_PREDICTIONS = 200


def main(arguments: Sequence[str]) -> None:
    """Run the step in the container's directories."""
    asked = parse(arguments)
    with tempfile.TemporaryDirectory() as unpacked:
        model = unpack_model(names.processing_dir("input/model"), Path(unpacked))
        described = json.loads((model / names.MODEL_METADATA_FILE).read_text())
        test = open_split(names.processing_dir("input/test"))
        check_held_out(test, described)
        columns = test.arrays()
        check_pixels(columns["images"])
        scores = _scores(model, columns["images"])
        report = evaluation(described, test, columns, scores, asked.seed)
        target = names.processing_dir("evaluation")
        target.mkdir(parents=True, exist_ok=True)
        report["test_set"] = testset.described(test, columns, asked.locked_test_set)
        report["explained_images"] = explain.write(
            model / "1", columns, scores, described["threshold"], target / "grad-cam.png"
        )
        report["champion"] = _champion(asked, Path(unpacked) / "champion", columns, scores, described["threshold"])
    report["gate"] = gate.decide(report, limits_of(asked), gate.load_plan())
    report["reporting"] = reporting.topics(report, described)
    (target / names.EVALUATION_FILE).write_text(json.dumps(report, indent=1, sort_keys=True))
    (target / "predictions.json").write_text(json.dumps(predictions(columns, scores), indent=1))
    (target / names.BASELINE_FILE).write_text(json.dumps(_baseline(test, columns, scores, described), indent=1))
    (target / "model-card.md").write_text(card.render(report, described))
    _draw(columns["labels"], scores, described["threshold"], target)
    _print(report)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="training.evaluate")
    parser.add_argument("--seed", type=int, default=20250101)
    parser.add_argument("--accuracy-threshold", type=float, default=0.85)
    parser.add_argument("--lower-bound", type=float, default=0.0, help="of the accuracy's 95 %% interval; 0: off")
    parser.add_argument("--subgroup-floor", type=float, default=0.0, help="accuracy of every group; 0: off")
    parser.add_argument("--champion-margin", type=float, default=0.02)
    parser.add_argument("--champion", default=names.NO_CHAMPION, help="model.tar.gz of the model in service, or none")
    parser.add_argument("--locked-test-set", default=names.NO_LOCK, help="of the change control plan, or none")
    return parser.parse_args(arguments)


def limits_of(asked: argparse.Namespace) -> gate.Limits:
    """The stack's limits."""
    return gate.Limits(
        accuracy=asked.accuracy_threshold,
        lower_bound=asked.lower_bound,
        subgroup_floor=asked.subgroup_floor,
        champion_margin=asked.champion_margin,
    )


def _baseline(
    test: Split, columns: dict[str, np.ndarray], scores: np.ndarray, described: dict[str, Any]
) -> dict[str, Any]:
    images = test.manifest.get("appearance", {})
    return baseline.of_model(images, columns, scores, described["threshold"], test.manifest["snapshot_id"])


def check_pixels(images: np.ndarray) -> None:
    """Refuse values that are no pixels: a score of them would mean nothing."""
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise DatasetError("the test images hold values that are not finite or not between 0 and 1")


def _champion(
    asked: argparse.Namespace, directory: Path, columns: dict[str, np.ndarray], scores: np.ndarray, threshold: float
) -> dict[str, Any] | None:
    if asked.champion == names.NO_CHAMPION:
        return None
    champion.fetch(asked.champion, directory)
    model = unpack_model(directory, directory / "model")
    return champion.compare(model, columns, scores, _scores, threshold=threshold, seed=asked.seed)


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
        "subgroups": subgroups(columns, scores, threshold),
        "configuration": described["config"],
        "model": {"backbone": described["config"]["backbone"], "image_size": described["config"]["image_size"]},
        "snapshot_id": test.manifest["snapshot_id"],
    }


def subgroups(columns: dict[str, np.ndarray], scores: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """Accuracy by scanner, sex and age, as far as the de-identified images still say it (unknown is a group too)."""
    if "groups" not in columns:
        return []
    right = (scores >= threshold) == columns["labels"].astype(bool)
    told = [json.loads(str(groups)) for groups in columns["groups"]]
    found: list[dict[str, Any]] = []
    for dimension in sorted({name for groups in told for name in groups}):
        values = np.array([groups.get(dimension, "unknown") for groups in told])
        for value in sorted(set(values.tolist())):
            inside = values == value
            found.append(
                {
                    "dimension": dimension,
                    "group": value,
                    "images": int(inside.sum()),
                    "patients": len(np.unique(columns["patient_keys"][inside])),
                    "accuracy": round(float(right[inside].mean()), 6),
                }
            )
    return found


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
    for group in report["subgroups"]:
        print("[evaluate] {dimension} {group}: accuracy={accuracy} on {patients} patients".format(**group))
    if report["champion"]:
        print(f"[evaluate] against the model in service: {json.dumps(report['champion'], sort_keys=True)}")
    print(f"[evaluate] gate: {report['gate']['sentence']} (change control plan {report['gate']['plan']['version']})")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
