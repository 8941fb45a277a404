"""The file that stands around a received data set (PS3.10 section 7), the same bytes for the same instance.

The data set itself is kept as it was sent, neither decoded nor encoded again. Nothing of the sender and no time
stands in the header: an instance that is sent twice gives the same file, and so the same key.
"""

from __future__ import annotations

import functools
import struct
from typing import Final

from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

IMPLEMENTATION_CLASS_UID: Final = f"{PYDICOM_IMPLEMENTATION_UID}.2.1"
"""Below pydicom's own root, which this library writes and reads with; the platform has no registered root."""
IMPLEMENTATION_VERSION_NAME: Final = "HCIMLOPS_SCP_1"
PREAMBLE: Final = bytes(128) + b"DICM"


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    """One element of group 0002, Explicit VR Little Endian, padded to even length (PS3.5 7.1.2)."""
    padded = value + (b"\0" if len(value) % 2 else b"")
    if vr == b"OB":
        return struct.pack("<HH2sHL", 2, number, vr, 0, len(padded)) + padded
    return struct.pack("<HH2sH", 2, number, vr, len(padded)) + padded


@functools.lru_cache(maxsize=512)
def _around(sop_class: str, transfer_syntax: str) -> tuple[bytes, bytes]:
    """What stands before and after the SOP Instance UID; many instances share both."""
    before = _element(0x01, b"OB", b"\0\1") + _element(0x02, b"UI", sop_class.encode("ascii"))
    name = IMPLEMENTATION_VERSION_NAME.encode("ascii")
    after = (
        _element(0x10, b"UI", transfer_syntax.encode("ascii"))
        + _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii"))
        + _element(0x13, b"SH", name + b" " * (len(name) % 2))
    )
    return before, after


def header(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble and file meta information (PS3.10 table 7.1-1) of an instance."""
    before, after = _around(sop_class, transfer_syntax)
    body = before + _element(0x03, b"UI", sop_instance.encode("ascii")) + after
    return PREAMBLE + _element(0x00, b"UL", struct.pack("<L", len(body))) + body
