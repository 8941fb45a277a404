"""HTJ2K lossless frames (ISO/IEC 15444-15, PS3.5 A.4.4) through imagecodecs, loaded when called.

Frames are RPCL with a TLM marker and one tile-part per resolution, so that a prefix of the bytes is a whole image
at a lower resolution. A truncated stream can decode without an error; whoever cuts one asks `imaging.codestream` where.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
