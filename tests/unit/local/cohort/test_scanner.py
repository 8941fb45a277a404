"""Scanners differ in noise and sharpness and stay within twelve bits."""

import numpy as np
import pytest

from local.cohort.scanner import SCANNERS, reconstruct


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: f"{scanner.model}-{scanner.kernel}")
def test_reconstruction_keeps_tissue_and_adds_noise(scanner) -> None:
    flat = np.full((128, 128), 40.0, np.float32)
    image = reconstruct(flat, scanner, np.random.default_rng(2))
    assert image.dtype == np.int16
    assert abs(float(image.mean()) - 40) < 30, "drift is at most 1.5 % and 8 HU"
    assert 0.5 * scanner.noise < float(image.std()) < 2 * scanner.noise
    extremes = reconstruct(flat * 1000, scanner, np.random.default_rng(2))
    assert extremes.max() <= 3071


def test_kernels_differ_in_sharpness() -> None:
    edge = np.where(np.arange(128)[None, :] < 64, -800.0, 40.0).repeat(128, axis=0).astype(np.float32)
    steep = {
        scanner.kernel: float(np.abs(np.diff(reconstruct(edge, scanner, np.random.default_rng(0)).mean(axis=0))).max())
        for scanner in SCANNERS
    }
    assert steep["LUNG"] > 1.15 * steep["B31f"]
