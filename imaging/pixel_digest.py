"""A digest of what an image shows, whatever its header and its compression are."""

from __future__ import annotations

import hashlib
import io
import sys
from array import array
from importlib.util import find_spec
from typing import Any, Final

from imaging.dictionary import PIXEL_DATA
from imaging.errors import ImageRejected
from imaging.metadata import number
from imaging.parse import ParsedImage, read

LARGEST_PIXELS = 4096 * 4096
"""Decoded in one piece; a larger image has no digest."""
_SAMPLES, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _SIGNED = 0x00280100, 0x00280103
_CODES: Final = {(8, 0): "B", (8, 1): "b", (16, 0): "H", (16, 1): "h", (32, 0): "i", (32, 1): "i"}
"""Of the standard library's arrays, by Bits Allocated and Pixel Representation; 32 bits stay the bits they are."""


def pixel_digest(data: bytes) -> str:
    """SHA-256 of "ROWSxCOLUMNS:" and the stored values as 32-bit little-endian integers, row by row.

    Empty for what training does not read: several frames, colour, too large, or pixels that cannot be decoded here.
    Native samples need the standard library alone, which is all that a function's layer has; compressed ones need
    numpy and the decoders, and have no digest without. training/pixels.py computes the same figure from the same image
    (contract test).
    """
    try:
        parsed = read(data)
    except ImageRejected:
        return ""
    rows, columns = number(parsed, _ROWS), number(parsed, _COLUMNS)
    one_frame = number(parsed, _FRAMES, 1) in (0, 1) and number(parsed, _SAMPLES, 1) == 1
    if not one_frame or rows < 1 or columns < 1 or rows * columns > LARGEST_PIXELS:
        return ""
    samples = _decoded(data) if parsed.transfer_syntax.is_encapsulated else _native(parsed, rows * columns)
    if samples is None:
        return ""
    return hashlib.sha256(f"{rows}x{columns}:".encode() + samples).hexdigest()


def _native(parsed: ParsedImage, count: int) -> bytes | None:
    """Samples as they lie in the object, each as 32 bits; None where there are too few, or of another size."""
    allocated = number(parsed, _ALLOCATED)
    code = _CODES.get((allocated, number(parsed, _SIGNED)))
    element = parsed.element(PIXEL_DATA)
    size = count * allocated // 8
    if code is None or element is None or len(element.value) < size:
        return None
    stored = array(code, bytes(element.value[:size]))
    if parsed.little != (sys.byteorder == "little"):
        stored.byteswap()
    wide = array("i", stored)
    if sys.byteorder == "big":
        wide.byteswap()
    return wide.tobytes()


def _decoded(data: bytes) -> bytes | None:
    """Samples of a compressed image, where numpy is; None where it, or a decoder, is missing."""
    if find_spec("numpy") is None:
        return None
    import numpy as np
    import pydicom

    try:
        library: Any = pydicom  # its types are partly unknown
        stored = library.dcmread(io.BytesIO(data)).pixel_array
    except Exception:  # pydicom's decoders raise many kinds: no digest is no verdict
        return None
    return stored.astype(np.dtype("<i4")).tobytes() if stored.ndim == 2 else None
