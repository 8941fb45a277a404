"""Warps keep a chest a chest and differ between patients."""

import numpy as np

from local.cohort.anatomy import Anatomy
from local.cohort.warp import Warp, coordinates, draw_warp, sample

STILL = Warp(scale=(1, 1, 1), rotation=0, shift=(0, 0), tilt=(0, 0), control=np.zeros((3, 7, 7)))


def test_no_warp_is_the_anatomy_itself(phantom: Anatomy) -> None:
    image, lobes = sample(phantom, coordinates(STILL, 30.0, 1.0))
    assert np.allclose(image, phantom.hounsfield[31] - 1024.0, atol=1e-2)
    assert np.array_equal(lobes, phantom.lobes[31])


def test_shift_moves_the_patient_and_outside_is_air(phantom: Anatomy) -> None:
    moved = Warp(scale=(1, 1, 1), rotation=0, shift=(70.3125, 0), tilt=(0, 0), control=np.zeros((3, 7, 7)))
    image, lobes = sample(phantom, coordinates(moved, 30.0, 0.0))
    assert np.allclose(image[:, 100:], phantom.hounsfield[30, :, :412] - 1024.0, atol=1)
    assert (image[:, :99] == -1024).all()
    assert (lobes[:, :99] == 0).all()


def test_warps_are_smooth_and_each_patient_has_its_own(phantom: Anatomy) -> None:
    first, second = (coordinates(draw_warp(np.random.default_rng(seed)), 30.0, 0.0) for seed in (1, 2))
    assert np.abs(first - second).max() > 5
    for where in (first, second):
        assert np.diff(where[2], axis=1).min() > 0.5, "columns never fold over"
        assert np.diff(where[1], axis=0).min() > 0.5, "rows never fold over"


def test_slices_past_the_ends_are_air_not_an_error(phantom: Anatomy) -> None:
    image, _ = sample(phantom, coordinates(STILL, 59.0, 0.0))
    assert image.shape == (512, 512)
