"""Tricky DICOM objects with identifiers planted where de-identifiers overlook them: `python -m bench.deid.tricky DIR`.

Every case starts from one small CT image of an invented patient. The words that are planted stand in `PLANTED`;
`bench.deid.leaks` looks for them. Cases whose content cannot be cleaned by a header profile may be refused.
"""

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

PLANTED: Final = (
    *("Quillfeather", "Ambrose", "MRN0048151", "ACC7734501", "Wexcombe", "Thistlewood", "SN-55120-QF", "555-0147-88"),
    *("Квиллфезер", "クイルフェザー", "山田太郎", "Κουιλφέδερ", "Müßlinger", "김희중", "王小东"),
    *("สมหญิง", "فاطمةزهراء", "רחלמזרחי", "555 014 788", "17 05 48"),
)
PLANTED_DATES: Final = ("19480517", "1948-05-17", "17.05.1948")
PLANTED_UID_ROOT: Final = "1.2.826.0.1.3680043.99.4711"
SIZE: Final = 64


@dataclass(frozen=True)
class Case:
    """One object.

    Attributes:
        make: gives its bytes.
        may_refuse: refusing it with a reason is right as well.
        samples_stay: its pixel samples must come out as they went in.
    """

    make: Callable[[], bytes]
    may_refuse: bool = False
    samples_stay: bool = True


CASES: Final[dict[str, Case]] = {}


def case(
    *, may_refuse: bool = False, samples_stay: bool = True
) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register a maker under its own name."""

    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        CASES[make.__name__.replace("_", "-")] = Case(make, may_refuse, samples_stay)
        return make

    return register


def base(uid: int = 31) -> Dataset:
    """The CT image that every case starts from; samples of 12 bits that spell nothing."""
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = f"{PLANTED_UID_ROOT}.{uid}"
    data_set.StudyInstanceUID = f"{PLANTED_UID_ROOT}.11"
    data_set.SeriesInstanceUID = f"{PLANTED_UID_ROOT}.21"
    data_set.FrameOfReferenceUID = f"{PLANTED_UID_ROOT}.41"
    data_set.Modality, data_set.BodyPartExamined = "CT", "CHEST"
    data_set.PatientID, data_set.PatientName = "MRN0048151", "Quillfeather^Ambrose"
    data_set.PatientBirthDate, data_set.PatientSex = "19480517", "M"
    data_set.StudyDate, data_set.StudyTime, data_set.AccessionNumber = "20250309", "101112", "ACC7734501"
    data_set.Manufacturer, data_set.KVP, data_set.SliceThickness = "Invented Scanners", "120", "1.25"
    data_set.PixelSpacing = ["0.68", "0.68"]
    data_set.ConvolutionKernel = "B70f"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows = data_set.Columns = SIZE
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 16, 12, 11, 0
    samples = (((row * 37) ^ (column * 11)) % 4000 for row in range(SIZE) for column in range(SIZE))
    data_set.PixelData = b"".join(value.to_bytes(2, "little") for value in samples)
    data_set["PixelData"].VR = "OW"
    return data_set


def person() -> Dataset:
    """What is planted inside sequences."""
    plant = Dataset()
    plant.PatientName, plant.PatientID = "Wexcombe^Thistlewood", "MRN0048151"
    plant.ReferencedSOPClassUID = CTImageStorage
    plant.ReferencedSOPInstanceUID = f"{PLANTED_UID_ROOT}.31"
    return plant


def encode(data_set: Dataset, syntax: str = ExplicitVRLittleEndian, preamble: bytes = bytes(128)) -> bytes:
    """Part 10 bytes; a file meta that the case has made is kept."""
    meta = getattr(data_set, "file_meta", FileMetaDataset())
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta, data_set.preamble = meta, preamble
    if syntax == ExplicitVRBigEndian and data_set.get("BitsAllocated") == 16:
        data_set.PixelData = b"".join(
            data_set.PixelData[at + 1 : at + 2] + data_set.PixelData[at : at + 1]
            for at in range(0, len(data_set.PixelData), 2)
        )
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


def encode_items(items: list[Dataset], *, implicit: bool = True) -> bytes:
    """The value of a sequence, as an object of unknown VR carries it (PS3.5 6.2.2)."""
    value = b""
    for item in items:
        buffer = BytesIO()
        pydicom.dcmwrite(buffer, item, implicit_vr=implicit, little_endian=True)
        value += b"\xfe\xff\x00\xe0" + len(buffer.getvalue()).to_bytes(4, "little") + buffer.getvalue()
    return value


def raw_element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """One Explicit VR Little Endian element as bytes, for what pydicom would not write."""
    value += b" " * (len(value) % 2)
    head = group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr
    if vr in (b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR"):
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


def insert(data: bytes, element: bytes) -> bytes:
    """Put an encoded element where its tag belongs at the top level of an Explicit VR Little Endian object."""
    tag = (int.from_bytes(element[:2], "little"), int.from_bytes(element[2:4], "little"))
    position = 144 + int.from_bytes(data[140:144], "little")
    while position < len(data):
        here = (int.from_bytes(data[position : position + 2], "little"),)
        here += (int.from_bytes(data[position + 2 : position + 4], "little"),)
        if here > tag:
            break
        long_form = data[position + 4 : position + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR")
        size = int.from_bytes(data[position + 8 : position + 12], "little") if long_form else 0
        position += 12 + size if long_form else 8 + int.from_bytes(data[position + 6 : position + 8], "little")
    return data[:position] + element + data[position:]


def base_with(*elements: tuple[int, bytes, bytes]) -> bytes:
    """The plain object with (tag, VR, value) put in as they are, which pydicom would not write."""
    data = encode(base())
    for tag, vr, value in elements:
        data = insert(data, raw_element(tag >> 16, tag & 0xFFFF, vr, value))
    return data


def deflated(data: bytes) -> bytes:
    """The same object in the deflated transfer syntax."""
    data_set = pydicom.dcmread(BytesIO(data))
    data_set.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def inflated_tail(data: bytes) -> bytes:
    """A compressed text, as documents and private streams hold."""
    return zlib.compress(data)


def syntaxes() -> dict[str, str]:
    """The native transfer syntaxes by name."""
    return {
        "implicit": ImplicitVRLittleEndian,
        "big-endian": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
    }


def write_all(folder: Path) -> list[Path]:
    """Write every case as a file named after it."""
    from bench.deid import tricky_content, tricky_forms, tricky_headers, tricky_pixels, tricky_shapes  # noqa: F401 - they register

    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, one in CASES.items():
        path = folder / f"{name}.dcm"
        path.write_bytes(one.make())
        paths.append(path)
    return paths


if __name__ == "__main__":
    from bench.deid.tricky import write_all as write

    sys.stdout.write(f"{len(write(Path(sys.argv[1])))} files\n")
