"""A small stand-in for the chest CT, built in code: the cohort's own rules are tested, not the download."""

import numpy as np
import pytest

from local.cohort.anatomy import Anatomy

SLICES = 60


@pytest.fixture(scope="session")
def phantom() -> Anatomy:
    """A body with two lungs of five lobes; HU + 1024, in the orientation that `Anatomy` promises."""
    rows, columns = np.mgrid[0:512, 0:512]
    body = ((rows - 256) / 170) ** 2 + ((columns - 256) / 220) ** 2 < 1
    right = ((rows - 256) / 120) ** 2 + ((columns - 160) / 75) ** 2 < 1
    left = ((rows - 256) / 120) ** 2 + ((columns - 352) / 75) ** 2 < 1
    plane = np.where(body, 1064, 0).astype(np.int16)
    plane[right | left] = 174
    volume = np.repeat(plane[None], SLICES, axis=0)
    lobes = np.zeros(volume.shape, np.uint8)
    back = rows >= 256
    lobes[:, right & back], lobes[:, left & back] = 14, 11
    lobes[: SLICES // 2, right & ~back], lobes[SLICES // 2 :, right & ~back] = 13, 12
    lobes[:, left & ~back] = 10
    return Anatomy(hounsfield=volume, lobes=lobes, origin_mm=(-180.0, -180.0, -300.0))
