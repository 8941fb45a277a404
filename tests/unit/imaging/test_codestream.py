"""Resolutions told from the main header: every prefix is the reduced decode of the whole, bit for bit."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging import codestream, htj2k
from imaging.codestream import CodestreamError, HeaderIncompleteError, NotProgressiveError, TilePart


def image(shape: tuple[int, ...], kind: str) -> np.ndarray:
    limits = np.iinfo(kind)
    random = np.random.default_rng(sum(shape))
    return random.integers(limits.min, limits.max, shape, endpoint=True).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2"], ids=["unsigned 8", "signed 8", "unsigned 16", "signed 16"])
@pytest.mark.parametrize(
    "shape",
    [(512, 512), (64, 64), (33, 77), (301, 5), (1, 1), (1, 640), (65, 130, 3), (256, 255, 3)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_every_prefix_decodes_to_the_reduced_decode_of_the_whole(shape: tuple[int, ...], kind: str) -> None:
    pixels = image(shape, kind)
    whole = htj2k.encode(pixels)
    header = codestream.read_main_header(whole)
    found = codestream.resolutions(header)
    assert codestream.is_whole(header, whole)
    assert (header.bottom, header.right) == shape[:2]
    assert header.components == (shape[2] if len(shape) == 3 else 1)
    assert (header.bits, header.signed) == (pixels.dtype.itemsize * 8, kind[0] == "i")
    assert header.high_throughput
    assert len(found) == header.decompositions + 1
    for one in found:
        discarded = header.decompositions - one.level
        cut = codestream.prefix(whole, one)
        reduced = htj2k.decode(cut, discard_levels=discarded)
        assert cut.endswith(b"\xff\xd9")
        assert reduced.shape[:2] == (one.rows, one.columns)
        assert np.array_equal(reduced, htj2k.decode(whole, discard_levels=discarded))
    assert codestream.prefix(whole, found[-1]) == whole, "the last prefix is the stored frame itself"
    assert np.array_equal(htj2k.decode(whole), pixels)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 90), columns=st.integers(1, 90), kind=st.sampled_from(["u1", "i1", "u2", "i2"]))
def test_sizes_of_any_oddness_have_bit_equal_prefixes(rows: int, columns: int, kind: str) -> None:
    whole = htj2k.encode(image((rows, columns), kind))
    header = codestream.read_main_header(whole)
    for one in codestream.resolutions(header):
        discarded = header.decompositions - one.level
        reduced = htj2k.decode(codestream.prefix(whole, one), discard_levels=discarded)
        assert np.array_equal(reduced, htj2k.decode(whole, discard_levels=discarded))


WHOLE = htj2k.encode(image((64, 48), "i2"))


def test_the_main_header_alone_is_enough() -> None:
    header = codestream.read_main_header(WHOLE)
    assert codestream.read_main_header(WHOLE[: header.length + 4]) == header
    assert header.length < 200


@pytest.mark.parametrize("length", [0, 1, 3, 4, 30, 60, 120])
def test_a_header_that_goes_on_asks_for_more(length: int) -> None:
    with pytest.raises(HeaderIncompleteError):
        codestream.read_main_header(WHOLE[:length])


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), at=st.integers(0, 160))
def test_hostile_headers_are_refused_and_nothing_else_happens(data: bytes, at: int) -> None:
    for hostile in (data, b"\xff\x4f" + data, WHOLE[:at] + data + WHOLE[at + len(data) :]):
        try:
            header = codestream.read_main_header(hostile)
            codestream.resolutions(header)
        except CodestreamError:
            continue
        codestream.is_whole(header, hostile)


def test_a_codestream_that_lost_bytes_is_not_whole() -> None:
    header = codestream.read_main_header(WHOLE)
    assert codestream.is_whole(header, WHOLE + b"\0"), "one padding byte, as encapsulation adds"
    for short in (WHOLE[:-1], WHOLE[:-200], WHOLE[:-200] + b"\xff\xd9", WHOLE + b"\0\0", WHOLE[:-2] + b"\0\0"):
        assert not codestream.is_whole(header, short)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", marker, len(body) + 2) + body


def header_of(*extra: bytes, progression: int = 2, levels: int = 1, tiles: int = 1, step: int = 1) -> bytes:
    """A main header by hand: 16 x 8 samples of 12 bits, tiles side by side, then SOT."""
    siz = struct.pack(">H8LH", 0x4000, 16, 8, 0, 0, 16 // tiles, 8, 0, 0, 1) + bytes([11, step, step])
    cod = bytes([0, progression, 0, 1, 0, levels, 4, 4, 0x40, 1])
    return b"\xff\x4f" + segment(0xFF51, siz) + segment(0xFF52, cod) + b"".join(extra) + b"\xff\x90\x00\x0a"


def tlm(*parts: tuple[int, int], number: int = 0, kind: int = 0x50) -> bytes:
    form = {0x50: ">BL", 0x60: ">HL", 0x10: ">BH"}[kind]
    return segment(0xFF55, bytes([number, kind]) + b"".join(struct.pack(form, *part) for part in parts))


def test_tlm_segments_are_put_in_their_order_whatever_their_field_sizes() -> None:
    data = header_of(tlm((0, 40), number=1, kind=0x60), tlm((0, 20), kind=0x10))
    header = codestream.read_main_header(data)
    assert header.tile_parts == (TilePart(0, 20), TilePart(0, 40))
    assert [one.end - header.length for one in codestream.resolutions(header)] == [20, 60]
    assert header.codestream_length == header.length + 62


def test_several_tiles_are_cut_behind_the_last_tile_part_of_a_resolution() -> None:
    header = codestream.read_main_header(header_of(tlm((0, 20), (1, 30), (0, 40), (1, 50)), tiles=2))
    assert [one.end - header.length for one in codestream.resolutions(header)] == [50, 140]


def test_a_tlm_without_tile_numbers_means_one_tile_part_a_tile() -> None:
    body = bytes([0, 0x40]) + struct.pack(">LL", 20, 30)
    header = codestream.read_main_header(header_of(segment(0xFF55, body), tiles=2, levels=0))
    assert header.tile_parts == (TilePart(0, 20), TilePart(1, 30))
    assert len(codestream.resolutions(header)) == 1


@pytest.mark.parametrize(
    "data",
    [
        header_of(tlm((0, 20), (0, 30)), progression=0),
        header_of(),
        header_of(tlm((0, 20))),
        header_of(tlm((0, 20), (0, 30), (0, 40))),
        header_of(tlm((5, 20), (5, 30))),
        header_of(tlm((0, 20), (0, 30)), segment(0xFF53, bytes([0, 0, 2, 4, 4, 0x40, 1]))),
        header_of(tlm((0, 20), (0, 30)), segment(0xFF5F, bytes(7))),
        header_of(tlm((0, 20), (0, 30)), step=2),
    ],
    ids=["LRCP", "no TLM", "too few parts", "too many parts", "unknown tile", "COC", "POC", "subsampled"],
)
def test_what_is_not_cut_by_resolution_says_so(data: bytes) -> None:
    with pytest.raises(NotProgressiveError):
        codestream.resolutions(codestream.read_main_header(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG",
        b"\xff\x4f\x12\x34\x00\x04\x00\x00",
        b"\xff\x4f\xff\x90\x00\x0a",
        header_of(tlm((0, 3))),
        header_of(tlm((0, 20)), tlm((0, 20))),
        header_of(segment(0xFF55, b"\0")),
        header_of(segment(0xFF55, bytes([0, 0x70, 1, 2, 3]))),
        header_of(segment(0xFF55, bytes([0, 0x50, 1, 2, 3]))),
        header_of(segment(0xFF52, bytes(3))),
        header_of(segment(0xFF52, bytes([0, 2, 0, 1, 0, 33, 4, 4, 0, 0]))),
        header_of(segment(0xFF51, bytes(10))),
        header_of(segment(0xFF51, bytes(40))),
        b"\xff\x4f" + segment(0xFF64, bytes(65000)) * 17,
    ],
    ids=[
        *("another format", "no marker", "no SIZ", "part too short", "TLM twice", "TLM empty", "TLM kind", "TLM odd"),
        *("COD short", "COD levels", "SIZ short", "SIZ zero", "endless"),
    ],
)
def test_a_broken_main_header_is_an_error(data: bytes) -> None:
    with pytest.raises(CodestreamError):
        codestream.resolutions(codestream.read_main_header(data))


def test_without_tlm_a_codestream_is_whole_when_it_is_closed() -> None:
    header = codestream.read_main_header(header_of())
    assert header.codestream_length == 0
    assert codestream.is_whole(header, b"......\xff\xd9")
    assert not codestream.is_whole(header, b"......")
