"""What reporting guidelines ask of a model's report: said from the run's own figures, or named as missing.

The topics are those of CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024) and TRIPOD+AI (Collins et
al., BMJ 2024) in our own words and without their numbers; a person who publishes fills in the guideline's own form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING = (
    ("Clinical background and role in care", "to be written by the hospital"),
    ("Eligibility, period and place of data collection", "not carried by de-identified images"),
    ("Agreement of the readers", "see the agreement figures of the API"),
    ("Rationale of the sample size", "nobody has calculated one for this run"),
    ("Robustness and sensitivity analysis", "this run perturbs no image and varies no assumption"),
    ("External validation", "this run saw no other hospital's patients"),
    ("Fairness beyond scanner, sex and age", "the images say no more"),
    ("Registration, protocol, funding and conflicts of interest", "to be written by the hospital"),
)


def topics(report: Mapping[str, Any], described: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every topic with status "filled" or "missing", and what is said of it.

    Args:
        report: evaluation.json so far. described: the artifact's metadata.json.
    """
    found = [*_data(report, described), *_model(described), *_evaluation(report)]
    told = [{"topic": topic, "status": "filled", "said": said} for topic, said in found if said]
    silent = [(topic, "this run has none") for topic, said in found if not said]
    return [*told, *({"topic": topic, "status": "missing", "said": why} for topic, why in (*silent, *MISSING))]


def _data(report: Mapping[str, Any], described: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts, test_set = report["counts"], report.get("test_set") or {}
    return [
        ("Source of the data", f"label snapshot {described['snapshot_id']}, sha256 {described['snapshot_sha256']}"),
        (
            "De-identification",
            "before the images reach training (DICOM PS3.15, Basic Profile); patients are pseudonyms",
        ),
        ("Preparation of the images", f"{described['preparation']}"),
        ("Reference standard", "the study's finding, verified by a reader; versions and readers are in the snapshot"),
        ("Partition", "by patient; nobody of the test set was seen in training or calibration"),
        (
            "Test set",
            f"{counts['patients']} patients, {counts['studies']} studies, {counts['images']} images, "
            f"{counts['positive_images']} positive; digest {test_set.get('sha256') or 'unknown'}",
        ),
    ]


def _model(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    config = described["config"]
    versions = described.get("versions", {})
    settings = ("batch_size", "learning_rate", "augmentation", "precision", "patience")
    return [
        ("Model", f"{config['backbone']}, input {described['input']['shape']}, {described['output']['meaning']}"),
        ("Software", ", ".join(f"{name} {value}" for name, value in sorted(versions.items()))),
        ("Initial parameters and seed", f"seed {config['seed']}"),
        ("Training", ", ".join(f"{name} {config[name]}" for name in settings if name in config)),
        (
            "Choice of the final model",
            f"lowest validation loss: epoch {described['best_epoch']} of {described['epochs']}",
        ),
    ]


def _evaluation(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    interval, gate = report.get("interval", {}), report.get("gate", {})
    groups = sorted({group["dimension"] for group in report.get("subgroups", ())})
    explained = report.get("explained_images", 0)
    return [
        ("Performance", ", ".join(f"{name} {entry['value']}" for name, entry in report["metrics"].items())),
        (
            "Uncertainty",
            f"{interval['level']} intervals, {interval['resamples']} resamples by {interval['unit']}"
            if interval
            else "",
        ),
        ("Performance by group", ", ".join(groups)),
        (
            "Failure analysis and explanation",
            f"{explained} cases with heat maps, by kind of error" if explained else "",
        ),
        (
            "Decision and its limits",
            f"change control plan {gate['plan']['version']}: {gate['sentence']}" if gate else "",
        ),
    ]
