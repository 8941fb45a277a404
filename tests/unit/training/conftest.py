"""A tiny data set in the container's directories, and the interpreter of the training environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import dataset, names, pixels

TRAIN_PYTHON = Path(__file__).resolve().parents[3] / ".venvs/train/bin/python"
SIZE = 64


def key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_split(
    directory: Path, name: str, patients: dict[str, list[str]], *, size: int = SIZE, images: int = 4, seed: int = 1
) -> None:
    """One split on disk as preprocess writes it: pneumonia images have a bright patch, every second patient has it."""
    directory.mkdir(parents=True)
    generator = np.random.default_rng([seed, len(name)])
    columns: dict[str, list[Any]] = {
        column: [] for column in ("images", "labels", "patient_keys", "study_keys", "image_keys")
    }
    for number, patient in enumerate(patients[name]):
        for index in range(images):
            image = (0.3 + 0.05 * generator.random((size, size))).astype(np.float32)
            if number % 2:
                row, column = generator.integers(4, size - 24, 2)
                image[row : row + 20, column : column + 20] = 0.9
            columns["images"].append(image)
            columns["labels"].append(number % 2)
            columns["patient_keys"].append(patient)
            columns["study_keys"].append(key(f"study of {patient}"))
            columns["image_keys"].append(key(f"{patient} {index}"))
    arrays = {column: np.array(values) for column, values in columns.items()}
    arrays["labels"] = arrays["labels"].astype(np.int8)
    shard = dataset.write_shard(directory, 0, arrays)
    positives = int(arrays["labels"].sum())
    manifest = {
        "schema": names.DATASET_SCHEMA,
        "split": name,
        "snapshot_id": "snapshot-1",
        "snapshot_sha256": "0" * 64,
        "image_size": size,
        "seed": seed,
        "fractions": {"test": 0.2, "validation": 0.2},
        "preparation": pixels.window_metadata(),
        "counts": {"normal": len(arrays["labels"]) - positives, "pneumonia": positives},
        "studies": len(patients[name]),
        "excluded": {},
        "patients": patients,
        "shards": [shard],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))


def three_sides(train: int = 8, validation: int = 4, test: int = 4) -> dict[str, list[str]]:
    """Patients of the three sides, nobody twice."""
    sizes = {"train": train, "validation": validation, "test": test}
    return {name: sorted(key(f"{name} {number}") for number in range(size)) for name, size in sizes.items()}


@pytest.fixture(scope="session")
def split_writer() -> Callable[..., None]:
    return write_split


@pytest.fixture
def sides() -> dict[str, list[str]]:
    return three_sides()


@pytest.fixture(scope="session")
def train_python() -> Path:
    if not TRAIN_PYTHON.is_file():
        pytest.skip("the training environment (.venvs/train) is not installed")
    return TRAIN_PYTHON
