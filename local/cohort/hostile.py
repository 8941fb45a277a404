"""Files that must be refused: damaged, mislabelled or made to hurt; each with the reason code it has to meet.

Built in code from one small valid image; classes after reported flaws of DICOM software (bombs, nesting, lengths,
path traversal by UID, executables in the preamble).
"""

import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from imaging.errors import ReasonCode
from local.cohort.dicom import uid_from

_SIZE: Final = 64
_BOMB_BYTES: Final = 200 * 1024 * 1024
_DEPTH: Final = 400


def valid_image() -> bytes:
    """A small valid CT image, from which the others are made."""
    return _file(_data_set())


def _data_set() -> Dataset:
    data_set = Dataset()
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = uid_from("hostile", "image")
    data_set.StudyInstanceUID = uid_from("hostile", "study")
    data_set.SeriesInstanceUID = uid_from("hostile", "series")
    data_set.Modality = "CT"
    data_set.PatientID = "HOSTILE-000001"
    data_set.PatientName = "Hostile^Input"
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = _SIZE
    data_set.BitsAllocated = 16
    data_set.BitsStored = 12
    data_set.HighBit = 11
    data_set.PixelRepresentation = 0
    data_set.PixelData = bytes(2 * _SIZE * _SIZE)
    data_set["PixelData"].VR = "OW"
    return data_set


def _file(data_set: Dataset, preamble: bytes = bytes(128)) -> bytes:
    """Part 10 bytes of a data set that may be wrong in every other way."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid_from("hostile", "image"))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta = meta
    data_set.preamble = preamble
    buffer = BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _changed(**values: object) -> bytes:
    data_set = _data_set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of the very values that are wrong on purpose
        for keyword, value in values.items():
            if value is None:
                del data_set[keyword]
            else:
                setattr(data_set, keyword, value)
        return _file(data_set)


def _with_syntax(syntax: bytes) -> bytes:
    """The valid image under another transfer syntax of the same length on disk."""
    old = ExplicitVRLittleEndian.encode() + b"\0"
    return valid_image().replace(old, syntax.ljust(len(old), b"\0"), 1)


def _deflate_bomb() -> bytes:
    """A deflated data set that inflates to 200 MiB of pixel data (PS3.5 A.5)."""
    plain = valid_image()
    start = _meta_end(plain)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid_from("hostile", "image"))
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = DicomBytesIO()
    write_file_meta_info(head, meta, enforce_standard=True)
    bomb = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    body = bomb.compress(plain[start : -2 * _SIZE * _SIZE])
    block = bytes(1024 * 1024)
    for _ in range(_BOMB_BYTES // len(block)):
        body += bomb.compress(block)
    return bytes(128) + b"DICM" + head.getvalue() + body + bomb.flush()


def _meta_end(data: bytes) -> int:
    """Where the data set starts: the group length is the first file meta element."""
    return 144 + int.from_bytes(data[140:144], "little")


def _nested() -> bytes:
    """400 sequences inside each other; a recursive reader exhausts its stack."""
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    plain = valid_image()
    start = _meta_end(plain)
    return plain[:start] + opening * _DEPTH + closing * _DEPTH + plain[start:]


def _claims_four_gibibytes() -> bytes:
    plain = valid_image()
    at = plain.rindex(b"\xe0\x7f\x10\x00OW\0\0") + 8
    return plain[:at] + b"\xfe\xff\xff\xff" + plain[at + 4 :]


HOSTILE: Final[dict[str, tuple[ReasonCode, Callable[[], bytes]]]] = {
    "zero-bytes.dcm": (ReasonCode.EMPTY, lambda: b""),
    "picture-named-dicom.dcm": (ReasonCode.NOT_DICOM, lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4),
    "notes.txt": (ReasonCode.NOT_DICOM, lambda: b"These are notes of the scanner's service, not an image.\n" * 9),
    "no-preamble.dcm": (ReasonCode.NOT_DICOM, lambda: valid_image()[132:]),
    "executable-preamble.dcm": (
        ReasonCode.EXECUTABLE_PREAMBLE,
        lambda: _file(_data_set(), preamble=b"MZ\x90\0".ljust(128, b"\0")),
    ),
    "truncated-pixels.dcm": (ReasonCode.TRUNCATED, lambda: valid_image()[:-1000]),
    "truncated-header.dcm": (ReasonCode.TRUNCATED, lambda: valid_image()[:391]),
    "only-file-meta.dcm": (ReasonCode.TRUNCATED, lambda: valid_image()[: _meta_end(valid_image())]),
    "claims-four-gibibytes.dcm": (ReasonCode.TRUNCATED, _claims_four_gibibytes),
    "deflate-bomb.dcm": (ReasonCode.INFLATE_LIMIT, _deflate_bomb),
    "nested-400-deep.dcm": (ReasonCode.NESTING_LIMIT, _nested),
    "wrong-pixel-length.dcm": (ReasonCode.PIXEL_LENGTH, lambda: _changed(PixelData=bytes(1000))),
    "claims-huge-matrix.dcm": (
        ReasonCode.PIXEL_LIMIT,
        lambda: _changed(Rows=65535, Columns=65535, NumberOfFrames="2147483647"),
    ),
    "no-pixels.dcm": (ReasonCode.NO_PIXELS, lambda: _changed(PixelData=None)),
    "missing-sop-instance.dcm": (ReasonCode.MISSING_ATTRIBUTE, lambda: _changed(SOPInstanceUID=None)),
    "missing-study.dcm": (ReasonCode.MISSING_ATTRIBUTE, lambda: _changed(StudyInstanceUID=None)),
    "path-in-uid.dcm": (ReasonCode.BAD_UID, lambda: _changed(SOPInstanceUID="../../../../escaped")),
    "wrong-modality.dcm": (ReasonCode.BAD_VALUE, lambda: _changed(Modality="MR")),
    "unknown-sop-class.dcm": (ReasonCode.UNKNOWN_SOP_CLASS, lambda: _changed(SOPClassUID="1.2.3.4.5")),
    "unknown-transfer-syntax.dcm": (
        ReasonCode.UNSUPPORTED_TRANSFER_SYNTAX,
        lambda: _with_syntax(b"1.2.840.10008.9.9.9"),
    ),
    "random-values.dcm": (
        ReasonCode.MALFORMED,
        lambda: bytes(128) + valid_image()[128 : _meta_end(valid_image())] + b"\x11\x22\x33\x44??" * 40,
    ),
}
"""File name -> the code it must be refused with, and its maker."""


def write_hostile(folder: Path) -> list[Path]:
    """Write every hostile file; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, (_, make) in HOSTILE.items():
        path = folder / name
        path.write_bytes(make())
        paths.append(path)
    return paths
