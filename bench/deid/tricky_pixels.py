"""Cases of identifiers in pixel data: unused bits, padding, comments of compressed frames, text drawn into samples."""

import struct

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLossless, JPEGLSLossless, RLELossless

from bench.deid.tricky import SIZE, base, case, encode

_TEXT = b"Ambrose Quillfeather of Wexcombe"


def _samples(data_set: Dataset) -> "np.ndarray[tuple[int, int], np.dtype[np.uint16]]":
    return np.frombuffer(data_set.PixelData, "<u2").reshape(SIZE, SIZE)


def _compressed(data_set: Dataset, frame: bytes, syntax: str) -> bytes:
    data_set.PixelData = encapsulate([frame])
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return encode(data_set, syntax)


def _eight_bit(data_set: Dataset) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit = 7
    return (_samples(data_set) >> 4).astype(np.uint8)


def _after_start(frame: bytes, marker: int, text: bytes) -> bytes:
    """A segment of this marker behind the first marker of the codestream."""
    return frame[:2] + struct.pack(">BBH", 0xFF, marker, len(text) + 2) + text + frame[2:]


@case()
def overlay_in_unused_high_bits() -> bytes:
    data_set = base()
    hidden = np.zeros(SIZE * SIZE, np.uint16)
    bits = np.unpackbits(np.frombuffer(_TEXT, np.uint8))
    hidden[: len(bits)] = bits.astype(np.uint16) << 12
    data_set.PixelData = (_samples(data_set).ravel() | hidden).tobytes()
    data_set.add_new(0x60000010, "US", SIZE)
    data_set.add_new(0x60000011, "US", SIZE)
    data_set.add_new(0x60000100, "US", 16)
    data_set.add_new(0x60000102, "US", 12)
    return encode(data_set)


@case()
def text_in_unused_high_bytes() -> bytes:
    data_set = base()
    data_set.BitsStored, data_set.HighBit = 8, 7
    samples = (_samples(data_set) & 0xFF).ravel().copy()
    samples[: len(_TEXT)] |= np.frombuffer(_TEXT, np.uint8).astype(np.uint16) << 8
    data_set.PixelData = samples.tobytes()
    return encode(data_set)


@case()
def bytes_after_the_last_sample() -> bytes:
    data_set = base()
    data_set.PixelData += _TEXT
    return encode(data_set)


@case()
def comment_in_jpeg() -> bytes:
    data_set = base()
    frame = imagecodecs.jpeg8_encode(_eight_bit(data_set), level=90)
    frame = _after_start(_after_start(frame, 0xFE, _TEXT), 0xE1, b"Exif\0\0" + _TEXT)
    return _compressed(data_set, frame, JPEGBaseline8Bit)


@case()
def bytes_after_the_end_of_jpeg() -> bytes:
    data_set = base()
    frame = imagecodecs.jpeg8_encode(_eight_bit(data_set), level=90)
    return _compressed(data_set, frame + _TEXT, JPEGBaseline8Bit)


@case()
def comment_in_lossless_jpeg() -> bytes:
    data_set = base()
    frame = _after_start(imagecodecs.ljpeg_encode(_samples(data_set), bitspersample=12), 0xFE, _TEXT)
    return _compressed(data_set, frame, JPEGLossless)


@case()
def comment_in_jpeg_ls() -> bytes:
    data_set = base()
    frame = _after_start(imagecodecs.jpegls_encode(_samples(data_set)), 0xFE, _TEXT)
    return _compressed(data_set, frame, JPEGLSLossless)


@case()
def comment_in_jpeg_2000() -> bytes:
    data_set = base()
    frame = imagecodecs.jpeg2k_encode(_samples(data_set), level=0, codecformat="j2k", bitspersample=12)
    at = 4 + int.from_bytes(frame[4:6], "big")
    comment = struct.pack(">BBHH", 0xFF, 0x64, len(_TEXT) + 4, 1) + _TEXT
    return _compressed(data_set, frame[:at] + comment + frame[at:], JPEG2000Lossless)


@case()
def boxes_in_jpeg_2000_file() -> bytes:
    data_set = base()
    frame = imagecodecs.jpeg2k_encode(_samples(data_set), level=0, codecformat="jp2", bitspersample=12)
    box = struct.pack(">L4s", 8 + len(_TEXT), b"xml ") + _TEXT
    return _compressed(data_set, frame[:32] + box + frame[32:] + box, JPEG2000Lossless)


@case()
def bytes_after_an_rle_segment() -> bytes:
    data_set = base()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data_set.compress(RLELossless, generate_instance_uid=False)
    value = data_set.PixelData
    at = value.index(b"\xfe\xff\x00\xe0", 8) + 4
    size = int.from_bytes(value[at : at + 4], "little")
    frame = value[at + 4 : at + 4 + size] + _TEXT
    return _compressed(data_set, frame, RLELossless)


@case(may_refuse=True)
def a_second_codestream_in_one_frame() -> bytes:
    data_set = base()
    pixels = _eight_bit(data_set)
    frame = imagecodecs.jpeg8_encode(pixels, level=90)
    second = _after_start(frame, 0xFE, _TEXT)
    return _compressed(data_set, frame + second, JPEGBaseline8Bit)


@case()
def text_in_the_offset_table() -> bytes:
    data_set = base()
    frame = imagecodecs.jpeg8_encode(_eight_bit(data_set), level=90)
    frame += b"\0" * (len(frame) % 2)
    table = b"Wexcombe"
    items = b"".join(b"\xfe\xff\x00\xe0" + len(part).to_bytes(4, "little") + part for part in (table, frame))
    data_set.PixelData = items + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return encode(data_set, JPEGBaseline8Bit)


@case(may_refuse=True, samples_stay=False)
def burned_in_text_with_the_flag() -> bytes:
    data_set = base()
    data_set.BurnedInAnnotation = "YES"
    return encode(data_set)


@case(may_refuse=True, samples_stay=False)
def ultrasound_without_a_flag() -> bytes:
    data_set = base()
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "US"
    return encode(data_set)


@case(may_refuse=True, samples_stay=False)
def secondary_capture_that_claims_no_text() -> bytes:
    data_set = base()
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.7", "OT"
    data_set.BurnedInAnnotation = "NO"
    return encode(data_set)
