"""A slice as a picture for people: windowed to eight bits and written as PNG, with no metadata in the file."""

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Window:
    """Values shown between black and white, in the unit of the image (HU for CT; PS3.3 C.11.2.1.2)."""

    centre: float
    width: float


LUNG: Final = Window(-500, 1500)
SOFT_TISSUE: Final = Window(40, 400)


def to_grey(values: "NDArray[Any]", window: Window = LUNG) -> "NDArray[Any]":
    """Any real array as uint8 of the same shape, linear between the window's ends."""
    import numpy as np

    low = window.centre - window.width / 2
    scaled = (values.astype(np.float32) - low) * (255.0 / window.width)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def values_of(dataset: "Dataset", frame: int = 0) -> "NDArray[Any]":
    """One frame in real-world values: stored values by Rescale Slope and Intercept (PS3.3 C.11.1), float32.

    HTJ2K and JPEG-LS are decoded by imagecodecs, the rest by pydicom.

    Raises:
        ValueError: the object has no such frame, or its pixels cannot be decoded here.
    """
    import numpy as np

    try:
        stored = _stored(dataset, frame)
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError) as error:
        raise ValueError("the pixels of this object cannot be decoded here") from error
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _stored(dataset: "Dataset", frame: int) -> "NDArray[Any]":
    from pydicom.encaps import get_frame
    from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGLSLossless, JPEGLSNearLossless

    syntax = dataset.file_meta.TransferSyntaxUID
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if syntax in (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGLSLossless, JPEGLSNearLossless):
        import imagecodecs

        coded = get_frame(dataset.PixelData, frame, number_of_frames=frames)
        is_jpegls = syntax in (JPEGLSLossless, JPEGLSNearLossless)
        return imagecodecs.jpegls_decode(coded) if is_jpegls else imagecodecs.htj2k_decode(coded)
    pixels: Any = dataset.pixel_array
    return pixels[frame] if frames > 1 else pixels


def to_png(image: "Dataset | NDArray[Any]", window: Window | None = LUNG, *, frame: int = 0) -> bytes:
    """PNG bytes of a data set's frame, or of a two-dimensional array of real-world values.

    Args:
        window: values between black and white; None takes all that occur, and the mean of colours.

    Raises:
        ValueError: the pixels cannot be decoded, or are not one greyscale plane.
    """
    from pydicom.dataset import Dataset

    values: NDArray[Any] = values_of(image, frame) if isinstance(image, Dataset) else image
    if window is None:
        values = values.mean(axis=2) if values.ndim == 3 else values
        low, high = float(values.min()), float(values.max())
        window = Window((low + high) / 2, max(high - low, 1.0))
    grey = to_grey(values, window)
    if grey.ndim != 2:
        raise ValueError("only one greyscale plane can be drawn")
    if isinstance(image, Dataset) and image.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = 255 - grey
    rows, columns = grey.shape
    lines = b"".join(b"\0" + grey[row].tobytes() for row in range(rows))
    header = struct.pack(">LLBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
