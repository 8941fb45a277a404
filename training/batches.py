"""tf.data pipelines over the shards; augmentation is for the training split alone."""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from training.augment import augmented, strength_of
from training.cluster import ALONE, Machines
from training.dataset import SHARD_IMAGES, Split
from training.failure import TrainingError

if TYPE_CHECKING:
    import tensorflow as tf

CACHE_LIMIT_BYTES = 2 * 1024**3
"""A split up to this size is kept in memory after the first epoch."""
MIN_STEPS = 24
"""Optimizer steps that an epoch has at least: a tiny split is passed over several times, every time augmented anew,
so that an epoch (its checkpoint, its validation, its share of the patience) stands for some learning."""


def passes_per_epoch(images: int, batch_size: int) -> int:
    """How often an epoch goes over the training split: 1 unless the split is tiny."""
    return max(1, math.ceil(MIN_STEPS * batch_size / images))


def _load_shard(path: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path.decode(), allow_pickle=False) as content:
        return content["images"][..., None], content["labels"].astype(np.float32)[:, None]  # (N, S, S, 1), (N, 1)


def _examples(split: Split, shuffle_seed: int | None = None) -> tf.data.Dataset:
    """Image by image; a split that is too large to be kept is shuffled by its shards first."""
    import tensorflow as tf

    size = split.image_size

    def open_shard(path: Any) -> tf.data.Dataset:
        images, labels = tf.numpy_function(_load_shard, [path], (tf.float32, tf.float32))
        images.set_shape((None, size, size, 1))
        labels.set_shape((None, 1))
        return tf.data.Dataset.from_tensor_slices((images, labels))

    paths = tf.data.Dataset.from_tensor_slices([str(path) for path in split.shards])
    if shuffle_seed is None:
        return paths.flat_map(open_shard)
    return paths.shuffle(len(split.shards), seed=shuffle_seed).interleave(open_shard, cycle_length=4)


def _fits(split: Split) -> bool:
    return split.images * split.image_size**2 * 4 <= CACHE_LIMIT_BYTES


def seed_of(*parts: int) -> int:
    """One seed from several numbers, 0 to 2**31 - 1; neighbours have nothing in common."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0]) & 0x7FFFFFFF


class TrainingBatches:
    """Shuffled and augmented batches, another order and other variants every epoch. # (B, S, S, 1), (B, 1)

    Seed and epoch alone decide about both: a job that is resumed at an epoch sees what it would have seen. Of several
    machines each gets its rows of the same batches, augmented by draws of its own.
    """

    def __init__(self, split: Split, batch_size: int, augmentation: str, seed: int, machines: Machines = ALONE) -> None:
        if split.name != "train":
            raise TrainingError(f"augmentation belongs to the training split, not to {split.name}")
        if batch_size < machines.count:
            raise TrainingError(f"a batch of {batch_size} images has none for each of {machines.count} machines")
        self._machines = machines
        self._split = split
        self._batch_size = batch_size
        self._strength = strength_of(augmentation)
        self._seed = seed
        # made once: what is derived from a cached data set shares its cache
        self._kept = _examples(split).cache() if _fits(split) else None

    def epoch(self, number: int) -> tf.data.Dataset:
        """The batches of an epoch; the first is number 0."""
        import tensorflow as tf

        seed = seed_of(self._seed, number)
        if self._kept is not None:
            examples = self._kept.shuffle(self._split.images, seed=seed)
        else:
            examples = _examples(self._split, seed).shuffle(4 * SHARD_IMAGES, seed=seed)
        passes = passes_per_epoch(self._split.images, self._batch_size)
        examples = examples.repeat(passes)
        batches = examples.batch(self._batch_size)
        total, index, count = passes * self._split.images, self._machines.index, self._machines.count
        if count > 1:
            if total % self._batch_size < count:  # too few for all: they wait for an epoch with another order
                total -= total % self._batch_size
                batches = batches.take(total // self._batch_size)
            batches = batches.map(lambda images, labels: (images[index::count], labels[index::count]))
            seed = seed_of(seed, index) if index else seed
        strength = self._strength
        if strength is not None:
            batches = batches.enumerate().map(
                lambda index, batch: (
                    augmented(batch[0], strength, tf.stack([seed, tf.cast(index, tf.int32)])),
                    batch[1],
                ),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        return _counted(batches, total, self._batch_size)


def plain_batches(split: Split, batch_size: int, machines: Machines = ALONE) -> tf.data.Dataset:
    """Batches in the shards' order, untouched, kept in memory where they fit. # (B, S, S, 1), (B, 1)

    Of several machines each gets its share of the images: every image once.
    """
    if split.images < machines.count:
        raise TrainingError(f"{split.name} has {split.images} images, and {machines.count} machines need one each")
    examples = _examples(split)
    if machines.count > 1:
        examples = examples.shard(machines.count, machines.index)
    batches = (examples.cache() if _fits(split) else examples).batch(batch_size)
    return _counted(batches, len(range(machines.index, split.images, machines.count)), batch_size)


def _counted(batches: tf.data.Dataset, images: int, batch_size: int) -> tf.data.Dataset:
    """Say how many there are: Keras finds an unknown end with a step that fails, yet decays the weights."""
    import tensorflow as tf

    exact = tf.data.experimental.assert_cardinality(math.ceil(images / batch_size))
    return batches.apply(exact).prefetch(tf.data.AUTOTUNE)
