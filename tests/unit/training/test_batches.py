"""What the tf.data pipelines decide without TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training.augment import STRENGTHS, strength_of
from training.batches import MIN_STEPS, TrainingBatches, passes_per_epoch, seed_of
from training.dataset import open_split
from training.failure import TrainingError
from training.names import AUGMENTATIONS


@pytest.mark.parametrize(
    ("images", "batch_size", "passes"),
    [(84, 16, 5), (MIN_STEPS * 16, 16, 1), (100_000, 32, 1), (1, 32, MIN_STEPS * 32)],
)
def test_a_tiny_split_is_passed_over_until_the_epoch_has_enough_steps(images: int, batch_size: int, passes: int):
    assert passes_per_epoch(images, batch_size) == passes
    assert passes * images >= min(images, MIN_STEPS * batch_size)


def test_only_the_training_split_is_ever_augmented(
    tmp_path: Path, split_writer: Callable[..., None], sides: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    split_writer(tmp_path / "test", "test", sides)
    with pytest.raises(TrainingError, match="belongs to the training split, not to test"):
        TrainingBatches(open_split(tmp_path / "test"), 4, "standard", 1)


def test_every_epoch_of_every_seed_has_a_seed_of_its_own():
    seeds = {seed_of(seed, epoch) for seed in range(20) for epoch in range(50)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(TrainingError, match="wild"):
        strength_of("wild")


def test_every_configurable_augmentation_has_a_strength():
    assert tuple(STRENGTHS) == AUGMENTATIONS
