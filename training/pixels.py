"""From a DICOM CT slice to the model's input: HU, lung window, square, 0..1 (numpy; pydicom where bytes are read).

One module for training and for serving (it travels inside the model artifact): the same bytes give the same pixels.
"""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MODALITY = "CT"
WINDOW_CENTER_HU = -600.0
WINDOW_WIDTH_HU = 1500.0
"""The usual lung window: -1350 HU becomes 0, +150 HU becomes 1."""
AIR = (-1000.0 - (WINDOW_CENTER_HU - WINDOW_WIDTH_HU / 2)) / WINDOW_WIDTH_HU
"""Air (-1000 HU) in window units: what lies outside the image, when it is padded, turned or moved."""
MIN_EDGE_PIXELS = 64
"""A smaller image is a scout thumbnail or a broken one, not a diagnostic slice."""
MIN_SPREAD = 0.02
"""Standard deviation, in window units, under which an image shows nothing (air, or a blank frame)."""


class UnusableImageError(ValueError):
    """An image that must not be trained or judged on; `code` is counted in the manifest."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def from_dicom(content: bytes, image_size: int) -> np.ndarray:
    """The model's input of one single-frame CT image. # (image_size, image_size) float32 0..1

    Raises:
        UnusableImageError: codes unreadable, wrong-modality, multi-frame, missing-rescale, too-small, not-finite,
            constant.
    """
    return prepare(load(content), image_size)


def load(content: bytes) -> Dataset:
    """The DICOM object. Raises UnusableImageError with the code unreadable."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(io.BytesIO(content))
    except (InvalidDicomError, EOFError, ValueError) as error:
        raise UnusableImageError("unreadable", "the object is no DICOM file") from error


def prepare(dataset: Dataset, image_size: int) -> np.ndarray:
    """As `from_dicom`, of an object that was read. # (image_size, image_size) float32 0..1"""
    hounsfield = hounsfield_units(dataset)
    return square(check_quality(hounsfield), image_size)


def digest(dataset: Dataset) -> str:
    """SHA-256 of "ROWSxCOLUMNS:" and the stored values as 32-bit little-endian integers, after `prepare` took it.

    imaging/pixel_digest.py computes the same figure when an image is de-identified (contract test).
    """
    stored = dataset.pixel_array
    return hashlib.sha256("{}x{}:".format(*stored.shape).encode() + stored.astype("<i4").tobytes()).hexdigest()


def hounsfield_units(dataset: Dataset) -> np.ndarray:
    """Stored values times slope plus intercept (PS3.3 C.11.1.1.2). # (rows, columns) float32 HU"""
    if dataset.get("Modality") != MODALITY:
        raise UnusableImageError("wrong-modality", f"the model reads {MODALITY} images only")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise UnusableImageError("multi-frame", "enhanced multi-frame images carry their rescale per frame: not read")
    if "RescaleSlope" not in dataset or "RescaleIntercept" not in dataset:
        raise UnusableImageError("missing-rescale", "without Rescale Slope and Intercept the values are not HU")
    try:
        stored = dataset.pixel_array
    except Exception as error:  # pydicom's decoders raise many kinds; the image is counted as what it is
        raise UnusableImageError("unreadable", "the pixel data cannot be decoded") from error
    if stored.ndim != 2:
        raise UnusableImageError("unreadable", "a CT slice has one sample per pixel")
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def check_quality(hounsfield: np.ndarray) -> np.ndarray:
    """The image in the lung window; refused if it is too small, not finite, or shows nothing. # same shape, 0..1"""
    if min(hounsfield.shape) < MIN_EDGE_PIXELS:
        raise UnusableImageError("too-small", f"an edge is under {MIN_EDGE_PIXELS} pixels")
    if not np.isfinite(hounsfield).all():
        raise UnusableImageError("not-finite", "values are not finite numbers")
    windowed = lung_window(hounsfield)
    if float(windowed.std()) < MIN_SPREAD:
        raise UnusableImageError("constant", "the image shows nothing inside the lung window")
    return windowed


def lung_window(hounsfield: np.ndarray) -> np.ndarray:
    """HU to 0..1 by the lung window, clipped. # same shape, float32"""
    low = WINDOW_CENTER_HU - WINDOW_WIDTH_HU / 2
    return np.clip((hounsfield - low) / WINDOW_WIDTH_HU, 0.0, 1.0).astype(np.float32)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Pad the shorter edge with air, then resample to (size, size) by area-weighted bilinear filtering."""
    rows, columns = image.shape
    edge = max(rows, columns)
    if rows != columns:
        padded = np.full((edge, edge), AIR, np.float32)
        top, left = (edge - rows) // 2, (edge - columns) // 2
        padded[top : top + rows, left : left + columns] = image
        image = padded
    if edge == size:
        return image.astype(np.float32)
    shorter = _resampled(image.astype(np.float32, copy=False), size)  # (size, edge)
    square_image = _resampled(np.ascontiguousarray(shorter.T), size)
    return np.ascontiguousarray(np.clip(square_image, 0.0, 1.0).T)


def _resampled(image: np.ndarray, target: int) -> np.ndarray:
    """The rows of an image brought to `target`. # (source, columns) -> (target, columns)

    A sum over the filter's few taps, not a product of matrices: most of a matrix would be zeros, and the threads of a
    BLAS beside those of TensorFlow cost an endpoint under load forty times the time of the sum.
    """
    first, weights = _resampling(len(image), target)
    last = len(image) - 1
    total = weights[:, :1] * image[first]
    for tap in range(1, weights.shape[1]):
        total += weights[:, tap : tap + 1] * image[np.minimum(first + tap, last)]
    return total


@lru_cache(maxsize=8)  # the slices of a study are of one size
def _resampling(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangle filter, widened when shrinking so that no pixel is skipped: first source row and weights by target row.

    # (target,) int, (target, taps) float32
    """
    scale = source / target
    support = max(scale, 1.0)
    centers = (np.arange(target, dtype=np.float64) + 0.5) * scale - 0.5
    first = np.clip(np.ceil(centers - support).astype(np.int64), 0, source - 1)
    rows = first[:, None] + np.arange(int(2 * support) + 2)  # (target, taps)
    weights = np.clip(1.0 - np.abs(rows - centers[:, None]) / support, 0.0, None) * (rows < source)
    weights = weights[:, weights.any(axis=0)]
    found = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    first.flags.writeable = found.flags.writeable = False  # they are shared
    return first, found


def window_metadata() -> dict[str, Any]:
    """What the artifact's metadata says about the input's preparation."""
    return {"modality": MODALITY, "window_center_hu": WINDOW_CENTER_HU, "window_width_hu": WINDOW_WIDTH_HU}
