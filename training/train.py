"""Step 2: train the classifier, resume after an interruption, export what serving and judging need.

    python train.py --backbone resnet50 --epochs 50 --batch-size 32 --learning-rate 0.001 --image-size 512   (SageMaker)

Script mode starts training.entrypoint under the name train.py; it reads SM_* and calls `main`. Writes to the model
directory: 1/ (SavedModel), model.onnx, code/ (inference handler), metadata.json; to the output directory: history.json
and curves.png; to the checkpoint directory: one checkpoint per epoch. CPU: small_cnn at 96 pixels takes under 30 s.
"""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import names
from training.calibration import Calibration, fold_into
from training.calibration import fit as fit_calibration
from training.checkpoint import CheckpointStore, Progress
from training.cluster import ALONE, Machines, join
from training.dataset import Split, open_split
from training.failure import DatasetError, TrainingError
from training.names import metric_line
from training.split import check_no_leak

if TYPE_CHECKING:
    import numpy as np

    from training.model import Classifier
    from training.precision import Precision

FULL_SIZE = ("resnet50", 512)
FROZEN_SHARE = 0.2
"""Share of the epochs in which only the head of a pretrained model learns."""
WEIGHT_DECAY = 4e-3
"""Decoupled weight decay of Adam, per step and times the learning rate."""
FINE_TUNE_RATE = 0.1
"""Factor on the learning rate once the pretrained layers learn too."""


@dataclass(frozen=True)
class TrainDirectories:
    """Where the container has its things; weights is None without that channel."""

    train: Path
    validation: Path
    weights: Path | None
    model: Path
    output: Path
    checkpoints: Path


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The hyperparameters, as the definition passes them."""

    backbone: str
    image_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    seed: int
    augmentation: str
    precision: str


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one learning rate; last_epoch is the count of completed epochs at its end."""

    name: str
    last_epoch: int
    learning_rate: float
    base_trainable: bool


@dataclass(frozen=True)
class Run:
    """One training run: what is trained, on what, and how far it is (`progress` changes, the rest does not)."""

    classifier: Classifier
    config: TrainConfig
    train: Split
    validation: Split
    store: CheckpointStore
    progress: Progress
    machines: Machines = ALONE


def main(arguments: Sequence[str], directories: TrainDirectories, cluster: Mapping[str, Any] | None = None) -> None:
    """Train as the hyperparameters say, together with the other machines of the cluster (training.cluster)."""
    config = parse(arguments)
    machines = join(cluster)
    if machines.chief:
        announce(config)
    train, validation = open_split(directories.train), open_split(directories.validation)
    check_data(config, train, validation)
    weights = weights_file(directories.weights)
    classifier, strategy, precision = prepare(config, weights, machines)
    store = CheckpointStore(directories.checkpoints)
    fingerprint = fingerprint_of(config, train, validation, precision.policy, machines.count)
    # The chief alone writes checkpoints, so what it has reached is where all begin.
    reached = machines.told_by_chief(json.dumps(asdict(store.latest(fingerprint) or Progress(fingerprint))))
    run = Run(classifier, config, train, validation, store, Progress(**json.loads(reached)), machines)
    with strategy.scope():
        fit(run)
        if machines.chief:
            finish(run, precision, weights, directories)
    machines.wait()  # whoever ended before the chief would be taken for lost


def finish(run: Run, precision: Precision, weights: Path | None, directories: TrainDirectories) -> None:
    """Best epoch, calibration, artifact."""
    run.store.restore(run.classifier.model, run.progress.best_epoch, optimizer=False)
    run, arithmetic = to_export(run, precision, weights)
    calibration = calibrate(run)
    said = {"calibration": asdict(calibration), "precision": arithmetic, "machines": run.machines.count}
    write_outputs(run, directories, said)


def parse(arguments: Sequence[str]) -> TrainConfig:
    """The command line that script mode makes of the hyperparameters."""
    parser = argparse.ArgumentParser(prog="train.py")
    parser.add_argument("--backbone", choices=names.BACKBONES, default="resnet50")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20250101)
    parser.add_argument("--augmentation", choices=names.AUGMENTATIONS, default="standard")
    parser.add_argument("--precision", choices=names.PRECISIONS, default="auto")
    return TrainConfig(**vars(parser.parse_args(arguments)))


