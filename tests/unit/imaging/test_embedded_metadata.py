"""Damaged frames and profiles end in a refusal or in nothing, never in a crash; whole ones lose their text only."""

import struct

import imagecodecs
import numpy as np
import pytest

from imaging import decode, documents, free_text, icc
from imaging.charset import decode_text, known_terms
from imaging.embedded_metadata import CodestreamError, blank_metadata, blank_rle

SAMPLES = (np.arange(256).reshape(16, 16) * 7 % 200).astype(np.uint8)
JPEG = imagecodecs.jpeg8_encode(SAMPLES, level=90)
J2K = imagecodecs.jpeg2k_encode(SAMPLES, level=0, codecformat="j2k")
JP2 = imagecodecs.jpeg2k_encode(SAMPLES, level=0, codecformat="jp2")


@pytest.mark.parametrize(
    "frame", [JPEG, J2K, JP2, imagecodecs.jpegls_encode(SAMPLES)], ids=["JPEG", "J2K", "JP2", "LS"]
)
def test_whole_frames_keep_their_samples(frame: bytes) -> None:
    changed = bytearray(frame + b"Quillfeather")
    assert blank_metadata(changed).precision == 8
    assert b"Quillfeather" not in changed
    assert (decode.decode_frame(bytes(changed)) == decode.decode_frame(frame)).all()


@pytest.mark.parametrize("frame", [JPEG, J2K, JP2], ids=["JPEG", "J2K", "JP2"])
@pytest.mark.parametrize("cut", [2, 5, 30, 60, 0.5], ids=str)
def test_cut_frames_are_refused_or_end_where_they_end(frame: bytes, cut: float) -> None:
    part = bytearray(frame[: int(cut * len(frame)) if cut < 1 else int(cut)])
    size = len(part)
    try:
        blank_metadata(part)
    except CodestreamError:
        assert len(part) == size


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GIF89a", id="another form"),
        pytest.param(b"\xff\xd8\x00\x00", id="no marker"),
        pytest.param(b"\xff\xd8\xff\xfe\x00\x01", id="a segment of one byte"),
        pytest.param(b"\xff\xd8\xff\xfe\xff\xff", id="a segment too long"),
        pytest.param(b"\xff\xd8\xff\xda\x00\x02abc", id="a scan without an end"),
        pytest.param(b"\xff\x4f\x00\x00", id="no marker in J2K"),
        pytest.param(b"\xff\x4f\xff\x52\x00\x01", id="J2K segment too short"),
        pytest.param(b"\xff\x4f\xff\x93", id="data before a tile"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08abcd", id="boxes without a codestream"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\xff\xffabcd", id="a box too long"),
    ],
)
def test_damaged_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(CodestreamError):
        blank_metadata(bytearray(frame))


def test_application_segments_keep_what_colours_need() -> None:
    jfif = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\1\1\0\0\1\0\1\0\0"
    adobe = b"\xff\xee" + struct.pack(">H", 20) + b"Adobe\0\x64\0\0\0\0\1Wexcom"
    frame = bytearray(b"\xff\xd8" + jfif + adobe + b"\xff\xff\xff\xfe\0\x08Wexcom" + JPEG[2:])
    blank_metadata(frame)
    assert b"JFIF" in frame
    assert b"Adobe" in frame
    assert b"Wexcom" not in frame


@pytest.mark.parametrize(
    "frame",
    [
        bytes(64),
        struct.pack("<16L", 1, 64, *[0] * 14),
        struct.pack("<16L", 2, 80, 64, *[0] * 13) + bytes(30),
        struct.pack("<16L", 1, 64, *[0] * 14) + b"\x05ab",
        struct.pack("<16L", 1, 64, *[0] * 14) + b"\xff",
    ],
    ids=["no segments", "no data", "out of order", "ends in a run", "ends in a repeat"],
)
def test_damaged_rle_is_refused(frame: bytes) -> None:
    with pytest.raises(CodestreamError):
        blank_rle(bytearray(frame), 256)


def test_rle_decodes_runs_and_skips() -> None:
    frame = bytearray(struct.pack("<16L", 1, 66, *[0] * 14) + b"XY" + b"\x80" + b"\x01ab" + b"\xffc" + b"trail!")
    stream, (plane,) = blank_rle(frame, 4)
    assert plane == b"abcc"
    assert stream.blanked == 8
    assert b"XY" not in frame


def _profile(*tags: tuple[bytes, bytes]) -> bytes:
    position, table, blocks = 132 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += struct.pack(">4sLL", name, position + len(blocks), len(data))
        blocks += data
    head = bytearray(128)
    head[36:40] = b"acsp"
    return bytes(head) + struct.pack(">L", len(tags)) + table + blocks


def test_profiles_keep_numbers_and_lose_text() -> None:
    curve = b"curv" + bytes(4) + struct.pack(">L", 1) + b"\x02\x33\0\0"
    words = b"mluc" + bytes(4) + b"Wexcombe Wexcombe Wexcombe"
    cleaned = icc.cleaned(
        _profile(
            (b"rTRC", curve),
            (b"desc", words),
            (b"cprt", b"text\0\0\0\0Wexcombe"),
            (b"dmnd", b"desc\0\0\0\0\0\0\0\x09Wexcombe\0"),
        )
    )
    assert curve in cleaned
    assert b"Wexcombe" not in cleaned


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        bytes(200),
        _profile()[:128] + struct.pack(">L", 9999),
        _profile((b"x   ", b""))[:136] + struct.pack(">LL", 1, 9),
    ],
    ids=["empty", "no signature", "too many tags", "outside"],
)
def test_what_is_no_profile_is_removed(profile: bytes) -> None:
    assert icc.cleaned(profile) == b""


def test_vocabulary_keeps_descriptions_and_drops_names() -> None:
    assert free_text.reduced("CT Chest, contrast 5mm: Wexcombe 0048151") == "CT Chest contrast 5mm"
    assert "Wexcombe" not in free_text.reduced("CT Chest Wexcombe 0048151")
    assert free_text.reduced("Axial T2 Brain") == "Axial T2 Brain"


@pytest.mark.parametrize("kind", ["application/pdf", "text/xml", "model/stl", "something/else"])
def test_documents_have_a_stand_in_of_even_length(kind: str) -> None:
    assert len(documents.stand_in(kind)) % 2 == 0
    assert b"Removed by de-identification" in documents.stand_in(kind)


def test_character_sets_are_decoded_or_left() -> None:
    assert known_terms(b"\\ISO 2022 IR 87 ") == ["", "ISO 2022 IR 87"]
    assert known_terms(b"NONSENSE") == [""]
    assert decode_text("Müller".encode("latin-1"), "PN", ["ISO_IR 100"]) == "Müller"
    assert decode_text("山田".encode(), "LO", ["ISO_IR 192"]) == "山田"


def test_frames_that_cannot_be_decoded_may_hide_anything() -> None:
    assert decode.has_hidden_bits(b"\xff\xd8nothing", 8)
    assert not decode.has_hidden_bits(JPEG, 8)
    assert decode.has_hidden_bits(imagecodecs.jpegls_encode(SAMPLES.astype(np.uint16) * 100), 12)
