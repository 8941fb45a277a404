"""Compressed pixel data that cannot be searched for text and hidden bits does not leave; what can, leaves unchanged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from imaging.deidentify import deidentify
from imaging.errors import ImageRejected
from imaging.validate import validate

SAMPLES = (np.arange(256).reshape(16, 16) * 7 % 200).astype(np.uint8)
J2K = imagecodecs.jpeg2k_encode(SAMPLES, level=0, codecformat="j2k")
DEEP = imagecodecs.jpeg2k_encode(SAMPLES.astype(np.uint16) * 300, level=0, codecformat="j2k")
RLE = struct.pack("<16L", 1, 64, *[0] * 14) + b"".join(b"\x0f" + bytes(row) for row in SAMPLES)
MPEG2 = "1.2.840.10008.1.2.4.100"


@pytest.fixture
def compressed(data_set: Any, to_bytes: Callable[..., bytes]) -> Callable[..., bytes]:
    """`compressed(frames, syntax, **attributes)`: an 8-bit image of 16 x 16 with these frames."""

    def make(frames: list[bytes], syntax: str = JPEG2000Lossless, **changes: Any) -> bytes:
        data_set.Rows = data_set.Columns = 16
        data_set.BitsAllocated = data_set.BitsStored = 8
        data_set.HighBit, data_set.PixelRepresentation = 7, 0
        for keyword, value in changes.items():
            setattr(data_set, keyword, value)
        data_set.PixelData = encapsulate(frames, has_bot=False) if frames else b"\xfe\xff\x00\xe0" + bytes(4)
        data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
        return to_bytes(data_set, syntax)

    return make


@pytest.mark.parametrize(("frame", "syntax"), [(J2K, JPEG2000Lossless), (RLE, RLELossless)], ids=["J2K", "RLE"])
def test_a_whole_compressed_frame_leaves_with_the_same_samples(
    compressed: Any, key: bytes, frame: bytes, syntax: str
) -> None:
    from pydicom import dcmread

    found = dcmread(DicomBytesIO(deidentify(compressed([frame], syntax), key).data))
    (kept,) = generate_frames(found.PixelData, number_of_frames=1)
    if syntax == RLELossless:
        assert (found.pixel_array == SAMPLES).all()
    else:
        assert (imagecodecs.jpeg2k_decode(kept) == SAMPLES).all()


REFUSED: dict[str, tuple[list[bytes], str, dict[str, Any], str]] = {
    "a video": ([b"\0\0\1\xb3" + bytes(60)], MPEG2, {}, "UNCLEANABLE_PIXELS"),
    "a damaged frame": ([b"\xff\xd8\x00\x00" + bytes(60)], JPEGBaseline8Bit, {}, "UNCLEANABLE_PIXELS"),
    "RLE that is cut": ([RLE[:70]], RLELossless, {}, "UNCLEANABLE_PIXELS"),
    "more codestreams than frames": ([J2K, J2K], JPEG2000Lossless, {}, "PIXEL_LENGTH"),
    "bits above those stored": (
        [DEEP],
        JPEG2000Lossless,
        {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11},
        "PIXEL_RISK",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cleaned_does_not_leave(compressed: Any, key: bytes, name: str) -> None:
    frames, syntax, changes, code = REFUSED[name]
    with pytest.raises(ImageRejected) as refused:
        deidentify(compressed(frames, syntax, **changes), key)
    assert refused.value.code.value == code


@pytest.mark.parametrize(
    ("frames", "changes"), [([], {}), ([J2K], {"NumberOfFrames": "2"})], ids=["no fragment", "too few fragments"]
)
def test_compressed_pixel_data_without_a_frame_each_is_not_valid(
    compressed: Any, frames: list[bytes], changes: dict[str, Any]
) -> None:
    result = validate(compressed(frames, **changes))
    assert (result.reason_code, result.tag_keyword) == ("PIXEL_LENGTH", "PixelData")


@pytest.mark.parametrize(
    ("offsets", "lengths", "stays"),
    [
        ((0, len(J2K) + len(J2K) % 2 + 8), (len(J2K), len(J2K)), True),
        ((0, len(J2K) + len(J2K) % 2 + 8), (len(J2K) + len(J2K) % 2,) * 2, True),
        ((0, 0x626D6F6378655700), (len(J2K), len(J2K)), False),
        ((0,), (len(J2K),), False),
    ],
    ids=["as it is", "padding counted", "text", "too short"],
)
def test_an_extended_offset_table_stays_only_where_it_is_true(
    compressed: Any, key: bytes, offsets: tuple[int, ...], lengths: tuple[int, ...], stays: bool
) -> None:
    from pydicom import dcmread

    table = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    values = {keyword: struct.pack(f"<{len(numbers)}Q", *numbers) for keyword, numbers in table.items()}
    cleaned = dcmread(DicomBytesIO(deidentify(compressed([J2K, J2K], NumberOfFrames=2, **values), key).data))
    assert [keyword in cleaned for keyword in values] == [stays, stays]
    assert len(list(generate_frames(cleaned.PixelData, number_of_frames=2))) == 2


def test_thousands_of_fragments_in_one_frame_cost_no_more_than_their_bytes(compressed: Any, key: bytes) -> None:
    fragments = [J2K[at : at + 2].ljust(2, b"\0") for at in range(0, len(J2K), 2)] + [b"\0\0"] * 50_000
    data = compressed([J2K])
    at = data.index(b"\xfe\xff\x00\xe0", data.index(b"\xe0\x7f\x10\x00OB"))
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(part)) + part for part in [b"", *fragments])
    cleaned = deidentify(data[:at] + items + b"\xfe\xff\xdd\xe0" + bytes(4), key)
    assert len(cleaned.data) > 50_000 * 10
