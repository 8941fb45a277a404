"""A digest of what an image shows, whatever its header and its compression are."""

from __future__ import annotations

import hashlib
import io
from typing import Any

LARGEST_PIXELS = 4096 * 4096
"""Decoded in one piece; a larger image has no digest."""


def pixel_digest(data: bytes) -> str:
    """SHA-256 of "ROWSxCOLUMNS:" and the stored values as 32-bit little-endian integers, row by row.

    Empty for what training does not read: several frames, colour, too large, or pixels that cannot be decoded here.
    training/pixels.py computes the same figure from the same image (contract test).
    """
    import numpy as np
    import pydicom

    try:
        library: Any = pydicom  # its types are partly unknown
        dataset = library.dcmread(io.BytesIO(data))
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        if rows * columns > LARGEST_PIXELS or int(dataset.get("NumberOfFrames") or 1) != 1:
            return ""
        stored = dataset.pixel_array
    except Exception:  # pydicom's decoders raise many kinds: no digest is no verdict
        return ""
    if stored.ndim != 2:
        return ""
    return hashlib.sha256(f"{rows}x{columns}:".encode() + stored.astype(np.dtype("<i4")).tobytes()).hexdigest()
