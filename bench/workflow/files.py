"""Images of a load test: seeded, of three sizes, some of them sent twice."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

ROOT_UID = "1.2.826.0.1.3680043.8.498.9"


@dataclass(frozen=True, kw_only=True)
class SizeClass:
    """One kind of image: `side` x `side` pixels of 16 bits, `frames` of them; `share` of all files of a load test."""

    name: str
    side: int
    frames: int
    share: float = 0


CLASSES = (
    SizeClass(name="128 x 128, 32 KB", side=128, frames=1, share=0.50),
    SizeClass(name="512 x 512, 0.5 MB", side=512, frames=1, share=0.48),
    SizeClass(name="512 x 512 x 16, 8 MB", side=512, frames=16, share=0.02),
)
AGAIN = 0.02
"""Share of the files that are sent a second time, byte for byte."""
STUDY_SIZE = 50
_FRAMES_DRAWN = 16
"""Frames after these repeat them: drawing noise for hundreds would take longer than sending them."""


@dataclass(frozen=True)
class Sample:
    """A file to send; `again` marks the second copy of another one."""

    path: Path
    kind: SizeClass
    again: bool = False


def write_files(folder: Path, count: int, seed: int) -> list[Sample]:
    """Write the images and give what is to be sent, in a seeded order."""
    source = random.Random(seed)  # noqa: S311 - a reproducible corpus, nothing secret
    twice = round(count * AGAIN)
    distinct = count - twice
    kinds = [kind for kind in CLASSES for _ in range(round(distinct * kind.share))]
    kinds = (kinds + [CLASSES[0]] * distinct)[:distinct]
    samples = [Sample(write_file(folder, number, kind, seed), kind) for number, kind in enumerate(kinds)]
    samples += [Sample(one.path, one.kind, again=True) for one in source.sample(samples, twice)]
    source.shuffle(samples)
    return samples


def write_file(folder: Path, number: int, kind: SizeClass, seed: int) -> Path:
    """Write one image, unless it is there; each `STUDY_SIZE` numbers are a study."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seed}-{number:05d}.dcm"
    if path.exists():
        return path
    study = number // STUDY_SIZE
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = CTImageStorage if kind.frames == 1 else EnhancedCTImageStorage
    image.SOPInstanceUID = f"{ROOT_UID}.{seed}.3.{number}"
    image.StudyInstanceUID = f"{ROOT_UID}.{seed}.1.{study}"
    image.SeriesInstanceUID = f"{ROOT_UID}.{seed}.2.{study}.{kind.side}.{kind.frames}"
    image.PatientID, image.PatientName = f"LOAD{seed}-{study}", f"Load^Study{study}"
    image.StudyDate, image.Modality, image.ImageType = "20250309", "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Rows = image.Columns = kind.side
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleIntercept, image.RescaleSlope, image.InstanceNumber = -1024, 1, number + 1
    if kind.frames > 1:
        image.NumberOfFrames = kind.frames
    image.PixelData = _pixels(kind, np.random.default_rng([seed, number])).tobytes()
    image["PixelData"].VR = "OW"
    image.save_as(path, enforce_file_format=True)
    return path


def _pixels(kind: SizeClass, source: np.random.Generator) -> NDArray[np.uint16]:
    """A smooth body with noise: it compresses about as tissue does, and spells no text."""
    drawn = min(kind.frames, _FRAMES_DRAWN)
    axis = np.linspace(-1, 1, kind.side)
    body = 1000 * np.clip(1.2 - axis[:, None] ** 2 - axis[None, :] ** 2, 0, 1)
    noisy = body + source.normal(0, 25, (drawn, kind.side, kind.side))
    return np.resize(np.clip(noisy, 0, 4095).astype(np.uint16), (kind.frames, kind.side, kind.side))
