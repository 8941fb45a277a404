"""Pneumonia as paint: foci of consolidation with a ground-glass halo, inside one lobe (Fleischner glossary terms).

Consolidation replaces air: attenuation comes near that of soft tissue (-100 to 60 HU) while air bronchograms stay
dark. Ground glass raises attenuation and leaves vessels visible. Borders are soft and ragged; a lobe's fissure and
the pleura end a focus sharply, as they do in lobar pneumonia.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from local.cohort.anatomy import LOBES, OWN_NODULE_SLICES, SPACING_MM, Anatomy

_LOBE_WEIGHT: Final = {10: 0.15, 11: 0.28, 12: 0.15, 13: 0.12, 14: 0.30}
"""Lower lobes are hit most often; normals draw their slices by the same weights."""
_SMALLEST_LOBE_PIXELS: Final = 1500
_LATTICE: Final = 24
_VISIBLE: Final = 0.5


@dataclass(frozen=True)
class Site:
    """Where a patient's slices are taken: a lobe and a voxel in it (slice, row, column)."""

    lobe: int
    centre: tuple[int, int, int]


@dataclass(frozen=True)
class Focus:
    """One focus: centre in anatomy voxels (slice, row, column), radii in mm along the same axes, and its makeup.

    Attributes:
        density: how much air the core replaces, 0 to 1.
        halo: the same for the ground glass around it.
        attenuation: HU of the consolidated core.
        lattices: random numbers whose smooth interpolation roughens border and texture.
    """

    lobe: int
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    density: float
    halo: float
    attenuation: float
    lattices: NDArray[np.float32]


def draw_site(anatomy: Anatomy, rng: np.random.Generator, slices: int) -> Site:
    """A lobe and a place in it where `slices` neighbouring slices all show enough of the lobe.

    Slices through the subject's own nodule are left out for everybody.
    """
    half = (slices + 1) // 2 + 1
    lobe = int(rng.choice(list(_LOBE_WEIGHT), p=list(_LOBE_WEIGHT.values())))
    areas = anatomy.areas[lobe]
    low, high = OWN_NODULE_SLICES
    candidates = [
        index
        for index in range(half, len(areas) - half)
        if areas[index - half : index + half + 1].min() >= _SMALLEST_LOBE_PIXELS
        and (index + half < low or index - half > high)
    ]
    if not candidates:
        return draw_site(anatomy, rng, slices)
    index = int(rng.choice(candidates))
    rows, columns = np.nonzero(ndimage.binary_erosion(anatomy.lobes[index] == lobe, iterations=10))
    if not len(rows):
        rows, columns = np.nonzero(anatomy.lobes[index] == lobe)
    chosen = int(rng.integers(len(rows)))
    return Site(lobe, (index, int(rows[chosen]), int(columns[chosen])))


def draw_foci(anatomy: Anatomy, site: Site, rng: np.random.Generator, slices: int) -> list[Focus]:
    """One to three foci; the first is at the site and tall enough to be met by every slice that is written."""
    reach = slices * SPACING_MM[2]
    foci = [_draw_focus(site.lobe, site.centre, rng, largest=1.0, reach=reach)]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))):
        slice_index = site.centre[0] + int(rng.integers(-2, 3))
        in_lungs = anatomy.lobes[slice_index]
        lobe = site.lobe if rng.random() < 0.5 else int(rng.choice(list(LOBES)))
        rows, columns = np.nonzero(in_lungs == lobe)
        if len(rows):
            chosen = int(rng.integers(len(rows)))
            centre = (slice_index, int(rows[chosen]), int(columns[chosen]))
            foci.append(_draw_focus(lobe, centre, rng, largest=0.7, reach=0))
    return foci


def _draw_focus(
    lobe: int, centre: tuple[int, int, int], rng: np.random.Generator, *, largest: float, reach: float
) -> Focus:
    height, depth, width = rng.uniform(16, 38, 3) * largest
    return Focus(
        lobe=lobe,
        centre=centre,
        radii=(max(height, 1.3 * reach), depth, width),
        density=float(rng.uniform(0.82, 0.97)),
        halo=float(rng.uniform(0.2, 0.45)),
        attenuation=float(rng.uniform(-40, 35)),
        lattices=rng.normal(0, 1, (3, _LATTICE, _LATTICE, _LATTICE)).astype(np.float32),
    )


def _roughness(lattice: NDArray[np.float32], mm: NDArray[np.float32], period: float) -> NDArray[np.float32]:
    """Smooth noise at positions (3, n) in mm, about unit variance, one random number every `period` mm."""
    noise = ndimage.map_coordinates(lattice, mm / period + _LATTICE / 2, order=3, mode="grid-wrap")
    return np.asarray(noise * 1.5, np.float32)


def paint(
    image: NDArray[np.float32], lobes: NDArray[np.uint8], where: NDArray[np.float32], foci: list[Focus]
) -> tuple[NDArray[np.float32], float]:
    """The slice with its foci, and the area in mm2 that is clearly consolidated.

    Args:
        image: (512, 512) float32 HU.
        lobes: (512, 512) lobe numbers.
        where: (3, 512, 512) anatomy positions of the pixels.
        foci: what to paint.
    """
    painted = image.copy()
    consolidated = np.zeros(image.shape, bool)
    airways = ndimage.gaussian_filter(image, 0.8) < -965
    spacing = np.array(SPACING_MM[::-1], np.float32)
    for focus in foci:
        mm = (where - np.array(focus.centre, np.float32)[:, None, None]) * spacing[:, None, None]
        relative = mm / np.array(focus.radii, np.float32)[:, None, None]
        box = np.sqrt((relative**2).sum(axis=0)) < 2.2
        if not box.any():
            continue
        room = ndimage.gaussian_filter(
            ndimage.binary_dilation(lobes == focus.lobe, iterations=2).astype(np.float32), 1.0
        )[box]
        inside = mm[:, box]
        share, texture = _share(focus, inside, relative[:, box])
        share *= room * np.where(airways[box], 0.12, 1.0)
        target = focus.attenuation + 22 * texture
        before = painted[box]
        painted[box] = np.where(before < target, before + share * (target - before), before)
        consolidated[box] |= (share > _VISIBLE) & (before < -300)
    return painted, float(np.count_nonzero(consolidated)) * SPACING_MM[0] * SPACING_MM[1]


def _share(
    focus: Focus, inside: NDArray[np.float32], relative: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Part of the air replaced (0 to 1), and the texture of the consolidation, at positions (3, n)."""
    coarse = _roughness(focus.lattices[0], inside, 11.0)
    fine = _roughness(focus.lattices[1], inside, 4.0)
    texture = _roughness(focus.lattices[2], inside, 2.5)
    distance = np.sqrt((relative**2).sum(axis=0)) + 0.16 * coarse + 0.09 * fine
    core = focus.density / (1 + np.exp(-(0.85 - distance) / 0.08))
    core *= np.clip(1 - 0.05 * np.maximum(fine + 0.4, 0), 0, 1)
    halo = focus.halo * (1 + 0.25 * texture) / (1 + np.exp(-(1.25 - distance) / 0.12))
    return np.clip(np.maximum(core, halo), 0, 1), texture
