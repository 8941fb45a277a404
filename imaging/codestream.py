"""Where a lower resolution ends in a JPEG 2000 codestream, told from its main header alone.

PS3.5 10.18 asks of HTJ2K Lossless RPCL (1.2.840.10008.1.2.4.202) that packets come resolution by resolution and that
TLM marker segments name the length of every tile-part. So the first few hundred bytes (SIZ, COD, TLM; ISO/IEC 15444-1
A.5.1, A.6.1, A.7.1) tell the byte range of every resolution; nothing behind them is looked at. Pure Python: no decoder.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SOC: Final = b"\xff\x4f"
EOC: Final = b"\xff\xd9"
_SIZ: Final = 0xFF51
_COD: Final = 0xFF52
_COC: Final = 0xFF53
_TLM: Final = 0xFF55
_POC: Final = 0xFF5F
_PPM: Final = 0xFF60
_CAP: Final = 0xFF50
_SOT: Final = 0xFF90
_RPCL: Final = 2
_MAX_DECOMPOSITIONS: Final = 32
# Longest main header that is read: 255 TLM segments would be longer, but no frame of one tile comes near a tenth.
MAX_HEADER_BYTES: Final = 1 << 20


class CodestreamError(ValueError):
    """The bytes are no JPEG 2000 codestream with a readable main header."""


class HeaderIncompleteError(CodestreamError):
    """The main header goes on behind the bytes given: come back with more of them."""


class NotProgressiveError(CodestreamError):
    """A whole codestream, but none whose prefixes are its lower resolutions."""


@dataclass(frozen=True)
class TilePart:
    """One entry of TLM: index of the tile and length in bytes, SOT marker included."""

    tile: int
    length: int


@dataclass(frozen=True, kw_only=True)
class MainHeader:
    """What the main header says.

    Attributes:
        length: bytes from SOC up to the first SOT.
        left, top, right, bottom: image area on the reference grid (XOsiz, YOsiz, Xsiz, Ysiz), in samples.
        tiles: number of tiles.
        components: number of components.
        bits: bits a sample of the first component.
        signed: whether its samples are signed.
        subsampled: whether any component has fewer samples than the grid.
        progression: SGcod's order, 2 = RPCL.
        decompositions: wavelet decompositions, so resolutions are 0..decompositions.
        high_throughput: CAP says Part 15.
        tile_parts: in order of appearance; empty without TLM.
        reordered: POC, PPM or a COC is there, so that COD does not tell the whole.
    """

    length: int
    left: int
    top: int
    right: int
    bottom: int
    tiles: int
    components: int
    bits: int
    signed: bool
    subsampled: bool
    progression: int
    decompositions: int
    high_throughput: bool
    tile_parts: tuple[TilePart, ...]
    reordered: bool

    @property
    def codestream_length(self) -> int:
        """Bytes of the whole codestream with its EOC, by TLM; 0 without TLM."""
        return self.length + sum(part.length for part in self.tile_parts) + len(EOC) if self.tile_parts else 0


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """One resolution of a frame, 0 the smallest.

    Attributes:
        level: 0..decompositions.
        columns, rows: size in samples.
        end: bytes of the codestream that hold it, before the EOC that a prefix must be given.
    """

    level: int
    columns: int
    rows: int
    end: int


def read_main_header(data: bytes | bytearray | memoryview) -> MainHeader:
    """The main header of a codestream of which the beginning is enough.

    Raises:
        HeaderIncompleteError: more bytes are needed.
        CodestreamError: no codestream, or a main header that contradicts itself.
    """
    if bytes(data[:2]) != SOC:
        if len(data) < 2:
            raise HeaderIncompleteError("the codestream has not begun")
        raise CodestreamError("not a JPEG 2000 codestream")
    siz: _Size | None = None
    cod: tuple[int, int] | None = None
    tlm: dict[int, bytes] = {}
    high_throughput = reordered = False
    end = 2
    for marker, position, body in _segments(data):
        end = position + 4 + len(body) if marker != _SOT else position
        if marker == _SIZ:
            siz = _size(body)
        elif marker == _COD:
            cod = _coding(body)
        elif marker == _TLM:
            _keep_tlm(tlm, body)
        elif marker == _CAP:
            high_throughput = len(body) >= 4 and bool(int.from_bytes(body[:4], "big") & 1 << 17)
        reordered = reordered or marker in (_POC, _PPM, _COC)
    if siz is None or cod is None:
        raise CodestreamError("the main header has no SIZ or no COD")
    parts = tuple(part for number in sorted(tlm) for part in _tile_parts(tlm[number]))
    return MainHeader(
        length=end,
        left=siz.left,
        top=siz.top,
        right=siz.right,
        bottom=siz.bottom,
        tiles=siz.tiles,
        components=siz.components,
        bits=siz.bits,
        signed=siz.signed,
        subsampled=siz.subsampled,
        progression=cod[0],
        decompositions=cod[1],
        high_throughput=high_throughput,
        tile_parts=parts,
        reordered=reordered,
    )


def resolutions(header: MainHeader) -> tuple[Resolution, ...]:
    """Every resolution with the length of its prefix, lowest first.

    Tile-parts of a tile follow its resolutions one to one; with several tiles a prefix reaches to the last tile-part
    that belongs to the resolution.

    Raises:
        NotProgressiveError: not RPCL, no TLM, or not one tile-part per resolution and tile.
    """
    count = header.decompositions + 1
    if header.progression != _RPCL:
        raise NotProgressiveError("the progression order is not RPCL")
    if header.reordered or header.subsampled:
        raise NotProgressiveError("COD does not hold for every component and packet")
    seen: Counter[int] = Counter()
    ends = [0] * count
    position = header.length
    for part in header.tile_parts:
        position += part.length
        if part.tile >= header.tiles or seen[part.tile] >= count:
            raise NotProgressiveError("the tile-parts are not one per resolution")
        ends[seen[part.tile]] = position
        seen[part.tile] += 1
    if len(seen) != header.tiles or any(number != count for number in seen.values()):
        raise NotProgressiveError("the tile-parts are not one per resolution")
    return tuple(_resolution(header, level, max(ends[: level + 1])) for level in range(count))


def prefix(frame: bytes | memoryview, resolution: Resolution) -> bytes:
    """The codestream up to a resolution, closed by an EOC (ISO/IEC 15444-1 A.4.4)."""
    return b"".join((frame[: resolution.end], EOC))


def is_whole(header: MainHeader, frame: bytes | memoryview) -> bool:
    """Whether nothing of a codestream is missing: as long as TLM says and closed by EOC; a padding byte may follow.

    Decoders take many truncated streams without an error (they show a wrong picture), so this is asked first.
    """
    if not header.tile_parts:
        return bytes(frame[-3:]).rstrip(b"\0").endswith(EOC)
    length = header.codestream_length
    return len(frame) in (length, length + 1) and bytes(frame[length - 2 : length]) == EOC


@dataclass(frozen=True, kw_only=True)
class _Size:
    left: int
    top: int
    right: int
    bottom: int
    tiles: int
    components: int
    bits: int
    signed: bool
    subsampled: bool


def _segments(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, int, bytes]]:
    """(marker, position, body) of every segment of the main header; the SOT that ends it comes last, without body."""
    position = 2
    while True:
        if position > MAX_HEADER_BYTES:
            raise CodestreamError("the main header does not end")
        if position + 4 > len(data):
            raise HeaderIncompleteError("the main header is not whole")
        marker, size = struct.unpack_from(">HH", data, position)
        if marker == _SOT:
            yield marker, position, b""
            return
        if marker < 0xFF00 or size < 2:
            raise CodestreamError("the main header is broken")
        if position + 2 + size > len(data):
            raise HeaderIncompleteError("the main header is not whole")
        yield marker, position, bytes(data[position + 4 : position + 2 + size])
        position += 2 + size


def _size(body: bytes) -> _Size:
    """SIZ (A.5.1)."""
    if len(body) < 36:
        raise CodestreamError("SIZ is too short")
    right, bottom, left, top, width, height, tile_left, tile_top, count = struct.unpack_from(">8LH", body, 2)
    if len(body) < 36 + 3 * count or not count or not width or not height or right <= left or bottom <= top:
        raise CodestreamError("SIZ contradicts itself")
    across, down = -(-(right - tile_left) // width), -(-(bottom - tile_top) // height)
    steps = body[37 : 36 + 3 * count : 3] + body[38 : 36 + 3 * count : 3]
    return _Size(
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        tiles=across * down,
        components=count,
        bits=(body[36] & 0x7F) + 1,
        signed=bool(body[36] & 0x80),
        subsampled=any(step != 1 for step in steps),
    )


def _coding(body: bytes) -> tuple[int, int]:
    """COD (A.6.1): (progression order, decompositions)."""
    if len(body) < 10 or body[5] > _MAX_DECOMPOSITIONS:
        raise CodestreamError("COD contradicts itself")
    return body[1], body[5]


def _keep_tlm(found: dict[int, bytes], body: bytes) -> None:
    if len(body) < 2 or body[0] in found:
        raise CodestreamError("TLM contradicts itself")
    found[body[0]] = body


def _tile_parts(body: bytes) -> Iterator[TilePart]:
    """TLM (A.7.1): Stlm gives the bytes of Ttlm (0, 1 or 2) and of Ptlm (2 or 4)."""
    index_bytes = (body[1] >> 4) & 3
    length_bytes = 4 if body[1] & 0x40 else 2
    step = index_bytes + length_bytes
    if index_bytes == 3 or (len(body) - 2) % step:
        raise CodestreamError("TLM contradicts itself")
    for number, at in enumerate(range(2, len(body), step)):
        tile = int.from_bytes(body[at : at + index_bytes], "big") if index_bytes else number
        length = int.from_bytes(body[at + index_bytes : at + step], "big")
        if length < 14:  # SOT is 12 bytes, SOD 2 (A.4.2, A.4.3)
            raise CodestreamError("TLM names a tile-part that is too short")
        yield TilePart(tile, length)


def _resolution(header: MainHeader, level: int, end: int) -> Resolution:
    """Size by ISO/IEC 15444-1 equation B-14, for the whole image area."""
    scale = 1 << (header.decompositions - level)

    def extent(low: int, high: int) -> int:
        return -(-high // scale) - -(-low // scale)

    return Resolution(
        level=level, columns=extent(header.left, header.right), rows=extent(header.top, header.bottom), end=end
    )
