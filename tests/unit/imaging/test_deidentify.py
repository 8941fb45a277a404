"""Nothing that identifies leaves: identifiers planted everywhere are looked for in every byte of the output."""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from imaging.deidentify import Deidentified, Options, deidentify, keys_of
from imaging.errors import ImageRejected, ReasonCode
from imaging.profile import Option
from imaging.pseudonym import Pseudonymizer
from imaging.validate import validate

KEY = bytes(range(32))
IDENTIFIERS = (b"Quillfeather", b"Ambrose", b"MRN0048151", b"ACC7734501", b"19480517", b"1.2.826.0.1.3680043")


def leaks(data: bytes) -> list[str]:
    """Planted identifiers found anywhere in the output, in any case."""
    lowered = data.lower()
    return [value.decode() for value in IDENTIFIERS if value.lower() in lowered]


def decoded(result: Deidentified) -> Any:
    return pydicom.dcmread(BytesIO(result.data))


def _nested(plant: Dataset) -> Dataset:
    holder = Dataset()
    holder.ReferencedImageSequence = [plant]
    outer = Dataset()
    outer.SourceImageSequence = [holder]
    return outer


def _person() -> Dataset:
    plant = Dataset()
    plant.PatientName = "Quillfeather^Ambrose"
    plant.PatientID = "MRN0048151"
    plant.ReferencedSOPInstanceUID = "1.2.826.0.1.3680043.8.498.99"
    return plant


def plant_nested(data_set: Dataset) -> None:
    data_set.update(_nested(_person()))


def plant_in_kept_sequence(data_set: Dataset) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Quillfeather's chest"
    data_set.AnatomicRegionSequence = [code]


def plant_in_unknown_vr_sequence(data_set: Dataset) -> None:
    buffer = BytesIO()
    _person().save_as(buffer, implicit_vr=True, little_endian=True)
    item = buffer.getvalue()
    body = b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item
    pydicom.config.replace_un_with_known_vr = False
    try:
        data_set.add_new(0x00081115, "UN", body)
    finally:
        pydicom.config.replace_un_with_known_vr = True


def plant_private(data_set: Dataset) -> None:
    block = data_set.private_block(0x0009, "QUILLFEATHER 1.0", create=True)
    block.add_new(1, "LO", "MRN0048151")
    block.add_new(2, "SQ", [_person()])
    block.add_new(3, "UN", b"Ambrose Quillfeather")


def plant_private_nested(data_set: Dataset) -> None:
    inner = Dataset()
    inner.private_block(0x0011, "ACME", create=True).add_new(1, "SH", "ACC7734501")
    data_set.update(_nested(inner))


def plant_overlay(data_set: Dataset) -> None:
    data_set.add_new(0x60000010, "US", 16)
    data_set.add_new(0x60000011, "US", 16)
    data_set.add_new(0x60000022, "LO", "Quillfeather")
    data_set.add_new(0x60003000, "OW", b"Ambrose Quillfeather".ljust(32, b"\0"))
    data_set.add_new(0x60024000, "LT", "ACC7734501")


def plant_curve(data_set: Dataset) -> None:
    data_set.add_new(0x50003000, "OW", b"MRN0048151")
    data_set.add_new(0x50022610, "US", 1)


def plant_free_text(data_set: Dataset) -> None:
    data_set.ImageComments = "Ambrose Quillfeather, MRN0048151"
    data_set.AdditionalPatientHistory = "Quillfeather coughs"
    data_set.PixelSpacingCalibrationDescription = "as for Quillfeather"
    data_set.ConvolutionKernel = "AMBROSE"
    data_set.add_new(0x00420010, "ST", "Report of Quillfeather")  # Document Title: no row in Table E.1-1


def plant_names_in_unlisted_fields(data_set: Dataset) -> None:
    data_set.add_new(0x00100050, "SQ", [_person()])  # Patient's Insurance Plan Code Sequence
    data_set.add_new(0x00700084, "PN", "Quillfeather^Ambrose")
    data_set.add_new(0x0040A07A, "SQ", [_person()])


def plant_wrong_vr(data_set: Dataset) -> None:
    data_set.add_new(0x00180090, "LT", "Quillfeather")  # Data Collection Diameter is DS
    data_set.add_new(0x00281101, "LO", "MRN0048151")  # Palette descriptor is US
    data_set.add_new(0x00089999, "LO", "Ambrose Quillfeather")  # no element of PS3.6


