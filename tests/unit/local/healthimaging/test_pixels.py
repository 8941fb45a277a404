"""Every stored form of a frame, proven by decoding it."""

from __future__ import annotations

import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from local.healthimaging import pixels

CT = (np.arange(96 * 64, dtype=np.int32).reshape(96, 64) * 7 % 4096 - 1024).astype(np.int16)
GREY = (np.arange(96 * 64).reshape(96, 64) % 251).astype(np.uint8)


def frames_of(dataset: Any) -> tuple[str, list[pixels.Frame]]:
    found = pixels.stored(dataset, str(dataset.file_meta.TransferSyntaxUID))
    return found.stored_syntax, list(found.frames)


@pytest.mark.parametrize("samples", [CT, CT.astype(np.uint16), GREY], ids=["int16", "uint16", "uint8"])
def test_native_pixels_become_htj2k_without_loss(dataset_of: Any, samples: np.ndarray) -> None:
    syntax, (frame,) = frames_of(dataset_of(samples))
    assert syntax == pixels.HTJ2K_LOSSLESS_RPCL
    assert frame.content_type == "image/jphc"
    assert np.array_equal(imagecodecs.htj2k_decode(frame.data), samples)
    assert (frame.minimum, frame.maximum) == (samples.min(), samples.max())


def test_checksums_cover_every_resolution(dataset_of: Any) -> None:
    _, (frame,) = frames_of(dataset_of(CT))
    assert [(one["Width"], one["Height"]) for one in frame.checksums] == [
        (2, 3),
        (4, 6),
        (8, 12),
        (16, 24),
        (32, 48),
        (64, 96),
    ]
    assert frame.checksums[-1]["Checksum"] == zlib.crc32(CT.tobytes())
    half = imagecodecs.htj2k_decode(frame.data, skipres=1)
    assert frame.checksums[-2]["Checksum"] == zlib.crc32(np.ascontiguousarray(half).tobytes())


def test_the_main_header_lists_a_tile_part_per_resolution(dataset_of: Any) -> None:
    """TLM (15444-1 A.7.1) lets a reader cut the stream after any resolution."""
    _, (frame,) = frames_of(dataset_of(CT))
    at = frame.data.index(b"\xff\x55")
    length = int.from_bytes(frame.data[at + 2 : at + 4], "big")
    entries = frame.data[at + 6 : at + 2 + length]
    sizes = [int.from_bytes(entries[start + 2 : start + 6], "big") for start in range(0, len(entries), 6)]
    first = frame.data.index(b"\xff\x90")
    assert len(sizes) == 6
    assert first + sum(sizes) + 2 == len(frame.data)  # the last two bytes are EOC
    assert at < first


def test_several_frames_stay_apart(dataset_of: Any) -> None:
    stack = np.stack([CT, CT + 1, CT + 2])
    _, found = frames_of(dataset_of(stack))
    assert [frame.minimum for frame in found] == [int(CT.min()) + n for n in range(3)]


