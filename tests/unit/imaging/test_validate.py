"""Each rule of validation refuses what breaks it, names the attribute, and lets valid objects pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits
from imaging.parse import read
from imaging.validate import check, validate

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_valid_image_gives_its_metadata(ct: Callable[..., bytes]) -> None:
    result = validate(ct())
    assert result.valid
    assert result.reason_code == ""
    assert result.metadata is not None
    assert (result.metadata.image.rows, result.metadata.image.columns, result.metadata.image.frames) == (16, 16, 1)
    assert result.metadata.image.transfer_syntax == ExplicitVRLittleEndian
    assert result.metadata.series.modality == "CT"


CASES = [
    ("SOPInstanceUID", {"SOPInstanceUID": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("SOPClassUID", {"SOPClassUID": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("StudyInstanceUID", {"StudyInstanceUID": ""}, ReasonCode.MISSING_ATTRIBUTE),
    ("SeriesInstanceUID", {"SeriesInstanceUID": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("Modality", {"Modality": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("Rows", {"Rows": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("PixelRepresentation", {"PixelRepresentation": None}, ReasonCode.MISSING_ATTRIBUTE),
    ("SOPClassUID", {"SOPClassUID": "1.2.840.10008.1.2"}, ReasonCode.UNKNOWN_SOP_CLASS),
    ("SOPClassUID", {"SOPClassUID": "1.2.3.4"}, ReasonCode.UNKNOWN_SOP_CLASS),
    ("Modality", {"Modality": "MR"}, ReasonCode.BAD_VALUE),
    ("Rows", {"Rows": 0}, ReasonCode.BAD_VALUE),
    ("SamplesPerPixel", {"SamplesPerPixel": 2}, ReasonCode.BAD_VALUE),
    ("BitsAllocated", {"BitsAllocated": 12}, ReasonCode.BAD_VALUE),
    ("BitsStored", {"BitsStored": 17}, ReasonCode.BAD_VALUE),
    ("NumberOfFrames", {"NumberOfFrames": "0"}, ReasonCode.BAD_VALUE),
    ("PixelData", {"NumberOfFrames": "2"}, ReasonCode.PIXEL_LENGTH),
    ("PixelData", {"Columns": 15}, ReasonCode.PIXEL_LENGTH),
    ("PixelData", {"PixelData": bytes(514)}, ReasonCode.PIXEL_LENGTH),
    ("PixelData", {"PixelData": None}, ReasonCode.NO_PIXELS),
    ("PixelData", {"Rows": 65535, "Columns": 65535, "NumberOfFrames": "9999"}, ReasonCode.PIXEL_LIMIT),
]


@pytest.mark.parametrize(("keyword", "changes", "code"), CASES, ids=[f"{code}-{word}" for word, _, code in CASES])
def test_broken_rule_names_code_and_attribute(
    ct: Callable[..., bytes], keyword: str, changes: dict[str, Any], code: ReasonCode
) -> None:
    result = validate(ct(**changes))
    assert not result.valid
    assert (result.reason_code, result.tag_keyword) == (code.value, keyword)
    assert result.reason
    assert result.rule
    assert result.metadata is None


@pytest.mark.parametrize(
    "uid", ["1.2.03", "1..2", ".1.2", "1.2.", "3.1", "1.2.a", "../../etc", "1." + "9" * 63], ids=str
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_invalid_identifiers_are_refused_without_being_repeated(ct: Callable[..., bytes], uid: str) -> None:
    result = validate(ct(StudyInstanceUID=uid))
    assert (result.reason_code, result.tag_keyword) == ("BAD_UID", "StudyInstanceUID")
    assert uid not in result.reason


def test_odd_pixel_bytes_may_be_padded_by_one(data_set: Any, to_bytes: Callable[..., bytes]) -> None:
    data_set.Rows, data_set.Columns, data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 3, 3, 8, 8, 7
    data_set.PixelData = bytes(10)
    data_set["PixelData"].VR = "OB"
    assert validate(to_bytes(data_set)).valid


def test_file_meta_of_another_class_is_refused(ct: Callable[..., bytes]) -> None:
    data = ct()
    other = data.replace(b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.4\0", 1)
    assert validate(other).reason_code == "META_MISMATCH"


def test_missing_patient_id_is_no_reason_to_lose_an_image(ct: Callable[..., bytes]) -> None:
    assert validate(ct(PatientID=None)).valid, "Type 2: may be empty (PS3.3 C.7.1.1)"


def test_own_limits_are_honoured(ct: Callable[..., bytes]) -> None:
    with pytest.raises(ImageRejected) as caught:
        check(read(ct()), Limits(max_pixel_bytes=511))
    assert caught.value.code is ReasonCode.PIXEL_LIMIT


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("CT_small.dcm", "CT"),
        ("MR_small.dcm", "MR"),
        ("MR_small_RLE.dcm", "MR"),
        ("US1_J2KR.dcm", None),
        ("693_J2KI.dcm", None),
        ("JPEG2000.dcm", "NM"),
        ("HTJ2KLossless_08_RGB.dcm", None),
        ("rtdose.dcm", "RTDOSE"),
        ("image_dfl.dcm", "OT"),
        ("ExplVR_BigEnd.dcm", None),
        ("test-SR.dcm", "SR"),
    ],
    ids=str,
)
def test_real_files_of_many_kinds_are_valid(name: str, modality: str | None) -> None:
    path = TEST_FILES / name
    if not path.exists():
        pytest.skip("not shipped inside the pydicom wheel")
    result = validate(path.read_bytes())
    assert result.valid, result.reason
    assert result.metadata is not None
    assert modality is None or result.metadata.series.modality == modality
