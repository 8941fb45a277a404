"""The data set between the steps: npz shards and a manifest per split, from preprocess to train and evaluate.

<split>/manifest.json          schema training-dataset/1
<split>/shard-00000.npz        images (N, S, S) float32 0..1 · labels (N,) int8 · patient_keys, study_keys,
                               image_keys (N,) str of 32 hex digits (pseudonyms) · groups (N,) JSON by dimension ·
                               pixel_digests (N,) str of 64 hex digits
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.failure import DatasetError
from training.names import DATASET_SCHEMA

SHARD_IMAGES = 64
"""Images per shard: 64 MiB at 512 x 512."""


@dataclass(frozen=True)
class Split:
    """One split on disk, its manifest read and checked."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """train, validation or test."""
        return self.manifest["split"]

    @property
    def image_size(self) -> int:
        """Edge of the square images, pixels."""
        return self.manifest["image_size"]

    @property
    def images(self) -> int:
        """How many images the split has."""
        return sum(shard["images"] for shard in self.manifest["shards"])

    @property
    def shards(self) -> list[Path]:
        """The shard files, in order."""
        return [self.directory / shard["file"] for shard in self.manifest["shards"]]

    def counts(self) -> tuple[int, int]:
        """Images labelled normal and pneumonia."""
        return self.manifest["counts"]["normal"], self.manifest["counts"]["pneumonia"]

    def patients(self) -> list[str]:
        """The patients as the shards themselves say: a leak check must not rest on what the manifest claims."""
        keys: set[str] = set()
        for shard in self.shards:
            with np.load(shard, allow_pickle=False) as content:
                keys |= set(content["patient_keys"].tolist())
        return sorted(keys)

    def arrays(self) -> dict[str, np.ndarray]:
        """All shards in memory, concatenated by key (validation and test are small enough)."""
        parts: dict[str, list[np.ndarray]] = {}
        for shard in self.shards:
            with np.load(shard, allow_pickle=False) as content:
                for key in content.files:
                    parts.setdefault(key, []).append(content[key])
        return {key: np.concatenate(arrays) for key, arrays in parts.items()}


def open_split(directory: Path) -> Split:
    """Read a split's manifest and check every shard's digest.

    Raises:
        DatasetError: no manifest, another schema, a shard that is missing or was changed, an empty split.
    """
    path = directory / "manifest.json"
    if not path.is_file():
        raise DatasetError(f"the {directory.name} channel has no manifest.json")
    manifest = json.loads(path.read_text())
    if manifest.get("schema") != DATASET_SCHEMA:
        raise DatasetError(f"the data set's schema is {manifest.get('schema')!r}, expected {DATASET_SCHEMA!r}")
    for shard in manifest["shards"]:
        file = directory / shard["file"]
        if not file.is_file() or sha256_of(file) != shard["sha256"]:
            raise DatasetError(f"{shard['file']} of {manifest['split']} is missing or was changed")
    split = Split(directory, manifest)
    if not split.images:
        raise DatasetError(f"the {split.name} split has no images")
    return split


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_shard(directory: Path, index: int, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Write one shard and return its manifest entry; the same arrays give the same bytes (numpy stores no time)."""
    path = directory / f"shard-{index:05d}.npz"
    np.savez(path, **columns)  # pyright: ignore[reportArgumentType]  # numpy's stub takes the keywords for allow_pickle
    return {"file": path.name, "images": len(columns["labels"]), "sha256": sha256_of(path)}
