"""A digest of what an image shows, whatever its header and its compression are."""

from __future__ import annotations

import hashlib
import io
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from imaging.dictionary import PIXEL_DATA
from imaging.errors import ImageRejected
from imaging.metadata import number
from imaging.parse import ParsedImage, read
from imaging.structure import Bytes

LARGEST_PIXELS = 4096 * 4096
"""Decoded in one piece; a larger image has no digest."""
_SAMPLES, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _SIGNED = 0x00280100, 0x00280103
_CODES: Final = {(8, 0): "B", (8, 1): "b", (16, 0): "H", (16, 1): "h", (32, 0): "i", (32, 1): "i"}
"""Of the standard library's arrays, by Bits Allocated and Pixel Representation; 32 bits stay the bits they are."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What the digest of an object is made from, kept while its header and pixels are at hand.

    Attributes:
        rows, columns: of the frame; 0 where there is no single grey frame of a size that is decoded.
        code: type of the samples for `array`, "" where their size has none.
        value: Pixel Data; the samples themselves unless compressed.
    """

    rows: int
    columns: int
    code: str
    little: bool
    compressed: bool
    value: Bytes = field(repr=False)

    def digest(self, whole: Callable[[], bytes]) -> str:
        """The digest; `whole` gives the object's bytes, asked for only where frames have to be decoded."""
        if not self.rows:
            return ""
        samples = _decoded(whole) if self.compressed else self._native()
        return hashlib.sha256(f"{self.rows}x{self.columns}:".encode() + samples).hexdigest() if samples else ""

    def _native(self) -> bytes:
        """Samples as they lie in the object, each as 32 bits; none where there are too few, or of another size."""
        size = self.rows * self.columns * array(self.code).itemsize if self.code else 0
        if not size or len(self.value) < size:
            return b""
        stored = array(self.code, bytes(self.value[:size]))
        if self.little != (sys.byteorder == "little"):
            stored.byteswap()
        wide = array("i", stored)
        if sys.byteorder == "big":
            wide.byteswap()
        return wide.tobytes()


def picture_of(parsed: ParsedImage, value: Bytes, *, compressed: bool) -> Picture:
    """The picture of an object whose pixels are `value`, which may be other than those that were parsed."""
    rows, columns = number(parsed, _ROWS), number(parsed, _COLUMNS)
    one_frame = number(parsed, _FRAMES, 1) in (0, 1) and number(parsed, _SAMPLES, 1) == 1
    readable = one_frame and rows > 0 and 0 < columns <= LARGEST_PIXELS // rows
    return Picture(
        rows=rows if readable else 0,
        columns=columns if readable else 0,
        code=_CODES.get((number(parsed, _ALLOCATED), number(parsed, _SIGNED)), ""),
        little=parsed.little,
        compressed=compressed,
        value=value,
    )


def pixel_digest(data: bytes) -> str:
    """SHA-256 of "ROWSxCOLUMNS:" and the stored values as 32-bit little-endian integers, row by row.

    Empty for what training does not read: several frames, colour, too large, or pixels that cannot be decoded here.
    Native samples need the standard library alone, which is all that a function's layer has; compressed ones need
    numpy and the decoders, and have no digest without. training/pixels.py computes the same figure from the same image
    (contract test). Who de-identifies has the same digest from `Deidentified.pixel_digest` without reading again.
    """
    try:
        parsed = read(data)
    except ImageRejected:
        return ""
    element = parsed.element(PIXEL_DATA)
    value = element.value if element else b""
    return picture_of(parsed, value, compressed=parsed.transfer_syntax.is_encapsulated).digest(lambda: data)


def _decoded(whole: Callable[[], bytes]) -> bytes:
    """Samples of a compressed image, where numpy is; none where it, or a decoder, is missing."""
    if find_spec("numpy") is None:
        return b""
    import numpy as np
    import pydicom

    try:
        library: Any = pydicom  # its types are partly unknown
        stored = library.dcmread(io.BytesIO(whole())).pixel_array
    except Exception:  # pydicom's decoders raise many kinds: no digest is no verdict
        return b""
    return stored.astype(np.dtype("<i4")).tobytes() if stored.ndim == 2 else b""
