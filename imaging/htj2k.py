"""HTJ2K lossless frames (ISO/IEC 15444-15, PS3.5 A.4.4) through imagecodecs, loaded when called.

Frames are RPCL with a TLM marker and one tile-part per resolution, so that a prefix of the bytes is a whole image
at a lower resolution. A truncated stream can decode without an error; whoever cuts one must cut at `level_ranges`.
"""

import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SOC: Final = 0xFF4F
_SOT: Final = 0xFF90
_TLM: Final = 0xFF55


def encode(pixels: "NDArray[Any]") -> bytes:
    """One frame, (rows, columns) or (rows, columns, samples) of 8 or 16 bits, as a reversible RPCL codestream."""
    import imagecodecs

    parts = imagecodecs.HTJ2K.TILEPART.RESOLUTIONS
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True, tlm=True, tilepart=parts))


def decode(frame: bytes, *, discard_levels: int = 0) -> "NDArray[np.generic]":
    """The frame as an array, each discarded level halving rows and columns.

    Raises:
        ValueError: the bytes are no HTJ2K codestream.
    """
    import imagecodecs

    try:
        return imagecodecs.htj2k_decode(frame, skipres=discard_levels)
    except (imagecodecs.Htj2kError, RuntimeError) as error:
        raise ValueError("not a readable HTJ2K frame") from error


def level_ranges(frame: bytes) -> list[int]:
    """Length in bytes of the prefix that holds each resolution, lowest first; the last is the whole frame.

    Read from the TLM marker segments (ISO/IEC 15444-1 A.7.1).

    Raises:
        ValueError: no codestream, or one without tile-part lengths.
    """
    lengths: list[int] = []
    position = 2
    if frame[:2] != _SOC.to_bytes(2, "big"):
        raise ValueError("not a JPEG 2000 codestream")
    while position + 4 <= len(frame):
        marker, size = struct.unpack_from(">HH", frame, position)
        if marker == _SOT:
            break
        if marker == _TLM:
            lengths += _tile_part_lengths(frame[position + 4 : position + 2 + size])
        position += 2 + size
    if not lengths:
        raise ValueError("the codestream names no tile-part lengths")
    ends = [position]
    for length in lengths:
        ends.append(ends[-1] + length)
    return [*ends[1:-1], len(frame)]


def _tile_part_lengths(segment: bytes) -> list[int]:
    """Ptlm values of one TLM segment; Stlm gives the sizes of both fields."""
    index_bytes = (segment[1] >> 4) & 3
    length_bytes = 4 if segment[1] & 0x40 else 2
    step = index_bytes + length_bytes
    return [
        int.from_bytes(segment[at + index_bytes : at + step], "big") for at in range(2, len(segment) - step + 1, step)
    ]