def test_colour_is_kept_interleaved(dataset_of: Any) -> None:
    colour = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
    dataset = dataset_of(GREY, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = colour.tobytes()
    _, (frame,) = frames_of(dataset)
    assert np.array_equal(imagecodecs.htj2k_decode(frame.data), colour)


def compressed(dataset_of: Any, samples: np.ndarray, syntax: str, data: bytes) -> Any:
    dataset = dataset_of(samples, syntax=syntax)
    dataset.PixelData = encapsulate([data])
    dataset["PixelData"].is_undefined_length = True
    return dataset


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        pytest.param("1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode, id="jpeg-lossless"),
        pytest.param("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode, id="jpeg-ls"),
        pytest.param("1.2.840.10008.1.2.4.90", lambda a: imagecodecs.jpeg2k_encode(a, reversible=True), id="j2k"),
        pytest.param("1.2.840.10008.1.2.4.201", lambda a: imagecodecs.htj2k_encode(a, reversible=True), id="htj2k"),
    ],
)
def test_other_lossless_syntaxes_are_decoded_and_stored_as_htj2k(dataset_of: Any, syntax: str, encode: Any) -> None:
    samples = CT.view(np.uint16) & 0x0FFF
    stored, (frame,) = frames_of(compressed(dataset_of, samples, syntax, encode(samples)))
    assert stored == pixels.HTJ2K_LOSSLESS_RPCL
    assert np.array_equal(imagecodecs.htj2k_decode(frame.data), samples)


def test_run_length_encoded_pixels_are_read(dataset_of: Any) -> None:
    dataset = dataset_of(CT)
    dataset.compress(RLELossless)
    stored, (frame,) = frames_of(dataset)
    assert stored == pixels.HTJ2K_LOSSLESS_RPCL
    assert np.array_equal(imagecodecs.htj2k_decode(frame.data), CT)


@pytest.mark.parametrize(
    ("syntax", "encode", "content_type"),
    [
        pytest.param("1.2.840.10008.1.2.4.50", imagecodecs.jpeg_encode, "image/jpeg", id="jpeg"),
        pytest.param("1.2.840.10008.1.2.4.91", lambda a: imagecodecs.jpeg2k_encode(a, level=40), "image/j2c", id="j2k"),
        pytest.param("1.2.840.10008.1.2.4.203", imagecodecs.htj2k_encode, "image/jphc", id="htj2k"),
    ],
)
def test_what_the_service_keeps_is_stored_as_received(
    dataset_of: Any, syntax: str, encode: Any, content_type: str
) -> None:
    data = encode(GREY)
    stored, (frame,) = frames_of(compressed(dataset_of, GREY, syntax, data))
    assert stored == syntax
    assert frame.content_type == content_type
    assert frame.data.startswith(data)
    assert len(frame.data) - len(data) <= 1  # an odd length is padded in the file


def test_a_one_bit_segmentation_stays_as_it_is(dataset_of: Any) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (2, 10, 13)).astype(np.uint8)
    dataset = dataset_of(bits[0], NumberOfFrames=2, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.Rows, dataset.Columns = 10, 13
    dataset.PixelData = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    stored, found = frames_of(dataset)
    assert stored == pixels.EXPLICIT_VR_LITTLE_ENDIAN
    for frame, expected in zip(found, bits, strict=True):
        unpacked = np.unpackbits(np.frombuffer(frame.data, np.uint8), bitorder="little")[:130]
        assert np.array_equal(unpacked.reshape(10, 13), expected)


def test_an_instance_without_pixels_has_no_frames(dataset_of: Any) -> None:
    assert frames_of(dataset_of(None)) == (pixels.EXPLICIT_VR_LITTLE_ENDIAN, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"syntax": "1.2.840.10008.1.2.4.999"}, "is not supported", id="unknown-syntax"),
        pytest.param({"Rows": 4000}, "cannot be read", id="too-short"),
        pytest.param({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "Rows": 48}, "not supported", id="32-bit"),
    ],
)
def test_what_cannot_be_stored_says_why(dataset_of: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pixels.PixelError, match=words):
        frames_of(dataset_of(CT, **changes))


def test_a_broken_stream_is_an_error_of_its_own(dataset_of: Any) -> None:
    with pytest.raises(pixels.PixelError, match="cannot be decoded"):
        frames_of(compressed(dataset_of, GREY, "1.2.840.10008.1.2.4.80", b"\xff\xd8\xff\xf7 no such stream"))


def test_a_frame_of_the_wrong_size_is_refused(dataset_of: Any) -> None:
    data = imagecodecs.jpegls_encode(GREY[:50])
    with pytest.raises(pixels.PixelError, match="Rows and Columns"):
        frames_of(compressed(dataset_of, GREY, "1.2.840.10008.1.2.4.80", data))