def plant_file_meta(data_set: Dataset) -> None:
    data_set.ensure_file_meta()
    data_set.file_meta.SourceApplicationEntityTitle = "QUILLFEATHER"
    data_set.file_meta.PrivateInformationCreatorUID = "1.2.826.0.1.3680043.8.498.77"
    data_set.file_meta.PrivateInformation = b"MRN0048151"


def plant_padding(data_set: Dataset) -> None:
    data_set.add_new(0xFFFCFFFC, "OB", b"Ambrose Quillfeather MRN0048151 ")


PLANTS = [
    plant_nested,
    plant_in_kept_sequence,
    plant_in_unknown_vr_sequence,
    plant_private,
    plant_private_nested,
    plant_overlay,
    plant_curve,
    plant_free_text,
    plant_names_in_unlisted_fields,
    plant_wrong_vr,
    plant_file_meta,
    plant_padding,
]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__[6:])
def test_planted_identifiers_are_gone_and_the_image_is_whole(
    data_set: Dataset, to_bytes: Callable[..., bytes], plant: Callable[[Dataset], None], syntax: str
) -> None:
    plant(data_set)
    data = to_bytes(data_set, syntax)
    assert leaks(data), "the input must hold what is looked for"
    result = deidentify(data, KEY)
    assert leaks(result.data) == []
    assert decoded(result).PixelData == data_set.PixelData
    assert validate(result.data).valid


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__[6:])
def test_the_profile_alone_leaves_nothing_without_the_residual_scan(
    data_set: Dataset, to_bytes: Callable[..., bytes], plant: Callable[[Dataset], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(data_set)
    monkeypatch.setattr("imaging.deidentify.refuse_residue", lambda *_, **__: None)
    assert leaks(deidentify(to_bytes(data_set), KEY).data) == []


def test_preamble_and_trailing_bytes_are_dropped(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data = to_bytes(data_set, preamble=b"Ambrose Quillfeather".ljust(128)) + b"MRN0048151 Quillfeather"
    result = deidentify(data, KEY)
    assert leaks(result.data) == []
    assert result.data[:128] == bytes(128)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian], ids=["big endian", "deflated"]
)
def test_rarer_native_encodings_are_cleaned_too(ct: Callable[..., bytes], syntax: str) -> None:
    result = deidentify(ct(syntax), KEY)
    assert leaks(result.data) == []
    assert decoded(result).Rows == 16
    assert validate(result.data).valid


def test_compressed_pixels_pass_unchanged_and_are_searched(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    before = bytes(data_set.PixelData)
    data_set.compress(RLELossless, generate_instance_uid=False)
    clean = deidentify(to_bytes(data_set, RLELossless), KEY)
    assert decoded(clean).pixel_array.tobytes() == before
    frame = data_set.PixelData
    data_set.PixelData = frame[:-8] + b"Quillfeather" + frame[-8:] if frame.endswith(b"\xdd\xe0\0\0\0\0") else frame
    at = data_set.PixelData.rindex(b"\xfe\xff\x00\xe0") + 4
    size = int.from_bytes(data_set.PixelData[at : at + 4], "little")
    grown = (size + 12).to_bytes(4, "little")
    body = data_set.PixelData[at + 4 : at + 4 + size]
    data_set.PixelData = data_set.PixelData[:at] + grown + body + b"Quillfeather"
    data_set["PixelData"].is_undefined_length = True
    appended = deidentify(to_bytes(data_set, RLELossless), KEY)
    assert leaks(appended.data) == []
    assert decoded(appended).pixel_array.tobytes() == before
    assert appended.report.actions["pixel data, metadata in compressed frames: remove"] == 12


@pytest.mark.parametrize(("signed", "stored"), [(0, 12), (1, 12), (0, 10), (1, 16)], ids=str)
def test_bits_above_those_stored_are_cleared_and_samples_kept(
    data_set: Dataset, to_bytes: Callable[..., bytes], signed: int, stored: int
) -> None:
    samples = [(37 * index) % (1 << stored) for index in range(256)]
    hidden = 0 if stored == 16 else 0xFFFF ^ ((1 << stored) - 1)
    data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = stored, stored - 1, signed
    data_set.PixelData = b"".join(
        (value | (hidden if index % 3 else 0)).to_bytes(2, "little") for index, value in enumerate(samples)
    )
    output = decoded(deidentify(to_bytes(data_set), KEY)).PixelData
    values = [int.from_bytes(output[at : at + 2], "little") for at in range(0, 512, 2)]
    sign = 1 << (stored - 1)
    expected = [value | hidden if signed and value & sign else value for value in samples]
    assert values == expected


def test_uids_are_replaced_consistently_across_images_and_references(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = data_set.SOPInstanceUID
    data_set.SourceImageSequence = [reference]
    output = decoded(deidentify(to_bytes(data_set), KEY))
    expected = Pseudonymizer(KEY).uid(data_set.SOPInstanceUID)
    assert output.SOPInstanceUID == output.file_meta.MediaStorageSOPInstanceUID == expected
    assert output.SourceImageSequence[0].ReferencedSOPInstanceUID == expected
    assert output.SourceImageSequence[0].ReferencedSOPClassUID == CTImageStorage
    assert output.SOPClassUID == CTImageStorage


def test_dates_of_a_patient_move_together_and_keep_their_intervals(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    data_set.AcquisitionDateTime = "20250310120000.5+0100"
    data_set.SeriesDate = "20250101"
    output = decoded(deidentify(to_bytes(data_set), KEY))
    days = Pseudonymizer(KEY).date_shift_days("MRN0048151")
    assert output.StudyDate == f"{date(2025, 3, 9) - timedelta(days=days):%Y%m%d}"
    assert output.SeriesDate == f"{date(2025, 1, 1) - timedelta(days=days):%Y%m%d}"
    assert output.AcquisitionDateTime == f"{date(2025, 3, 10) - timedelta(days=days):%Y%m%d}120000.5+0100"
    assert output.StudyTime == "101112"
    assert output.PatientBirthDate == ""
    assert output.LongitudinalTemporalInformationModified == "MODIFIED"


def test_dates_are_removed_when_no_option_keeps_them(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.AcquisitionDate = "20250309"
    result = deidentify(to_bytes(data_set), KEY, Options(chosen=frozenset()))
    output = decoded(result)
    assert b"2025" not in result.data[:-512]
    assert output.StudyDate == ""
    assert output.LongitudinalTemporalInformationModified == "REMOVED"


@pytest.mark.parametrize("value", ["2025", "202503", "2025.03.09", "yesterday", "99999999", "00010101"], ids=str)
def test_odd_dates_never_pass_unchanged(data_set: Dataset, to_bytes: Callable[..., bytes], value: str) -> None:
    data_set.add(pydicom.DataElement(0x00080020, "DA", value, already_converted=True))
    output = decoded(deidentify(to_bytes(data_set), KEY))
    assert str(output.get_item("StudyDate").value.decode().strip()) != value


def test_statement_of_what_was_done_is_truthful(ct: Callable[..., bytes]) -> None:
    def codes(retain: frozenset[Option]) -> list[str]:
        output = decoded(deidentify(ct(), KEY, Options(chosen=retain)))
        assert output.PatientIdentityRemoved == "YES"
        assert "2026d" in output.DeidentificationMethod
        return [item.CodeValue for item in output.DeidentificationMethodCodeSequence]

    assert codes(frozenset()) == ["113100"]
    assert codes(frozenset({Option.MODIFIED_DATES})) == ["113100", "113107"]
    assert codes(frozenset({Option.MODIFIED_DATES, Option.PATIENT})) == ["113100", "113108", "113107"]


def test_earlier_claims_of_deidentification_are_replaced(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.PatientIdentityRemoved = "NO"
    data_set.DeidentificationMethod = "by hand, Quillfeather"
    output = decoded(deidentify(to_bytes(data_set), KEY))
    assert output.PatientIdentityRemoved == "YES"
    assert "hand" not in output.DeidentificationMethod


@pytest.mark.parametrize(
    ("age", "expected"), [("094Y", "090Y"), ("089Y", "089Y"), ("090Y", "090Y"), ("006M", "006M")], ids=str
)
def test_ages_over_89_become_one_category(
    data_set: Dataset, to_bytes: Callable[..., bytes], age: str, expected: str
) -> None:
    data_set.PatientAge = age
    kept = decoded(deidentify(to_bytes(data_set), KEY, Options(chosen=frozenset({Option.PATIENT}))))
    assert kept.PatientAge == expected
    assert "PatientAge" not in decoded(deidentify(to_bytes(data_set), KEY))


def test_pseudonyms_name_patient_and_file(ct: Callable[..., bytes]) -> None:
    data = ct()
    result = deidentify(data, KEY)
    pseudonymizer = Pseudonymizer(KEY)
    assert result.keys.patient == pseudonymizer.pseudonym("patient", "MRN0048151")
    assert result.keys.study == pseudonymizer.pseudonym("study", "1.2.826.0.1.3680043.8.498.11")
    metadata = validate(data).metadata
    assert metadata is not None
    assert keys_of(metadata, KEY) == result.keys
    assert decoded(result).PatientID == result.keys.patient == str(decoded(result).PatientName)


def test_report_counts_without_telling(ct: Callable[..., bytes]) -> None:
    data = ct()
    report = deidentify(data, KEY).report
    assert report.edition == "PS3.15 2026d"
    assert report.input_sha256 == hashlib.sha256(data).hexdigest()
    assert report.attributes["StudyInstanceUID"] == "replace-uid"
    assert report.actions["not in the table: keep"] > 8
    assert "clean pixel data" in report.not_done
    assert leaks(repr(deidentify(data, KEY)).encode()) == []


def test_output_is_the_same_every_time_and_differs_by_key(ct: Callable[..., bytes]) -> None:
    data = ct()
    assert deidentify(data, KEY).data == deidentify(data, KEY).data
    assert deidentify(data, KEY).data != deidentify(data, KEY[::-1]).data


def test_cleaning_twice_finds_nothing_left_to_refuse(ct: Callable[..., bytes]) -> None:
    once = deidentify(ct(), KEY)
    assert validate(deidentify(once.data, KEY).data).valid


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"BurnedInAnnotation": "YES"}, ReasonCode.BURNED_IN_ANNOTATION, id="burned in"),
        pytest.param({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, ReasonCode.PIXEL_RISK, id="screen save"),
        pytest.param(
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "Modality": "US"}, ReasonCode.PIXEL_RISK, id="ultrasound"
        ),
        pytest.param(
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "OT"}, ReasonCode.PIXEL_RISK, id="capture"
        ),
        pytest.param(
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1", "Modality": "XA"}, ReasonCode.PIXEL_RISK, id="angiogram"
        ),
        pytest.param(
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66", "Modality": "OT"},
            ReasonCode.UNCLEANABLE_SOP_CLASS,
            id="raw data",
        ),
    ],
)
def test_what_cannot_be_cleaned_is_refused(ct: Callable[..., bytes], changes: dict[str, Any], code: ReasonCode) -> None:
    with pytest.raises(ImageRejected) as caught:
        deidentify(ct(**changes), KEY)
    assert caught.value.code is code


def test_the_caller_may_vouch_for_the_pixels(ct: Callable[..., bytes]) -> None:
    data = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", Modality="US")
    assert deidentify(data, KEY, Options(pixels_known_clean=True)).data


def test_residual_scan_refuses_what_a_broken_cleaner_lets_through(
    ct: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imaging.clean.Cleaner.data_set", lambda _, elements: elements)
    with pytest.raises(ImageRejected) as caught:
        deidentify(ct(), KEY)
    assert caught.value.code is ReasonCode.RESIDUAL_IDENTIFIER
    assert leaks(str(caught.value).encode()) == []


def test_dates_cannot_be_kept_and_shifted_at_once() -> None:
    with pytest.raises(ValueError, match="not both"):
        Options(chosen=frozenset({Option.FULL_DATES, Option.MODIFIED_DATES}))


def test_sequences_that_must_not_be_empty_get_a_dummy_item(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    institution = Dataset()
    institution.CodeValue = "QF1"
    institution.CodingSchemeDesignator = "99QUILLFEATHER"
    institution.CodeMeaning = "Clinic of Ambrose Quillfeather"
    data_set.InstitutionCodeSequence = Sequence([institution])
    output = decoded(deidentify(to_bytes(data_set), KEY))
    assert output.InstitutionCodeSequence[0].CodeMeaning == "ANONYMIZED"
