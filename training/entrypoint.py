"""What SageMaker's script mode starts (as train.py): the only place where SM_* variables are read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from training import names, train
from training.bootstrap import stop_being_root
from training.cluster import cluster_of
from training.failure import reported


def directories() -> train.TrainDirectories:
    """Where the container's inputs and outputs lie: SM_* of the training toolkit, else the documented places."""
    base = names.base_dir()

    def place(variable: str, default: str) -> Path:
        return Path(os.environ.get(variable, str(base / default)))

    weights = place("SM_CHANNEL_WEIGHTS", "input/data/weights")
    return train.TrainDirectories(
        train=place("SM_CHANNEL_TRAIN", "input/data/train"),
        validation=place("SM_CHANNEL_VALIDATION", "input/data/validation"),
        weights=weights if weights.is_dir() else None,
        model=place("SM_MODEL_DIR", "model"),
        output=place("SM_OUTPUT_DATA_DIR", "output/data"),
        checkpoints=base / "checkpoints",
    )


if __name__ == "__main__":
    base = names.base_dir()
    stop_being_root(*(base / name for name in ("model", "output", "checkpoints", "code")))
    with reported():
        train.main(sys.argv[1:], directories(), cluster_of(os.environ))
