"""Compressed frames to arrays through imagecodecs, where it is installed; loaded when called."""

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@cache
def available() -> bool:
    """Whether frames can be decoded here; Lambda functions have neither numpy nor imagecodecs."""
    return find_spec("imagecodecs") is not None and find_spec("numpy") is not None


def decode_frame(frame: bytes) -> "NDArray[Any]":
    """One JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame, (rows, columns) or (rows, columns, samples).

    Raises:
        ValueError: no decoder could read it.
    """
    import imagecodecs

    if frame.startswith(b"\xff\xd8"):
        decoder: Any = imagecodecs.jpegls_decode if b"\xff\xf7" in frame[:4096] else imagecodecs.jpeg_decode
    elif b"\xff\x50" in frame[:256] and b"\xff\x4f" in frame[:128]:
        decoder = imagecodecs.htj2k_decode
    else:
        decoder = imagecodecs.jpeg2k_decode
    try:
        return decoder(frame)
    except (RuntimeError, ValueError) as error:
        raise ValueError("the frame cannot be decoded") from error


def has_hidden_bits(frame: bytes, stored: int) -> bool:
    """Whether a frame decodes to samples that do not fit the bits stored; one that cannot be decoded counts as such.

    Signed samples fit when their upper bits repeat the sign.
    """
    try:
        values = decode_frame(frame)
    except ValueError:
        return True
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind == "i":
        return low < -(1 << (stored - 1)) or high >= 1 << stored
    return high >= 1 << stored