def announce(config: TrainConfig) -> None:
    """Say plainly what is trained: a small stand-in must not pass for the full-size model."""
    print(f"[train] configuration {json.dumps(asdict(config), sort_keys=True)}", flush=True)
    if (config.backbone, config.image_size) != FULL_SIZE:
        print(
            f"[train] NOTE: this stack trains {config.backbone} at {config.image_size} pixels by configuration; "
            f"the AWS stacks train {FULL_SIZE[0]} at {FULL_SIZE[1]}. Its figures do not carry over.",
            flush=True,
        )


def check_data(config: TrainConfig, train: Split, validation: Split) -> None:
    """Refuse a leak, sides that are in each other's place, or another image size, before any epoch."""
    if (train.name, validation.name) != ("train", "validation"):
        raise DatasetError(f"the channels hold the splits {train.name} and {validation.name}, not train and validation")
    for split in (train, validation):
        if split.image_size != config.image_size:
            raise DatasetError(f"{split.name} has {split.image_size} pixel images, the model reads {config.image_size}")
    check_no_leak(
        {"train": train.patients(), "validation": validation.patients(), "test": train.manifest["patients"]["test"]}
    )


def weights_file(directory: Path | None) -> Path | None:
    """The one weights file of the channel, None without the channel."""
    if directory is None:
        return None
    found = sorted(path for path in directory.rglob("*") if path.suffix in {".h5", ".keras"})
    if len(found) != 1:
        raise TrainingError(f"the weights channel must hold one .h5 file, it holds {len(found)}")
    return found[0]


def prepare(config: TrainConfig, weights: Path | None, machines: Machines = ALONE) -> tuple[Classifier, Any, Precision]:
    """Seeds, devices, arithmetic, model: every GPU of the instance, or the CPU."""
    import keras
    import tensorflow as tf

    from training.loop import shared_model
    from training.model import build
    from training.precision import choose

    keras.utils.set_random_seed(config.seed)
    devices = tf.config.list_physical_devices("GPU")
    strategy = tf.distribute.MirroredStrategy() if len(devices) > 1 else tf.distribute.get_strategy()
    precision = choose(config.precision)
    print(
        f"[train] tensorflow {tf.__version__} keras {keras.__version__} gpus={len(devices)} "
        f"precision={precision.policy} seed={config.seed}"
    )
    with strategy.scope():
        kind = None if machines.count == 1 else shared_model(machines)
        classifier = build(config.backbone, config.image_size, weights, kind)
    return classifier, strategy, precision


