"""Frames of a DICOM instance as HealthImaging stores them: HTJ2K lossless RPCL with a tile-part per resolution.

Kept as received: JPEG baseline (…4.50), JPEG 2000 (…4.91), HTJ2K (…4.203), HTJ2K RPCL (…4.202), MPEG video and
one-bit segmentations. All else is decoded, encoded to …4.202 and decoded again to prove that nothing was lost.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_frames

HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_2000 = "1.2.840.10008.1.2.4.91"
_VIDEO = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
_NATIVE = (
    "1.2.840.10008.1.2",
    EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
CONTENT_TYPES = {
    HTJ2K_LOSSLESS_RPCL: "image/jphc",
    HTJ2K: "image/jphc",
    _JPEG_BASELINE: "image/jpeg",
    _JPEG_2000: "image/j2c",
    EXPLICIT_VR_LITTLE_ENDIAN: "application/octet-stream",
} | dict.fromkeys(_VIDEO, "video/mp4")
# Decoders by transfer syntax, all of imagecodecs; RLE is pydicom's.
_DECODERS = {
    "1.2.840.10008.1.2.4.51": "jpeg_decode",
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.90": "jpeg2k_decode",
    HTJ2K_LOSSLESS: "htj2k_decode",
}
_LEVELS = 5  # wavelet decompositions that the encoder makes


class PixelError(Exception):
    """The pixel data cannot be imported; the text says why and names no patient."""


class Frame(NamedTuple):
    """One stored frame; `checksums` from the lowest resolution to the full one, CRC-32 of the decoded samples."""

    data: bytes
    content_type: str
    minimum: int
    maximum: int
    checksums: list[dict[str, int]]


class Pixels(NamedTuple):
    """Where the frames of an instance come from and the syntax they are stored in."""

    stored_syntax: str
    frames: Iterator[Frame]


def stored(dataset: Dataset, transfer_syntax: str) -> Pixels:
    """Frames of an instance in stored form, made one at a time; an instance without pixels has none."""
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise PixelError("Float pixel data is not supported")
        return Pixels(EXPLICIT_VR_LITTLE_ENDIAN, iter(()))
    if int(dataset.get("BitsAllocated", 16)) == 1:
        return Pixels(EXPLICIT_VR_LITTLE_ENDIAN, _binary(dataset, transfer_syntax))
    if transfer_syntax in CONTENT_TYPES and transfer_syntax not in _NATIVE:
        return Pixels(transfer_syntax, _as_received(dataset, transfer_syntax))
    return Pixels(HTJ2K_LOSSLESS_RPCL, _transcoded(dataset, transfer_syntax))


def _frame_count(dataset: Dataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def _encapsulated(dataset: Dataset) -> Iterator[bytes]:
    return generate_frames(dataset.PixelData, number_of_frames=_frame_count(dataset))


def _binary(dataset: Dataset, transfer_syntax: str) -> Iterator[Frame]:
    if transfer_syntax not in _NATIVE:
        raise PixelError("A compressed one-bit segmentation is not supported")
    data = bytes(dataset.PixelData)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    size = rows * columns
    for position in range(_frame_count(dataset)):
        packed = np.packbits(bits[position * size : (position + 1) * size], bitorder="little").tobytes()
        checksum = {"Width": columns, "Height": rows, "Checksum": zlib.crc32(packed)}
        yield Frame(packed, CONTENT_TYPES[EXPLICIT_VR_LITTLE_ENDIAN], 0, 1, [checksum])


def _as_received(dataset: Dataset, transfer_syntax: str) -> Iterator[Frame]:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if transfer_syntax in _VIDEO:  # the whole stream is one item, whatever NumberOfFrames says
        streams: Iterator[bytes] = generate_frames(dataset.PixelData, number_of_frames=1)
    else:
        streams = _encapsulated(dataset)
    for data in streams:
        samples = None if transfer_syntax in _VIDEO else _decode_kept(transfer_syntax, data)
        low, high = (0, 0) if samples is None else (int(samples.min()), int(samples.max()))
        crc = zlib.crc32(data if samples is None else np.ascontiguousarray(samples).tobytes())
        checksum = {"Width": columns, "Height": rows, "Checksum": crc}
        yield Frame(data, CONTENT_TYPES[transfer_syntax], low, high, [checksum])


def _decode_kept(transfer_syntax: str, data: bytes) -> np.ndarray:
    name = {_JPEG_BASELINE: "jpeg_decode", _JPEG_2000: "jpeg2k_decode"}.get(transfer_syntax, "htj2k_decode")
    return _decoder(name)(data)


def _decoder(name: str) -> Callable[..., np.ndarray]:
    import imagecodecs

    decode = getattr(imagecodecs, name)

    def guarded(data: bytes, **named: Any) -> np.ndarray:
        try:
            return np.asarray(decode(data, **named))
        except Exception as error:  # imagecodecs raises a class of its own per codec
            raise PixelError(f"The pixel data cannot be decoded ({name}: {type(error).__name__})") from error

    return guarded


def _transcoded(dataset: Dataset, transfer_syntax: str) -> Iterator[Frame]:
    for samples in _samples(dataset, transfer_syntax):
        yield encode(samples)


def _samples(dataset: Dataset, transfer_syntax: str) -> Iterator[np.ndarray]:
    """Decoded frames, rows x columns [x 3], in the sample type of the data set."""
    if transfer_syntax in _NATIVE or transfer_syntax == RLE_LOSSLESS:
        yield from _by_pydicom(dataset)
        return
    if transfer_syntax not in _DECODERS:
        raise PixelError(f"Transfer syntax {transfer_syntax} is not supported")
    decode = _decoder(_DECODERS[transfer_syntax])
    wanted = _sample_type(dataset)
    shape = (int(dataset.Rows), int(dataset.Columns))
    for data in _encapsulated(dataset):
        samples = decode(data)
        if samples.shape[:2] != shape:
            raise PixelError("The decoded frame does not have the size that Rows and Columns say")
        yield samples.view(wanted) if samples.dtype.itemsize == wanted.itemsize else samples.astype(wanted)


def _by_pydicom(dataset: Dataset) -> Iterator[np.ndarray]:
    from pydicom.pixels.utils import iter_pixels

    try:
        yield from iter_pixels(dataset, raw=True)
    except Exception as error:  # pydicom raises several classes for broken pixel data
        raise PixelError(f"The pixel data cannot be read ({type(error).__name__})") from error


def _sample_type(dataset: Dataset) -> np.dtype[Any]:
    allocated = int(dataset.BitsAllocated)
    if allocated not in {8, 16}:
        raise PixelError(f"{allocated} bits allocated are not supported")
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    return np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")


def encode(samples: np.ndarray) -> Frame:
    """HTJ2K lossless, RPCL, TLM in the main header, one tile-part per resolution; proven by decoding it again."""
    import imagecodecs

    if samples.dtype.itemsize > 2 or samples.dtype.kind not in "iu":
        raise PixelError(f"Samples of type {samples.dtype} are not supported")
    samples = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("="))
    data = imagecodecs.htj2k_encode(samples, reversible=True, tlm=True, tilepart=imagecodecs.HTJ2K.TILEPART.RESOLUTIONS)
    checksums = []
    decode = _decoder("htj2k_decode")
    for skipped in range(_LEVELS, -1, -1):
        reduced = decode(data, skipres=skipped) if skipped else decode(data)
        crc = zlib.crc32(np.ascontiguousarray(reduced).tobytes())
        checksums.append({"Width": int(reduced.shape[1]), "Height": int(reduced.shape[0]), "Checksum": crc})
    if checksums[-1]["Checksum"] != zlib.crc32(samples.tobytes()):
        raise PixelError("The frame did not survive the round trip through HTJ2K unchanged")
    content_type = CONTENT_TYPES[HTJ2K_LOSSLESS_RPCL]
    return Frame(bytes(data), content_type, int(samples.min()), int(samples.max()), checksums)
