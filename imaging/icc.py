"""Text and dates inside ICC colour profiles (PS3.3 C.11.15), overwritten in place so that the colours stay.

Layout from ICC.1:2010: a header of 128 bytes, a tag table, tag data. What is not known to hold numbers only is
blanked: descriptions, copyright notices, device names, calibration dates, profile IDs and bytes no tag claims.
"""

import struct
from typing import Final

_HEADER_BYTES: Final = 128
_NUMERIC: Final = frozenset(
    (b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32", b"chad", b"sig ", b"meas", b"view")
)
_HEADER_TEXT: Final = ((24, 36), (48, 56), (80, 100))  # date; device maker and model; creator and profile ID
_MAXIMUM_TAGS: Final = 256


def cleaned(profile: bytes) -> bytes:
    """The profile with every text and date blanked, of the same length; b"" when it is no ICC profile."""
    if len(profile) < _HEADER_BYTES + 4 or profile[36:40] != b"acsp":
        return b""
    (count,) = struct.unpack_from(">L", profile, _HEADER_BYTES)
    table_end = _HEADER_BYTES + 4 + 12 * count
    if count > _MAXIMUM_TAGS or table_end > len(profile):
        return b""
    output = bytearray(len(profile))
    output[:table_end] = profile[:table_end]
    for start, end in _HEADER_TEXT:
        output[start:end] = bytes(end - start)
    output[100:_HEADER_BYTES] = bytes(_HEADER_BYTES - 100)
    for index in range(count):
        _, offset, size = struct.unpack_from(">4sLL", profile, _HEADER_BYTES + 4 + 12 * index)
        if offset < table_end or offset + size > len(profile):
            return b""
        output[offset : offset + size] = _tag_data(profile[offset : offset + size])
    return bytes(output)


def _tag_data(data: bytes) -> bytes:
    kind = data[:4]
    if kind in _NUMERIC:
        return kind + bytes(4) + data[8:]
    if kind == b"mluc" and len(data) >= 28:  # one empty record
        return (kind + bytes(4) + struct.pack(">LL2s2sLL", 1, 12, b"en", b"US", 0, 28)).ljust(len(data), b"\0")
    if kind == b"desc" and len(data) >= 13:
        return (kind + bytes(4) + struct.pack(">L", 1)).ljust(len(data), b"\0")
    return kind.ljust(len(data), b"\0")
