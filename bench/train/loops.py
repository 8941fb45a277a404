"""What `bench.train` times: a split of noise, the plain loop, ours, and the input pipeline alone."""

# pyright: reportMissingImports=false
# (Keras lives in the training environment, not in the project's)

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from training import dataset, names, pixels, train
from training.batches import TrainingBatches
from training.checkpoint import CheckpointStore, Progress
from training.dataset import Split
from training.model import build
from training.precision import choose

PLAIN = "plain Keras"
WAYS = {PLAIN: None, "ours": "none", "ours, standard augmentation": "standard"}


class Clock(NamedTuple):
    """Seconds on the wall and of the CPU, all threads: on a machine that others use the second says more."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        """Since some moment."""
        return cls(time.monotonic(), time.process_time())

    def since(self, before: Clock) -> Clock:
        """Between two moments."""
        return Clock(self.wall - before.wall, self.cpu - before.cpu)


def write_split(directory: Path, side: str, images: int, size: int) -> Split:
    """Noise with a bright patch in every second image, as preprocess writes a split."""
    directory.mkdir()
    random = np.random.default_rng(len(side))
    shards: list[dict[str, Any]] = []
    for begin in range(0, images, dataset.SHARD_IMAGES):
        count = min(dataset.SHARD_IMAGES, images - begin)
        pictures = random.random((count, size, size), np.float32) * 0.5
        labels = (np.arange(count) % 2).astype(np.int8)
        pictures[labels == 1, : size // 3, : size // 3] += 0.4
        keys = np.array([f"{begin + number:032x}" for number in range(count)])
        columns = {"images": pictures, "labels": labels, "patient_keys": keys, "study_keys": keys, "image_keys": keys}
        shards.append(dataset.write_shard(directory, len(shards), columns))
    manifest = {
        "schema": names.DATASET_SCHEMA,
        "split": side,
        "image_size": size,
        "counts": {"normal": images - images // 2, "pneumonia": images // 2},
        "preparation": pixels.window_metadata(),
        "shards": shards,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return dataset.open_split(directory)


def measure(options: argparse.Namespace, sides: dict[str, Split], folder: Path) -> dict[str, Any]:
    """Every figure: images a second by way, the input pipeline alone, and the overhead over the plain loop."""
    precision = choose(options.precision)  # for all three ways
    epochs: dict[str, list[Clock]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in WAYS:
            say(f"round {number + 1} of {options.rounds}: {way}")
            epochs[way] += epoch_times(way, options, sides, folder / f"{number}-{len(epochs[way])}-{way[:4]}")
    walls = {way: [one.wall for one in took] for way, took in epochs.items()}
    middle = {way: statistics.median(seconds) for way, seconds in walls.items()}
    cpu = {way: statistics.median(one.cpu for one in took) for way, took in epochs.items()}
    pipeline = {
        "plain": pipeline_rate(sides["train"], options, "none"),
        "standard augmentation": pipeline_rate(sides["train"], options, "standard"),
    }
    return {
        "configuration": {
            **{name: value for name, value in vars(options).items() if name != "json"},
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
            "keras": keras.__version__,
            "policy": precision.policy,
            "gpus": precision.gpus,
        },
        "images_per_second": {way: round(options.images / seconds, 1) for way, seconds in middle.items()},
        "spread": {way: [round(min(s) / middle[way], 3), round(max(s) / middle[way], 3)] for way, s in walls.items()},
        "overhead": {way: round(middle[way] / middle[PLAIN] - 1, 4) for way in WAYS if way != PLAIN},
        "cpu_overhead": {way: round(cpu[way] / cpu[PLAIN] - 1, 4) for way in WAYS if way != PLAIN},
        "input_pipeline_images_per_second": pipeline,
        "input_pipeline_over_training": round(pipeline["plain"] * middle[PLAIN] / options.images, 1),
    }


def epoch_times(way: str, options: argparse.Namespace, sides: dict[str, Split], folder: Path) -> list[Clock]:
    """What each epoch after the first took."""
    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    ends: list[Clock] = []
    augmentation = WAYS[way]
    if augmentation is None:
        plain_loop(options, sides, ends)
    else:
        our_loop(options, sides, augmentation, folder, ends)
    return [after.since(before) for before, after in pairwise(ends)]


def plain_loop(options: argparse.Namespace, sides: dict[str, Split], ends: list[Clock]) -> None:
    """model.fit over arrays in memory."""
    model = build(options.backbone, options.image_size).model
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, weight_decay=train.WEIGHT_DECAY),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")],
    )
    arrays = {name: side.arrays() for name, side in sides.items()}
    pairs = {
        name: (columns["images"][..., None], columns["labels"][:, None].astype(np.float32))
        for name, columns in arrays.items()
    }
    model.fit(
        *pairs["train"],
        batch_size=options.batch_size,
        validation_data=pairs["validation"],
        validation_batch_size=options.batch_size,
        epochs=options.epochs + 1,
        class_weight=train.class_weights(sides["train"]),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_, **__: ends.append(Clock.now()))],
        verbose=0,
    )


class TimedStore(CheckpointStore):
    """A checkpoint store that remembers when each epoch was handed to it; it is written during the next."""

    def __init__(self, directory: Path, ends: list[Clock]) -> None:
        super().__init__(directory)
        self._ends = ends

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Store and note the time."""
        super().save(model, progress)
        self._ends.append(Clock.now())


