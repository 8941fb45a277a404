"""The frozen test set: npz shards with a manifest (training-dataset/1), every shard checked by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lambda_shared.errors import InvalidEventError
from model_evaluation.ports import Artifacts

SCHEMA = "training-dataset/1"


class TestSet:
    """Reads one split below a URI, a shard at a time: memory holds one shard only."""

    __test__ = False  # the name is the domain's, not pytest's

    def __init__(self, artifacts: Artifacts, uri: str) -> None:
        self._artifacts = artifacts
        self._uri = uri.rstrip("/")
        self.manifest: dict[str, Any] = json.loads(artifacts.read(f"{self._uri}/manifest.json"))
        if self.manifest.get("schema") != SCHEMA or self.manifest.get("split") != "test":
            raise InvalidEventError("TEST_SET", "the test set's manifest is not the one of a test split")
        self.labels: list[int] = []

    def batches(self) -> Iterator[Any]:
        """The images of each shard # (n, S, S) float32 0..1; their labels are collected on the way.

        Raises:
            InvalidEventError: a shard was changed after it was frozen, or has another shape than its labels.
        """
        import numpy as np

        for shard in self.manifest["shards"]:
            name = str(shard["file"])
            if "/" in name or ".." in name:
                raise InvalidEventError("TEST_SET", "a shard lies outside the test set")
            data = self._artifacts.read(f"{self._uri}/{name}")
            if hashlib.sha256(data).hexdigest() != shard["sha256"]:
                raise InvalidEventError("TEST_SET", "a shard was changed after the test set was frozen")
            with np.load(BytesIO(data), allow_pickle=False) as content:
                images: Any = content["images"]
                labels: Any = content["labels"]
            if len(images) != len(labels):
                raise InvalidEventError("TEST_SET", "a shard has not one label per image")
            self.labels.extend(int(label) for label in labels.tolist())
            yield images
