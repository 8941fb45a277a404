"""Augmentation of training batches: rotation, zoom, shift, mirror, intensity and noise, in one resampling.

One affine transform per image instead of a chain of layers: every resampling blurs, and a network that has only seen
blurred images misjudges the sharp ones it is tested on. For the same reason a share of the images stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from training.failure import TrainingError
from training.pixels import AIR


@dataclass(frozen=True)
class Strength:
    """Largest changes, each drawn evenly from both directions.

    Attributes:
        rotation: share of a full turn; zoom: share of the size; shift: share of the edge.
        gain: share by which values are multiplied; offset, noise: in window units (0..1 is 1500 HU).
        untouched: share of the images that keep their geometry (but for the mirror).
    """

    rotation: float
    zoom: float
    shift: float
    gain: float
    offset: float
    noise: float
    untouched: float


STRENGTHS: dict[str, Strength | None] = {
    "none": None,
    "light": Strength(0.0, 0.0, 0.0, gain=0.02, offset=0.02, noise=0.01, untouched=1.0),
    "standard": Strength(0.05, 0.12, 0.08, gain=0.06, offset=0.04, noise=0.02, untouched=0.3),
}


def strength_of(augmentation: str) -> Strength | None:
    """The strength by its configured name, None for none.

    Raises:
        TrainingError: an unknown name.
    """
    if augmentation not in STRENGTHS:
        raise TrainingError(f"the augmentation {augmentation!r} is unknown; known are {', '.join(STRENGTHS)}")
    return STRENGTHS[augmentation]


class _Draws:
    """Random numbers that depend on the seed and on how many were drawn before, not on which thread asks first."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._drawn = 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Any:
        """Evenly from low to high."""
        import tensorflow as tf

        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def normal(self, shape: Any) -> Any:
        """Standard normal."""
        import tensorflow as tf

        return tf.random.stateless_normal(shape, self._next())

    def _next(self) -> Any:
        import tensorflow as tf

        self._drawn += 1
        return tf.random.fold_in(self._seed, self._drawn)


def augmented(images: Any, strength: Strength, seed: Any) -> Any:
    """Altered copies of a batch, the same for the same seed; for use inside tf.data.

    Args:
        images: (B, S, S, 1) float32 0..1, in and out.
        seed: (2,) int32, another one for every batch.
    """
    import tensorflow as tf

    draws = _Draws(seed)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=_transforms(tf.shape(images)[0], images.shape[1], strength, draws),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=AIR,
    )
    per_image: Any = (tf.shape(images)[0], 1, 1, 1)
    gain = 1.0 + draws.uniform(per_image, -strength.gain, strength.gain)
    offset = draws.uniform(per_image, -strength.offset, strength.offset)
    noise = draws.normal(tf.shape(images)) * draws.uniform(per_image, 0.0, strength.noise)
    return tf.clip_by_value(moved * gain + offset + noise, 0.0, 1.0)


def _transforms(count: Any, size: int, strength: Strength, draws: _Draws) -> Any:
    """Output to input coordinates, a0 a1 a2 b0 b1 b2 0 0: x' = a0 x + a1 y + a2, about the centre. # (B, 8)"""
    import tensorflow as tf

    moves = tf.cast(draws.uniform((count,)) >= strength.untouched, tf.float32)

    def drawn(limit: float) -> Any:
        return moves * draws.uniform((count,), -limit, limit)

    angle, zoom = 2.0 * math.pi * drawn(strength.rotation), 1.0 + drawn(strength.zoom)
    mirror = tf.where(draws.uniform((count,)) < 0.5, -1.0, 1.0)
    a0, a1 = zoom * tf.cos(angle) * mirror, -zoom * tf.sin(angle)
    b0, b1 = zoom * tf.sin(angle) * mirror, zoom * tf.cos(angle)
    centre = (size - 1) / 2
    a2 = centre - centre * (a0 + a1) + size * drawn(strength.shift)
    b2 = centre - centre * (b0 + b1) + size * drawn(strength.shift)
    zero = tf.zeros((count,))
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
