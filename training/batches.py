"""tf.data pipelines over the shards; augmentation is for the training split alone."""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from training.augment import augmented, strength_of
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


def _examples(split: Split, seed: int, *, shuffle: bool) -> tf.data.Dataset:
    import tensorflow as tf

    size = split.image_size

    def open_shard(path: Any) -> tf.data.Dataset:
        images, labels = tf.numpy_function(_load_shard, [path], (tf.float32, tf.float32))
        images.set_shape((None, size, size, 1))
        labels.set_shape((None, 1))
        return tf.data.Dataset.from_tensor_slices((images, labels))

    paths = tf.data.Dataset.from_tensor_slices([str(path) for path in split.shards])
    fits = split.images * size * size * 4 <= CACHE_LIMIT_BYTES
    if fits:
        examples = paths.flat_map(open_shard).cache()
        return examples.shuffle(split.images, seed=seed) if shuffle else examples
    if shuffle:
        paths = paths.shuffle(len(split.shards), seed=seed)
    examples = paths.interleave(open_shard, cycle_length=4 if shuffle else 1)
    return examples.shuffle(4 * SHARD_IMAGES, seed=seed) if shuffle else examples


def training_batches(split: Split, batch_size: int, augmentation: str, seed: int) -> tf.data.Dataset:
    """Shuffled and augmented batches, another order and other variants every epoch. # (B, S, S, 1), (B, 1)"""
    import tensorflow as tf

    if split.name != "train":
        raise TrainingError(f"augmentation belongs to the training split, not to {split.name}")
    examples = _examples(split, seed, shuffle=True).repeat(passes_per_epoch(split.images, batch_size))
    batches = examples.batch(batch_size)
    strength = strength_of(augmentation)
    if strength is not None:
        batches = batches.map(
            lambda images, labels: (augmented(images, strength), labels), num_parallel_calls=tf.data.AUTOTUNE
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def plain_batches(split: Split, batch_size: int) -> tf.data.Dataset:
    """Batches in the shards' order, untouched. # (B, S, S, 1), (B, 1)"""
    import tensorflow as tf

    return _examples(split, 0, shuffle=False).batch(batch_size).prefetch(tf.data.AUTOTUNE)
