"""Names that the pipeline's definition and the scripts in its containers must agree on (no heavy import here).

The definition is built in the Pulumi process, the scripts run in SageMaker containers: whatever one side writes and
the other reads stands here once.
"""

from __future__ import annotations

import os
from pathlib import Path

BACKBONES: tuple[str, ...] = ("resnet50", "mobilenet_v3_small", "small_cnn")
AUGMENTATIONS: tuple[str, ...] = ("none", "light", "standard")
PRECISIONS: tuple[str, ...] = ("auto", "float32", "mixed_float16")
SPLITS: tuple[str, ...] = ("train", "validation", "test")
FINDINGS: tuple[str, ...] = ("normal", "pneumonia")
"""Class names by label: 0 is normal, 1 is pneumonia (the positive class of every metric)."""

SNAPSHOT_SCHEMA = "label-snapshot/1"
DATASET_SCHEMA = "training-dataset/1"
EVALUATION_FILE = "evaluation.json"
BASELINE_FILE = "baseline.json"
MODEL_METADATA_FILE = "metadata.json"
ARCHIVE_NAME = "sourcedir.tar.gz"
BOOTSTRAP_NAME = "bootstrap.py"
TRAIN_PROGRAM = "train.py"
"""File at the archive's root that script mode starts (hyperparameter sagemaker_program)."""

WEIGHTS_CHANNEL = "weights"
RAW_SIGNATURE = "raw"
"""The exported model's signature that takes an image as its bytes (training.export.raw_function)."""
NO_CHAMPION = "none"
"""Value of the parameter ChampionModelUri where no model is in service yet."""
NO_LOCK = "none"
"""Where a run names no locked test set."""

TRAINING_METRICS: tuple[str, ...] = (
    "train_loss",
    "train_accuracy",
    "train_precision",
    "train_recall",
    "validation_loss",
    "validation_accuracy",
    "validation_precision",
    "validation_recall",
)
"""Written once per epoch by `metric_line`, read back by SageMaker through `metric_pattern` (MetricDefinitions)."""


def metric_line(epoch: int, values: dict[str, float]) -> str:
    """The log line of one epoch: `[metric] epoch=3 train_loss=0.512300 ...`, only names of TRAINING_METRICS."""
    unknown = sorted(set(values) - set(TRAINING_METRICS))
    if unknown:
        raise ValueError(f"training metrics {unknown} are not in TRAINING_METRICS, so SageMaker would not read them")
    pairs = " ".join(f"{name}={values[name]:.6f}" for name in TRAINING_METRICS if name in values)
    return f"[metric] epoch={epoch} {pairs}"


def metric_pattern(name: str) -> str:
    """The regular expression by which SageMaker finds `name` in `metric_line`; its one group is the number."""
    return rf"\[metric\].* {name}=(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)"


def base_dir() -> Path:
    """Root of the container's directories: /opt/ml, or SAGEMAKER_BASE_DIR (as in AWS's own training toolkit)."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def processing_dir(name: str) -> Path:
    """Directory of a processing input or output, e.g. `input/snapshot` or `train`."""
    return base_dir() / "processing" / name
