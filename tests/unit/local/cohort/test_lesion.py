"""Lesions stay in their lobe, look like consolidation, and leave bone, vessels and airways alone."""

import numpy as np
import pytest
from scipy import ndimage

from local.cohort.anatomy import OWN_NODULE_SLICES, Anatomy
from local.cohort.lesion import draw_foci, draw_site, paint
from local.cohort.warp import coordinates, draw_warp, sample


def _painted(phantom: Anatomy, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, set[int]]:
    rng = np.random.default_rng(seed)
    warp, site = draw_warp(rng), draw_site(phantom, rng, 3)
    foci = draw_foci(phantom, site, rng, 3)
    where = coordinates(warp, float(site.centre[0]), 0.0)
    image, lobes = sample(phantom, where)
    image = image + rng.normal(0, 20, image.shape).astype(np.float32)
    painted, area = paint(image, lobes, where, foci)
    return image, painted, lobes, area, {focus.lobe for focus in foci}


@pytest.mark.parametrize("seed", range(5))
def test_lesions_fill_air_inside_their_lobes(phantom: Anatomy, seed: int) -> None:
    image, painted, lobes, area, hit = _painted(phantom, seed)
    changed = painted - image > 150
    assert changed.any()
    in_lung = np.isin(lobes, list(hit))
    near = ndimage.binary_dilation(in_lung, iterations=6)
    assert near[changed].all(), "the fissure ends a focus, softly"
    assert np.count_nonzero(changed & in_lung) > 0.8 * np.count_nonzero(changed)
    assert np.array_equal(painted[image > 150], image[image > 150]), "bone stays"
    assert area > 0
    dense = painted[(painted - image > 500) & in_lung]
    assert -250 < np.median(dense) < 60, "consolidation is near soft tissue"


def test_ground_glass_surrounds_the_core(phantom: Anatomy) -> None:
    image, painted, _, _, _ = _painted(phantom, 1)
    gain = painted - image
    ground_glass = np.count_nonzero((gain > 80) & (gain < 450))
    assert ground_glass > 0.3 * np.count_nonzero(gain > 450)


@pytest.mark.parametrize("slices", [1, 3, 9])
def test_sites_show_their_lobe_and_avoid_the_subjects_own_nodule(phantom: Anatomy, slices: int) -> None:
    tall = Anatomy(
        hounsfield=phantom.hounsfield[:1].repeat(133, axis=0),
        lobes=phantom.lobes[:1].repeat(133, axis=0),
        origin_mm=phantom.origin_mm,
    )
    rng = np.random.default_rng(0)
    for _ in range(12):
        site = draw_site(tall, rng, slices)
        index, row, column = site.centre
        assert tall.lobes[index, row, column] == site.lobe
        low, high = OWN_NODULE_SLICES
        assert index + slices / 2 < low or index - slices / 2 > high
