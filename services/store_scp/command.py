"""Command sets of the C-STORE service (PS3.7 9.3.1), read and written without building a data set for each.

Any other message is left to pynetdicom. Implicit VR Little Endian always (PS3.7 6.3.1).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

C_STORE_RQ: Final = 0x0001
C_STORE_RSP: Final = 0x8001
NO_DATA_SET: Final = 0x0101
MAXIMUM_COMMAND_BYTES: Final = 16 * 1024
"""A C-STORE command set has at most 13 short elements."""

_AFFECTED_CLASS, _COMMAND_FIELD, _MESSAGE_ID, _DATA_SET_TYPE, _AFFECTED_INSTANCE = (
    0x0002,
    0x0100,
    0x0110,
    0x0800,
    0x1000,
)
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_HEADER = struct.Struct("<HHL")
MAXIMUM_UID: Final = 64


class CommandError(Exception):
    """The command set is not one; the association cannot go on (PS3.8 9.2, abort)."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ asks for. The UIDs are as sent and not yet judged."""

    message_id: int
    sop_class: str
    sop_instance: str


def is_uid(text: str) -> bool:
    """Whether the text is built as a UID (PS3.5 9.1): never a path, never a pattern. Leading zeros are let through."""
    return len(text) <= MAXIMUM_UID and _UID.fullmatch(text) is not None


def elements(encoded: bytes | bytearray) -> dict[int, bytes]:
    """Values of group 0000 by element number. Raises CommandError on anything but a list of whole elements."""
    found: dict[int, bytes] = {}
    position, end = 0, len(encoded)
    while position < end:
        if end - position < _HEADER.size:
            raise CommandError("a command element is cut short")
        group, number, length = _HEADER.unpack_from(encoded, position)
        position += _HEADER.size
        if group != 0 or length > end - position:
            raise CommandError("a command element is not of group 0000 or claims more than there is")
        found[number] = bytes(encoded[position : position + length])
        position += length
    return found


def _number(found: dict[int, bytes], number: int) -> int:
    value = found.get(number, b"")
    if len(value) != 2:
        raise CommandError(f"the command element (0000,{number:04X}) is missing or has no two bytes")
    return int.from_bytes(value, "little")


def _uid(found: dict[int, bytes], number: int) -> str:
    return found.get(number, b"").rstrip(b"\0 ").decode("latin-1")


def field_of(found: dict[int, bytes]) -> int:
    """The command field. Raises CommandError when there is none."""
    return _number(found, _COMMAND_FIELD)


def has_data_set(found: dict[int, bytes]) -> bool:
    """Whether a data set follows the command set."""
    return _number(found, _DATA_SET_TYPE) != NO_DATA_SET


def store_request(found: dict[int, bytes]) -> StoreRequest:
    """The request of a C-STORE-RQ. Raises CommandError."""
    return StoreRequest(
        message_id=_number(found, _MESSAGE_ID),
        sop_class=_uid(found, _AFFECTED_CLASS),
        sop_instance=_uid(found, _AFFECTED_INSTANCE),
    )


def _element(number: int, value: bytes) -> bytes:
    padded = value + (b"\0" if len(value) % 2 else b"")
    return _HEADER.pack(0, number, len(padded)) + padded


def _echoed(uid: str) -> bytes:
    """A UID as it was sent, no longer than a UID can be."""
    return uid.encode("latin-1")[:MAXIMUM_UID]


def store_response(request: StoreRequest, status: int, comment: str = "") -> bytes:
    """A C-STORE-RSP (PS3.7 table 9.3-2). The comment never repeats what the peer sent."""
    body = b"".join(
        (
            _element(_AFFECTED_CLASS, _echoed(request.sop_class)),
            _element(_COMMAND_FIELD, struct.pack("<H", C_STORE_RSP)),
            _element(0x0120, struct.pack("<H", request.message_id)),
            _element(_DATA_SET_TYPE, struct.pack("<H", NO_DATA_SET)),
            _element(0x0900, struct.pack("<H", status)),
            _element(0x0902, comment.encode("ascii")[:64].ljust(len(comment) + len(comment) % 2)) if comment else b"",
            _element(_AFFECTED_INSTANCE, _echoed(request.sop_instance)),
        )
    )
    return _element(0x0000, struct.pack("<L", len(body))) + body


def data_pdus(context_id: int, command_set: bytes, maximum_length: int) -> bytes:
    """The command set as P-DATA-TF PDUs (PS3.8 9.3.5) no longer than the peer takes; 0 means any length."""
    room = max(1, (maximum_length or len(command_set) + 6) - 6)
    pieces = [command_set[start : start + room] for start in range(0, len(command_set), room)]
    pdus = bytearray()
    for index, piece in enumerate(pieces):
        last = 0x02 if index == len(pieces) - 1 else 0x00
        pdus += struct.pack(">BBLLBB", 0x04, 0, len(piece) + 6, len(piece) + 2, context_id, 0x01 | last) + piece
    return bytes(pdus)
