"""How one patient differs from the anatomy: size, pose, and a smooth warp; all lengths in mm."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from local.cohort.anatomy import SPACING_MM, Anatomy

SIZE: Final = 512
_CONTROL: Final = 7
_AIR: Final = 0


@dataclass(frozen=True, kw_only=True)
class Warp:
    """A patient's map from image position to anatomy position.

    Attributes:
        scale: size of the patient against the anatomy, left-right and front-back and head-foot.
        rotation: about the body axis, radians.
        shift: of the table, left and posterior, mm.
        tilt: slope of the slices against the anatomy's, along columns and rows.
        control: (3, 7, 7) displacement at cubic B-spline control points: columns, rows, slices, mm.
    """

    scale: tuple[float, float, float]
    rotation: float
    shift: tuple[float, float]
    tilt: tuple[float, float]
    control: NDArray[np.float64]


def draw_warp(rng: np.random.Generator) -> Warp:
    """A warp that keeps the chest plausible: up to 12 % in size, 7 degrees, 15 mm, and 9 mm of smooth bending."""
    width, height, length = rng.uniform(0.86, 1.08), rng.uniform(0.86, 1.08), rng.uniform(0.9, 1.1)
    control = rng.normal(0.0, 1.0, (3, _CONTROL, _CONTROL)) * np.array([5.0, 5.0, 2.5])[:, None, None]
    return Warp(
        scale=(width, height, length),
        rotation=float(np.deg2rad(rng.uniform(-7, 7))),
        shift=(float(rng.uniform(-15, 15)), float(rng.uniform(-15, 15))),
        tilt=(float(rng.uniform(-0.03, 0.03)), float(rng.uniform(-0.03, 0.03))),
        control=np.clip(control, -9.0, 9.0),
    )


def _basis() -> NDArray[np.float64]:
    """(512, 7) weights of uniform cubic B-splines along one axis."""
    position = np.linspace(0, _CONTROL - 3 - 1e-9, SIZE)
    distance = np.abs(position[:, None] + 1 - np.arange(_CONTROL)[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far)


_BASIS: Final = _basis()
_AXIS: Final = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING_MM[0]


def coordinates(warp: Warp, centre_slice: float, offset: float) -> NDArray[np.float32]:
    """(3, 512, 512) anatomy voxel positions (slice, row, column) of an image slice `offset` slices from the centre."""
    # two products of one axis each, without BLAS: its threads would fight over the cores with the other processes
    bend = np.einsum("krj,cj->krc", np.einsum("ri,kij->krj", _BASIS, warp.control), _BASIS)
    x = (_AXIS - warp.shift[0])[None, :]
    y = (_AXIS - warp.shift[1])[:, None]
    cosine, sine = np.cos(warp.rotation), np.sin(warp.rotation)
    column = (cosine * x + sine * y) / warp.scale[0] + bend[0]
    row = (-sine * x + cosine * y) / warp.scale[1] + bend[1]
    depth = offset * SPACING_MM[2] / warp.scale[2] + warp.tilt[0] * x + warp.tilt[1] * y + bend[2]
    middle = (SIZE - 1) / 2
    return np.stack(
        (centre_slice + depth / SPACING_MM[2], middle + row / SPACING_MM[1], middle + column / SPACING_MM[0])
    ).astype(np.float32)


def sample(anatomy: Anatomy, where: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """HU (float32) and lobe numbers at these positions, both (512, 512); outside the anatomy is air.

    Only the slab of slices that the positions touch is read.
    """
    low = max(int(where[0].min()), 0)
    high = min(int(where[0].max()) + 2, anatomy.hounsfield.shape[0])
    local = where - np.array([low, 0, 0], np.float32)[:, None, None]
    raw = ndimage.map_coordinates(
        anatomy.hounsfield[low:high], local, output=np.float32, order=1, mode="constant", cval=_AIR
    )
    index = np.rint(local).astype(np.int32)
    inside = np.logical_and.reduce(
        [(index[axis] >= 0) & (index[axis] < size) for axis, size in enumerate((high - low, SIZE, SIZE))]
    )
    clipped = np.clip(index, 0, np.array([high - low - 1, SIZE - 1, SIZE - 1])[:, None, None])
    lobes = np.where(inside, anatomy.lobes[low:high][clipped[0], clipped[1], clipped[2]], 0).astype(np.uint8)
    return np.asarray(raw - 1024.0, np.float32), lobes
