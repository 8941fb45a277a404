"""Runs the ONNX model with onnxruntime: another runtime than the one that trained and evaluated it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambda_shared.errors import InvalidEventError

BATCH_IMAGES = 8  # at 512 x 512 a ResNet-50 needs about 60 MB of activations per image


class OnnxJudge:
    """`Judge` over onnxruntime on the CPU."""

    def scores(self, model: Path, batches: Iterator[Any]) -> Any:
        """Probabilities for batches of images # (n, S, S) float32 0..1 -> (N,) float32.

        Raises:
            InvalidEventError: the model does not answer one probability per image.
        """
        import numpy as np
        import onnxruntime  # pyright: ignore[reportMissingImports]

        runtime: Any = onnxruntime
        session = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found: list[Any] = []
        for images in batches:
            for start in range(0, len(images), BATCH_IMAGES):
                part = images[start : start + BATCH_IMAGES].astype(np.float32)
                part = part if part.ndim == 4 else part[..., None]  # (n, S, S, 1)
                answer = np.asarray(session.run(None, {name: part})[0]).reshape(-1)
                if answer.shape != (len(part),):
                    raise InvalidEventError("MODEL_OUTPUT", "the model does not answer one number per image")
                found.append(answer)
        scores = np.concatenate(found) if found else np.empty(0, np.float32)
        if not np.isfinite(scores).all() or (scores < 0).any() or (scores > 1).any():
            raise InvalidEventError("MODEL_OUTPUT", "the model answers numbers that are no probabilities")
        return scores