def our_loop(
    options: argparse.Namespace, sides: dict[str, Split], augmentation: str, folder: Path, ends: list[Clock]
) -> None:
    """The pipeline's own training, from its shards."""
    config = train.TrainConfig(
        backbone=options.backbone,
        image_size=options.image_size,
        epochs=options.epochs + 1,
        batch_size=options.batch_size,
        learning_rate=1e-3,
        patience=options.epochs + 1,
        seed=1,
        augmentation=augmentation,
        precision=options.precision,
    )
    classifier = build(options.backbone, options.image_size)
    store, progress = TimedStore(folder, ends), Progress(json.dumps(asdict(config)))
    with contextlib.redirect_stdout(io.StringIO()):
        train.fit(train.Run(classifier, config, sides["train"], sides["validation"], store, progress))


def pipeline_rate(split: Split, options: argparse.Namespace, augmentation: str) -> float:
    """Images a second that the input pipeline delivers to nobody, after one pass that fills its cache."""
    batches, rates = TrainingBatches(split, options.batch_size, augmentation, 1), []
    for epoch in range(options.rounds + 1):
        begin, delivered = time.monotonic(), 0
        for images, _labels in batches.epoch(epoch):
            delivered += int(images.shape[0])
        rates.append(delivered / (time.monotonic() - begin))
    return round(statistics.median(rates[1:]), 1)


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    said = found["configuration"]
    lines = [
        f"{said['backbone']} at {said['image_size']} pixels, batch {said['batch_size']}, {said['images']} images "
        f"an epoch, {said['cores']} cores, load {said['load_average']}",
        f"{'':<30} {'images/s':>10} {'overhead':>9} {'of CPU':>9} {'epochs, of the median':>23}",
    ]
    for way, rate in found["images_per_second"].items():
        wall, cpu = (f"{found[name][way]:+.1%}" if way != PLAIN else "-" for name in ("overhead", "cpu_overhead"))
        least, most = found["spread"][way]
        lines.append(f"{way:<30} {rate:>10} {wall:>9} {cpu:>9} {f'{least:.2f} to {most:.2f}':>23}")
    for way, rate in found["input_pipeline_images_per_second"].items():
        lines.append(f"{f'input pipeline, {way}':<38} {rate:>10}")
    lines.append(f"The input pipeline delivers {found['input_pipeline_over_training']} times what training takes.")
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    """Progress, apart from the figures."""
    sys.stderr.write(f"{text}\n")
