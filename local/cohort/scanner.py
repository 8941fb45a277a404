"""Invented scanners: what a device does to the image, and how it writes it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """One device with one protocol.

    Attributes:
        kernel, sharpness: name of the reconstruction kernel; below 0 it smooths, above it sharpens.
        noise: standard deviation in HU, and its grain in pixels.
        signed, bits, intercept: pixel representation, bits stored and rescale intercept that this maker writes.
        kvp, current: kV and mA.
    """

    manufacturer: str
    model: str
    software: str
    station: str
    kernel: str
    sharpness: float
    noise: float
    grain: float
    signed: bool
    bits: int
    intercept: int
    kvp: int
    current: int


SCANNERS: Final = (
    Scanner(
        manufacturer="GE MEDICAL SYSTEMS",
        model="Revolution CT",
        software="revo_ct_21b.33",
        station="CTREVO1",
        kernel="STANDARD",
        sharpness=0.0,
        noise=11,
        grain=0.7,
        signed=True,
        bits=16,
        intercept=-1024,
        kvp=120,
        current=220,
    ),
    Scanner(
        manufacturer="GE MEDICAL SYSTEMS",
        model="LightSpeed VCT",
        software="gmp_vct.42",
        station="CTVCT02",
        kernel="LUNG",
        sharpness=0.9,
        noise=24,
        grain=0.4,
        signed=True,
        bits=16,
        intercept=-1024,
        kvp=120,
        current=180,
    ),
    Scanner(
        manufacturer="SIEMENS",
        model="SOMATOM Definition AS+",
        software="syngo CT VA48A",
        station="CTAWP73",
        kernel="B31f",
        sharpness=-0.5,
        noise=9,
        grain=0.8,
        signed=False,
        bits=12,
        intercept=-1024,
        kvp=100,
        current=160,
    ),
    Scanner(
        manufacturer="SIEMENS",
        model="SOMATOM Force",
        software="syngo CT VB20A",
        station="CTFORCE9",
        kernel="B60f",
        sharpness=0.7,
        noise=20,
        grain=0.4,
        signed=False,
        bits=12,
        intercept=-1024,
        kvp=110,
        current=140,
    ),
    Scanner(
        manufacturer="Philips",
        model="iCT 256",
        software="4.1.10",
        station="PHICT4",
        kernel="B",
        sharpness=-0.3,
        noise=13,
        grain=0.6,
        signed=False,
        bits=12,
        intercept=-1024,
        kvp=120,
        current=200,
    ),
    Scanner(
        manufacturer="TOSHIBA",
        model="Aquilion ONE",
        software="V6.00ER002",
        station="AQONE3",
        kernel="FC08",
        sharpness=0.2,
        noise=16,
        grain=0.6,
        signed=True,
        bits=16,
        intercept=0,
        kvp=120,
        current=190,
    ),
)


def reconstruct(image: NDArray[np.float32], scanner: Scanner, rng: np.random.Generator) -> NDArray[np.int16]:
    """The slice as this scanner would show it: kernel, correlated noise, calibration drift; int16 HU.

    Drift is up to 1.5 % and 8 HU, the tolerance of daily quality control. Outside the body nothing is clipped away
    but the limits of 12 bits, -1024 to 3071 HU.
    """
    if scanner.sharpness > 0:
        shaped = image + scanner.sharpness * (image - ndimage.gaussian_filter(image, 1.0))
    else:
        shaped = ndimage.gaussian_filter(image, -scanner.sharpness)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, image.shape).astype(np.float32), scanner.grain)
    noise = scanner.noise * float(rng.uniform(0.75, 1.35)) * grain / float(grain.std())
    gain, offset = float(rng.uniform(0.985, 1.015)), float(rng.uniform(-8, 8))
    drifted = (shaped + 1000) * gain - 1000 + offset + noise
    return np.clip(np.rint(drifted), -1024, 3071).astype(np.int16)
