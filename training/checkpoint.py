"""Checkpoints that survive a Spot interruption at any moment: weights, optimizer, and what early stopping knows.

Each epoch writes `epoch-0007.npz`, then `epoch-0007.json` with the archive's digest; both come in by rename. SageMaker
copies the directory to S3 file by file, so after an interruption the newest epoch may be there in part: `latest` takes
the newest one that is whole. An epoch is written while the next one trains: ResNet-50 with its optimizer is 283 MB,
and waiting for the disk took longer than a small epoch does. Keras' own BackupAndRestore forgets the best value and
the epochs waited, so early stopping would start anew after every interruption.
"""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.dataset import sha256_of

if TYPE_CHECKING:
    import keras

KEEP = 2
"""Whole epochs kept beside the best one."""


@dataclass
class Progress:
    """Where training stands after a completed epoch.

    Attributes:
        epoch: completed epochs.
        best_loss: lowest validation loss so far; best_epoch: the epoch (1-based) that reached it.
        waited: epochs since then.
        stopped: early stopping has ended the training.
        history: one row of metric values per epoch.
        fingerprint: of data and configuration; another one's checkpoint is never continued.
    """

    fingerprint: str
    epoch: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    waited: int = 0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def record(self, values: dict[str, float], patience: int) -> None:
        """Take in one epoch's metrics: best value, patience, history."""
        self.epoch += 1
        self.history.append(values)
        if values["validation_loss"] < self.best_loss:
            self.best_loss, self.best_epoch, self.waited = values["validation_loss"], self.epoch, 0
        else:
            self.waited += 1
        self.stopped = self.waited >= patience


class CheckpointStore:
    """The checkpoints of one job in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = ThreadPoolExecutor(1, "checkpoint")  # an orderly exit waits for it
        self._writing: Future[None] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def _archive(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch:04d}.npz"

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Take a copy of the model after `progress.epoch`, store it, and drop what is no longer needed.

        Returns with the copy in memory; `written` waits for the files, and so does the next call. Raises what went
        wrong with the epoch before.
        """
        self.written()
        self._writing = self._writer.submit(self._write, {**_weights(model), **_optimizer(model)}, asdict(progress))

    def written(self) -> None:
        """Wait until what was saved is stored. Raises OSError when it could not be."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        archive = self._archive(progress["epoch"])
        partial = archive.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        partial.replace(archive)
        partial.write_text(json.dumps({"sha256": sha256_of(archive), "progress": progress}))
        partial.replace(archive.with_suffix(".json"))
        kept = {progress["best_epoch"], *range(progress["epoch"] - KEEP + 1, progress["epoch"] + 1)}
        for old in self._directory.glob("epoch-*.*"):
            if int(old.stem.removeprefix("epoch-")) not in kept:
                old.unlink()

    def latest(self, fingerprint: str) -> Progress | None:
        """The newest whole checkpoint of this very job whose best epoch is there too, or None."""
        self.written()
        for path in sorted(self._directory.glob("epoch-*.json"), reverse=True):
            note = json.loads(path.read_text())
            progress = Progress(**note["progress"])
            archive = self._archive(progress.epoch)
            whole = archive.is_file() and sha256_of(archive) == note["sha256"]
            if whole and progress.fingerprint == fingerprint and self._archive(progress.best_epoch).is_file():
                return progress
        return None

    def restore(self, model: keras.Model, epoch: int, *, optimizer: bool) -> None:
        """Put the weights of an epoch into a built model, with the optimizer's state where asked for."""
        self.written()
        with np.load(self._archive(epoch), allow_pickle=False) as stored:
            for variable in model.weights:
                variable.assign(stored[f"weight/{variable.path}"])
            if optimizer:
                model.optimizer.build(model.trainable_variables)
                for index, variable in enumerate(model.optimizer.variables):
                    variable.assign(stored[f"optimizer/{index}"])


def _weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {f"weight/{variable.path}": np.array(variable) for variable in model.weights}


def _optimizer(model: keras.Model) -> dict[str, np.ndarray]:
    return {f"optimizer/{index}": np.array(variable) for index, variable in enumerate(model.optimizer.variables)}