def fingerprint_of(
    config: TrainConfig, train: Split, validation: Split, policy: str = "float32", machines: int = 1
) -> str:
    """Digest of everything that must be equal for a checkpoint to be continued; the policy is what `auto` became."""
    said = [asdict(config), policy, machines, train.manifest["shards"], validation.manifest["shards"]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def phases(config: TrainConfig, pretrained: bool) -> list[Phase]:
    """Random weights: all layers at once. Pretrained: the head first, then everything at a tenth of the rate."""
    if not pretrained or config.epochs < 2:
        return [Phase("all layers", config.epochs, config.learning_rate, True)]
    frozen = max(1, round(config.epochs * FROZEN_SHARE))
    return [
        Phase("head only", frozen, config.learning_rate, False),
        Phase("fine-tuning", config.epochs, config.learning_rate * FINE_TUNE_RATE, True),
    ]


def fit(run: Run) -> None:
    """Train through the phases from where the run's progress stands, which is brought up to date in place."""
    from training.batches import TrainingBatches, plain_batches
    from training.loop import begin_phase, reseed, run_epoch

    config, progress, machines, model = run.config, run.progress, run.machines, run.classifier.model
    if progress.epoch:
        print(f"[train] resuming after epoch {progress.epoch}, best {progress.best_loss:.6f} at {progress.best_epoch}")
    data = TrainingBatches(run.train, config.batch_size, config.augmentation, config.seed, machines)
    held_out = plain_batches(run.validation, config.batch_size, machines)
    weights = class_weights(run.train)
    plan = phases(config, run.classifier.base is not None)
    for phase in plan:
        if progress.stopped or progress.epoch >= phase.last_epoch:
            continue
        _compile(run.classifier, phase, machines)
        if progress.epoch and machines.chief:
            # At a phase's first epoch the optimizer is new: the checkpoint's belongs to the phase before.
            begins = any(progress.epoch == other.last_epoch for other in plan)
            run.store.restore(model, progress.epoch, optimizer=not begins)
        begin_phase(model, machines)
        print(f"[train] phase {phase.name}: epochs {progress.epoch + 1} to {phase.last_epoch}", flush=True)
        began = time.monotonic()
        while progress.epoch < phase.last_epoch and not progress.stopped:
            reseed(model, config.seed, progress.epoch, machines.index)
            values = run_epoch(model, machines, data.epoch(progress.epoch), held_out, weights)
            end_epoch(run, values, time.monotonic() - began)


def end_epoch(run: Run, values: dict[str, float], seconds: float) -> None:
    """Take in an epoch's metrics: early stopping alike on every machine, checkpoint and metric line by the chief.

    Raises:
        TrainingError: the validation loss is not finite.
    """
    progress = run.progress
    if not math.isfinite(values["validation_loss"]):
        raise TrainingError(f"the validation loss of epoch {progress.epoch + 1} is not finite: lower the learning rate")
    progress.record(values, run.config.patience)
    if not run.machines.chief:
        return
    run.store.save(run.classifier.model, progress)
    print(metric_line(progress.epoch, values) + f" seconds={seconds:.1f}", flush=True)
    if progress.stopped:
        print(f"[train] early stopping: {progress.waited} epochs without a better validation loss")


def _compile(classifier: Classifier, phase: Phase, machines: Machines) -> None:
    import keras

    if classifier.base is not None:
        classifier.base.trainable = phase.base_trainable
    classifier.model.compile(
        optimizer=keras.optimizers.Adam(phase.learning_rate, weight_decay=WEIGHT_DECAY),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")],
        jit_compile="auto" if machines.count == 1 else False,  # XLA has no sum over machines
    )


def class_weights(train: Split) -> dict[int, float]:
    """Weights that make both findings count alike: images / (2 * images of the finding)."""
    normal, pneumonia = train.counts()
    total = normal + pneumonia
    return {0: total / (2 * normal), 1: total / (2 * pneumonia)}


def to_export(run: Run, precision: Precision, weights: Path | None) -> tuple[Run, dict[str, Any]]:
    """The run with its best epoch in float32, and what the metadata says of the arithmetic (training.precision)."""
    import keras

    from training.model import build
    from training.precision import difference

    said: dict[str, Any] = {**asdict(precision), "exported": "float32"}
    if not precision.mixed:
        return run, said
    before = validation_scores(run)
    keras.config.set_dtype_policy("float32")
    exported = replace(run, classifier=build(run.config.backbone, run.config.image_size, weights))
    run.store.restore(exported.classifier.model, run.progress.best_epoch, optimizer=False)
    said["largest_difference"] = difference(before, validation_scores(exported))
    print(f"[train] {precision.policy} and float32 differ by {said['largest_difference']:.2g} at most on validation")
    return exported, said


def validation_scores(run: Run) -> np.ndarray:
    """Probabilities of the validation images by the model as it stands. # (N,)"""
    from training.batches import plain_batches

    batches = plain_batches(run.validation, run.config.batch_size)
    return run.classifier.model.predict(batches, verbose=0).ravel()


def calibrate(run: Run) -> Calibration:
    """Fit the scores to the validation patients and fold the line into the model (see training.calibration)."""
    from training.model import OUTPUT_NAME

    scores = validation_scores(run)
    labels = run.validation.arrays()["labels"]
    calibration = fit_calibration(scores, labels)
    fold_into(run.classifier.model, OUTPUT_NAME, calibration)
    print(f"[train] calibration on validation: slope={calibration.slope:.4f} intercept={calibration.intercept:.4f}")
    return calibration


def write_outputs(run: Run, directories: TrainDirectories, extra: dict[str, Any]) -> None:
    """History and curves beside the model, then the artifact; `extra` joins its metadata."""
    from training.export import export, metadata
    from training.plots import training_curves

    progress = run.progress
    directories.output.mkdir(parents=True, exist_ok=True)
    (directories.output / "history.json").write_text(json.dumps(progress.history, indent=1))
    training_curves(progress.history, progress.best_epoch, directories.output / "curves.png")
    described = {**metadata(asdict(run.config), [run.train, run.validation], progress), **extra}
    export(run.classifier.model, directories.model, described, run.validation.arrays()["images"][:4])
    best = progress.history[progress.best_epoch - 1]
    print(
        f"[train] best epoch {progress.best_epoch} of {progress.epoch}: validation_loss={best['validation_loss']:.6f} "
        f"validation_accuracy={best['validation_accuracy']:.6f}",
        flush=True,
    )
