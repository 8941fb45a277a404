"""Patient, study, series and image of a DICOM object as typed models (PS3.3 A.1.2).

The models hold PHI and print none of it. They stay in the PHI zone.
"""

from dataclasses import dataclass, field
from typing import Final

from imaging.dictionary import uid_name
from imaging.parse import ParsedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """The Patient module (PS3.3 C.7.1.1). Every value may be empty, as Type 2 allows."""

    patient_id: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The General Study module (PS3.3 C.7.2.1); dates as DICOM DA (YYYYMMDD)."""

    study_uid: str = field(repr=False)
    study_date: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    description: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """The General Series module (PS3.3 C.7.3.1) and the device that made it (C.7.5.1)."""

    series_uid: str = field(repr=False)
    modality: str = ""
    body_part: str = field(default="", repr=False)
    manufacturer: str = field(default="", repr=False)
    model_name: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """The SOP Common, General Image and Image Pixel modules (PS3.3 C.12.1, C.7.6.1, C.7.6.3).

    Attributes:
        rows, columns: pixels; 0 when the object has no pixel matrix.
        frames: 1 unless Number of Frames says otherwise.
        bits_allocated, bits_stored: bits a sample.
    """

    image_uid: str = field(repr=False)
    sop_class: str
    transfer_syntax: str
    rows: int = 0
    columns: int = 0
    frames: int = 1
    samples: int = 1
    bits_allocated: int = 0
    bits_stored: int = 0
    photometric: str = ""

    @property
    def sop_class_name(self) -> str:
        """Name of the SOP Class in PS3.6 Annex A, or "" when it is not registered."""
        return uid_name(self.sop_class, "SOP Class")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageMetadata:
    """What the platform knows of one object from its header."""

    patient: Patient
    study: Study
    series: Series
    image: Image


_NUMBER_BYTES: Final = 2


def number(parsed: ParsedImage, tag: int, default: int = 0) -> int:
    """An unsigned 16-bit (US) or decimal text (IS) value; `default` when absent, empty or no number."""
    element = parsed.element(tag)
    if element is None or element.items is not None or not len(element.value):
        return default
    if element.vr == "IS":
        text = bytes(element.value).split(b"\\")[0].strip(b" \0")
        if not text:
            return default
        digits = text.removeprefix(b"+")
        return int(digits) if digits.isdigit() and len(digits) <= 12 else -1
    if len(element.value) < _NUMBER_BYTES:
        return -1
    return int.from_bytes(element.value[:_NUMBER_BYTES], "little" if parsed.little else "big")


def extract(parsed: ParsedImage) -> ImageMetadata:
    """The models of a parsed object; nothing is judged here."""
    text = parsed.text
    return ImageMetadata(
        patient=Patient(
            patient_id=text(0x00100020), name=text(0x00100010), birth_date=text(0x00100030), sex=text(0x00100040)
        ),
        study=Study(
            study_uid=text(0x0020000D),
            study_date=text(0x00080020),
            accession_number=text(0x00080050),
            description=text(0x00081030),
        ),
        series=Series(
            series_uid=text(0x0020000E),
            modality=text(0x00080060),
            body_part=text(0x00180015),
            manufacturer=text(0x00080070),
            model_name=text(0x00081090),
        ),
        image=Image(
            image_uid=text(0x00080018),
            sop_class=text(0x00080016),
            transfer_syntax=str(parsed.transfer_syntax),
            rows=number(parsed, 0x00280010),
            columns=number(parsed, 0x00280011),
            frames=number(parsed, 0x00280008, 1),
            samples=number(parsed, 0x00280002, 1),
            bits_allocated=number(parsed, 0x00280100),
            bits_stored=number(parsed, 0x00280101),
            photometric=text(0x00280004),
        ),
    )
