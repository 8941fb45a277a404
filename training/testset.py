"""The test set's identity, and the lock that a change control plan may put on it.

    python -m training.testset DIRECTORY        what to write into the plan under locked_test_sets

DIRECTORY holds a run's test split (the address test_set_uri of a registered model). A stack that names a lock
(training.lockedTestSet) is judged on exactly these patients and pixels for as long as the plan says so, however the
cohort grows: every other patient trains.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import dataset
from training.failure import DatasetError
from training.split import patient_digest

CHANGED_CODES = ("digest-mismatch", "pixels-changed")
"""Why preprocess leaves out an image that is not what was labelled."""


def content_digest(columns: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the sorted lines of image key, digest of the decoded pixels, label; empty without digests."""
    if "pixel_digests" not in columns:
        return ""
    rows = zip(columns["image_keys"], columns["pixel_digests"], columns["labels"], strict=True)
    lines = sorted(f"{image} {pixels} {int(label)}" for image, pixels, label in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def locked_patients(plan: Mapping[str, Any], name: str) -> frozenset[str]:
    """Digests of the patients of a lock.

    Raises:
        DatasetError: the plan has no such lock.
    """
    locks = plan.get("locked_test_sets", {})
    if name not in locks:
        raise DatasetError(f"the change control plan {plan['version']} has no locked test set {name!r}")
    return frozenset(locks[name]["patients"])


def with_lock(sides: Mapping[str, Sequence[str]], locked: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """The split by patient with the locked ones, and no other, on the test side; who would have been there trains."""
    held = {patient for members in sides.values() for patient in members if patient_digest(patient) in locked}
    train = {*sides["train"], *sides["test"]} - held
    return {
        "train": tuple(sorted(train)),
        "validation": tuple(sorted(set(sides["validation"]) - held)),
        "test": tuple(sorted(held)),
    }


def described(split: dataset.Split, columns: Mapping[str, np.ndarray], lock: str) -> dict[str, Any]:
    """What the report says of the test set, and the gate judges."""
    excluded = split.manifest.get("excluded", {})
    return {
        "sha256": content_digest(columns),
        "images": len(columns["labels"]),
        "changed": sum(excluded.get(code, 0) for code in CHANGED_CODES),
        "lock": lock,
    }


def lock_of(directory: Path) -> dict[str, Any]:
    """The lock of a test split on disk.

    Raises:
        DatasetError: another split, or one that was made before images had digests.
    """
    split = dataset.open_split(directory)
    columns = split.arrays()
    digest = content_digest(columns)
    if split.name != "test" or not digest:
        raise DatasetError("this is no test split whose images have digests of their pixels")
    patients = sorted(patient_digest(patient) for patient in split.patients())
    return {"sha256": digest, "images": len(columns["labels"]), "patients": patients}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="training.testset", description="Print the lock of a test split.")
    parser.add_argument("directory", type=Path)
    try:
        print(json.dumps(lock_of(parser.parse_args().directory), indent=1))
    except DatasetError as error:
        sys.exit(str(error))
