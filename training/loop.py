"""What happens around an epoch: seeds before it; metric line, checkpoint, early stopping after it (imports Keras)."""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np

from training.batches import seed_of
from training.checkpoint import CheckpointStore, Progress
from training.failure import TrainingError
from training.names import metric_line

SEED_STATE = "seed_generator_state"
"""Keras' name of a random layer's state, which the model's weights leave out."""


class EpochEnd(keras.callbacks.Callback):
    """Writes the line SageMaker reads, stores the checkpoint, stops after `patience` epochs without a better loss."""

    def __init__(self, store: CheckpointStore, progress: Progress, patience: int) -> None:
        super().__init__()
        self._store = store
        self._progress = progress
        self._patience = patience
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called by Keras with the epoch's metrics (the argument must be named logs)."""
        values = {_metric_name(name): float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(values["validation_loss"]):
            raise TrainingError(f"the validation loss of epoch {epoch + 1} is not finite: lower the learning rate")
        self._progress.record(values, self._patience)
        self._store.save(self.model, self._progress)
        print(metric_line(epoch + 1, values) + f" seconds={time.monotonic() - self._began:.1f}", flush=True)
        if self._progress.stopped:
            print(f"[train] early stopping: {self._progress.waited} epochs without a better validation loss")


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Start dropout's random numbers anew for an epoch, so that a resumed job draws what it would have drawn."""
    states = [variable for variable in model.variables if variable.name == SEED_STATE]
    for index, variable in enumerate(states):
        variable.assign(np.array([seed_of(seed, epoch, index), 0], dtype=variable.dtype))


def _metric_name(keras_name: str) -> str:
    return f"validation_{keras_name.removeprefix('val_')}" if keras_name.startswith("val_") else f"train_{keras_name}"
