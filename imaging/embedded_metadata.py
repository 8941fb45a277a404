"""Metadata inside compressed frames, blanked in place: comments, application segments, boxes, bytes after the end.

Nothing changes its length, so that fragments and offset tables stay true. JPEG (ITU-T T.81, PS3.5 A.4.1), JPEG-LS
(T.87, A.4.3), JPEG 2000 and HTJ2K (T.800, T.814, A.4.4) and RLE (PS3.5 Annex G) are known; anything else is not.
"""

import re
from dataclasses import dataclass
from typing import Final

from imaging import icc

_SOI, _EOI, _SOS, _COM, _APP0, _APP8, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE8, 0xEE
_FRAME_HEADERS: Final = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
)
_JPEG_TABLES: Final = frozenset((0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF8))
_APPLICATION_TO_KEEP: Final = {_APP0: (b"JFIF\0", 14), _APP8: (b"mrfx", 5), _APP14: (b"Adobe", 12)}
"""Segments a decoder needs for the colours, by their signature and the bytes of it that are defined."""
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_AFTER_LS_SCAN: Final = re.compile(rb"\xff[\x80-\xfe]")
_J2K_SEGMENTS: Final = frozenset(
    (0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63)
)
_J2K_SIZ, _J2K_COM, _J2K_SOT, _J2K_SOD, _J2K_EOC = 0x51, 0x64, 0x90, 0x93, 0xD9
_JP2_SIGNATURE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_JP2_BOXES: Final = frozenset(
    (b"jP  ", b"ftyp", b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef", b"res ", b"resc", b"resd")
)


@dataclass(frozen=True)
class Codestream:
    """What the headers of one frame say.

    Attributes:
        precision: bits a sample, 0 when the form does not say.
        blanked: bytes of metadata that were blanked.
    """

    precision: int
    blanked: int


class CodestreamError(ValueError):
    """The frame is not a whole codestream of its kind."""


def blank_metadata(frame: bytearray) -> Codestream:
    """Blank what is not image in one JPEG, JPEG-LS or JPEG 2000 frame.

    Raises:
        CodestreamError: the frame is none of these or is damaged.
    """
    try:
        if frame.startswith(b"\xff\xd8"):
            return _blank_jpeg(frame)
        if frame.startswith(_JP2_SIGNATURE):
            return _blank_jp2(frame)
        if frame.startswith(b"\xff\x4f"):
            return _blank_jpeg2000(frame, 0, len(frame))
    except IndexError:
        raise CodestreamError("the frame ends inside a header") from None
    raise CodestreamError("the frame is no codestream that is known")


def _word(frame: bytearray, at: int, size: int = 2) -> int:
    if at + size > len(frame):
        raise CodestreamError("the frame ends inside a header")
    return int.from_bytes(frame[at : at + size], "big")


def _wipe(frame: bytearray, start: int, end: int) -> int:
    """Zero a range; answers how many bytes of it meant something."""
    end = min(end, len(frame))
    if start >= end:
        return 0
    meant = (end - start) - frame.count(0, start, end)
    frame[start:end] = bytes(end - start)
    return meant


def _blank_jpeg(frame: bytearray) -> Codestream:
    position, precision, blanked = 2, 0, 0
    is_ls = False
    while True:
        while frame[position] == 0xFF and frame[position + 1] == 0xFF:
            position += 1  # fill bytes (T.81 B.1.1.2)
        if frame[position] != 0xFF:
            raise CodestreamError("a marker was expected")
        marker = frame[position + 1]
        if marker == _EOI:
            return Codestream(precision, blanked + _wipe(frame, position + 2, len(frame)))
        length = _word(frame, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(frame):
            raise CodestreamError("a segment is longer than its frame")
        if marker in _FRAME_HEADERS:
            precision, is_ls = frame[position + 4], marker == 0xF7
        elif marker == _SOS:
            end = _scan_end(frame, end, is_ls=is_ls)
        elif marker not in _JPEG_TABLES:
            blanked += _blank_segment(frame, marker, position + 4, end)
        position = end


def _scan_end(frame: bytearray, start: int, *, is_ls: bool) -> int:
    """Where the entropy-coded data stop; a frame may lack its EOI, which decoders forgive."""
    found = (_AFTER_LS_SCAN if is_ls else _AFTER_SCAN).search(frame, start)
    if found is None:
        raise CodestreamError("the frame has no end marker")
    return found.start()


def _blank_segment(frame: bytearray, marker: int, start: int, end: int) -> int:
    signature, size = _APPLICATION_TO_KEEP.get(marker, (b"?", 0))
    if not frame[start:end].startswith(signature):
        return _wipe(frame, start, end)
    if marker == _APP0 and end - start >= 14:
        return _wipe(frame, start + 12, end)  # the thumbnail and its size
    return _wipe(frame, start + size, end)


def _blank_jpeg2000(frame: bytearray, start: int, end: int) -> Codestream:
    position, precision, blanked = start + 2, 0, 0
    tile_end = 0
    while position < end:
        if frame[position] != 0xFF:
            raise CodestreamError("a marker was expected")
        marker = frame[position + 1]
        if marker == _J2K_EOC:
            return Codestream(precision, blanked + _wipe(frame, position + 2, end))
        if marker == _J2K_SOD:
            if not position < tile_end <= end:
                raise CodestreamError("a tile-part is longer than its frame")
            position = tile_end
            continue
        stop = position + 2 + _word(frame, position + 2)
        if stop <= position + 3 or stop > end:
            raise CodestreamError("a segment is longer than its frame")
        if marker == _J2K_SIZ:
            precision = (frame[position + 40] & 0x7F) + 1
        elif marker == _J2K_SOT:
            tile_end = position + _word(frame, position + 6, 4)
            tile_end = tile_end if tile_end > position else _last_tile_end(frame, end)
        else:
            blanked += _blank_j2k_segment(frame, marker, position + 4, stop)
        position = stop
    return Codestream(precision, blanked)  # a stream without EOC, which decoders forgive


def _blank_j2k_segment(frame: bytearray, marker: int, start: int, stop: int) -> int:
    if marker in _J2K_SEGMENTS:
        return 0
    keep = 2 if marker == _J2K_COM else 0  # Rcom says how the text is encoded
    return _wipe(frame, start + keep, stop)


def _last_tile_end(frame: bytearray, end: int) -> int:
    """End of a tile-part of length zero: it reaches to the last EOC (T.800 A.4.2)."""
    at = frame.rfind(b"\xff\xd9", 0, end)
    return at if at > 0 else end


def _blank_jp2(frame: bytearray) -> Codestream:
    """JP2 boxes (T.800 Annex I): those that describe samples stay, colour profiles are cleaned, others go."""
    position, precision, blanked = 0, 0, 0
    found = False
    while position + 8 <= len(frame):
        size, kind, head = _word(frame, position, 4), bytes(frame[position + 4 : position + 8]), 8
        if size == 1:
            size, head = _word(frame, position + 8, 8), 16
        stop = position + size if size else len(frame)
        if size and (size < head or stop > len(frame)):
            if not found:
                raise CodestreamError("a box is longer than its frame")
            break
        if kind == b"jp2c":
            stream = _blank_jpeg2000(frame, position + head, stop)
            precision, blanked, found = stream.precision, blanked + stream.blanked, True
        elif kind == b"colr":
            blanked += _clean_colour(frame, position + head, stop)
        elif kind == b"jp2h":
            stop = position + head  # its boxes follow
        elif kind not in _JP2_BOXES:
            blanked += _wipe(frame, position + head, stop)
        position = stop
    if not found:
        raise CodestreamError("the boxes hold no codestream")
    return Codestream(precision, blanked + _wipe(frame, position, len(frame)))


def _clean_colour(frame: bytearray, start: int, stop: int) -> int:
    if frame[start] == 1:  # enumerated colour space: 7 bytes
        return _wipe(frame, start + 7, stop)
    before = bytes(frame[start + 3 : stop])
    after = icc.cleaned(before) or bytes(len(before))
    frame[start + 3 : stop] = after
    return sum(old != new for old, new in zip(before, after, strict=True))


def blank_rle(frame: bytearray, samples_in_segment: int) -> tuple[Codestream, list[bytes]]:
    """Blank the bytes of an RLE frame that no segment decodes to (PS3.5 Annex G).

    Args:
        frame: header of 64 bytes and its segments.
        samples_in_segment: rows x columns.

    Returns:
        What was blanked, and the decoded segments in order: most significant byte of the first sample first.

    Raises:
        CodestreamError: the header or a segment is damaged.
    """
    count = int.from_bytes(frame[:4], "little")
    offsets = [int.from_bytes(frame[4 + 4 * index : 8 + 4 * index], "little") for index in range(15)]
    starts = offsets[:count]
    if (
        len(frame) < 64
        or not 1 <= count <= 15
        or starts != sorted(starts)
        or starts[0] < 64
        or starts[-1] >= len(frame)
    ):
        raise CodestreamError("the RLE header does not fit its frame")
    blanked = _wipe(frame, 4 + 4 * count, 64) + _wipe(frame, 64, starts[0])
    planes: list[bytes] = []
    for start, stop in zip(starts, [*starts[1:], len(frame)], strict=True):
        plane, end = _unpack(frame, start, stop, samples_in_segment)
        planes.append(plane)
        blanked += _wipe(frame, end, stop)
    return Codestream(0, blanked), planes


def _unpack(frame: bytearray, start: int, stop: int, wanted: int) -> tuple[bytes, int]:
    """One segment by PS3.5 G.3.2; answers the bytes and where reading stopped."""
    plane, position = bytearray(), start
    while len(plane) < wanted:
        if position >= stop:
            raise CodestreamError("an RLE segment ends early")
        code = frame[position]
        if code < 128:
            plane += frame[position + 1 : min(position + 2 + code, stop)]
            position += 2 + code
        elif code > 128:
            if position + 1 >= stop:
                raise CodestreamError("an RLE segment ends early")
            plane += frame[position + 1 : position + 2] * (257 - code)
            position += 2
        else:
            position += 1
    return bytes(plane[:wanted]), min(position, stop)
