"""The answer as DICOM: what a PACS reads in it, and that it leads back to the images and to the very model."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydantic import ValidationError
from pydicom.uid import generate_uid

from imaging.validate import validate
from services.ai_results.answer import Answer, Provenance, derived_uid
from services.ai_results.capture import capture, enlarged, orientation, overlaid
from services.ai_results.report import ALGORITHM, FINDINGS, OtherModelError, report

_SPEC = importlib.util.spec_from_file_location(
    "answer_slices", Path(__file__).parents[2] / "training" / "test_pixels.py"
)
assert _SPEC is not None and _SPEC.loader is not None
slices: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slices)

STUDY, SERIES, FRAME = "1.2.3.4", "1.2.3.4.5", "1.2.3.9"
ORIGIN = Provenance(
    model_package_arn="arn:aws:sagemaker:us-east-1:111122223333:model-package/pneumonia/12",
    model_version="12",
    snapshot_id="5a" * 16,
    code_commit="c0ffee",
)


def ct(number: int, **attributes: Any) -> pydicom.Dataset:
    made = slices.ct_slice(
        slices.chest(96),
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID=f"{SERIES}.{number}",
        FrameOfReferenceUID=FRAME,
        InstanceNumber=number,
        PatientName="DOE^JANE",
        PatientID="4711",
        PatientBirthDate="19700101",
        PatientSex="F",
        StudyDate="20260101",
        StudyTime="120000",
        StudyID="1",
        AccessionNumber="A1",
        ReferringPhysicianName="",
        PixelSpacing=[0.7, 0.7],
        **attributes,
    )
    return pydicom.dcmread(io.BytesIO(slices.as_bytes(made)))


def answer(probability: float = 0.875, **changes: Any) -> Answer:
    finding = "pneumonia" if probability >= 0.5 else "normal"
    given = {"probability": probability, "finding": finding, "threshold": 0.5, "model_version": "12", **changes}
    return Answer.model_validate(given)


def written(made: Any) -> bytes:
    target = io.BytesIO()
    made.save_as(target)
    return target.getvalue()


@pytest.fixture(scope="module")
def read_back() -> Any:
    """The report of two images, as a PACS reads it."""
    made = report([ct(1), ct(2)], [answer(), answer(0.02)], ORIGIN)
    return hd.sr.srread(io.BytesIO(written(made)))


def test_the_report_is_a_measurement_report_of_the_patients_study(read_back: Any) -> None:
    assert isinstance(read_back.content, hd.sr.MeasurementReport)
    assert (read_back.StudyInstanceUID, read_back.PatientID, read_back.Modality) == (STUDY, "4711", "SR")
    assert (read_back.CompletionFlag, read_back.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert read_back.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def test_each_image_has_its_finding_its_certainty_and_its_reference(read_back: Any) -> None:
    groups = read_back.content.get_image_measurement_groups()
    assert len(groups) == 2
    for group, (number, finding, percent) in zip(groups, [(1, "pneumonia", 87.5), (2, "normal", 2.0)], strict=True):
        assert group.finding_type == FINDINGS[finding]
        (certainty,) = group.get_measurements()
        assert (float(certainty.value), certainty.unit.value) == (percent, "%")
        (image,) = [item for item in group[0].ContentSequence if item.ValueType == "IMAGE"]
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == f"{SERIES}.{number}"


def texts(item: Any) -> list[str]:
    found = [str(item.TextValue)] if "TextValue" in item else []
    for child in item.get("ContentSequence", []):
        found += texts(child)
    return found


def test_the_algorithm_leads_to_the_very_model(read_back: Any) -> None:
    found = texts(read_back)
    for said in (ALGORITHM, "12", f"model package {ORIGIN.model_package_arn}", "code commit c0ffee", "threshold 0.5"):
        assert said in found
    assert f"label snapshot {ORIGIN.snapshot_id}" in found


def test_the_evidence_lists_every_image_that_was_judged(read_back: Any) -> None:
    (study,) = read_back.CurrentRequestedProcedureEvidenceSequence
    listed = [item.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence[0].ReferencedSOPSequence]
    assert listed == [f"{SERIES}.1", f"{SERIES}.2"]


def test_the_same_answer_is_the_same_object_and_another_one_is_not() -> None:
    first, again = (report([ct(1)], [answer()], ORIGIN) for _ in range(2))
    other = report([ct(1)], [answer(0.9)], ORIGIN)
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert pydicom.uid.UID(first.SOPInstanceUID).is_valid


def test_both_objects_are_taken_by_the_platforms_own_validation() -> None:
    heat = capture(ct(1), np.full((64, 64), 0.5), np.eye(4), ORIGIN)
    for made in (report([ct(1)], [answer()], ORIGIN), heat):
        result = validate(written(made))
        assert result.valid, (result.rule, result.reason)


REFUSED: dict[str, Any] = {
    "another version": lambda: report([ct(1)], [answer(model_version="11")], ORIGIN),
    "an answer missing": lambda: report([ct(1), ct(2)], [answer()], ORIGIN),
    "nothing": lambda: report([], [], ORIGIN),
    "two studies": lambda: report(
        [ct(1), _of_another_study(ct(2))],
        [answer(), answer()],
        ORIGIN,
    ),
}


def _of_another_study(image: pydicom.Dataset) -> pydicom.Dataset:
    image.StudyInstanceUID = generate_uid()
    return image


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_a_report_that_would_say_something_untrue_is_refused(make: Any) -> None:
    with pytest.raises(OtherModelError):
        make()


@pytest.mark.parametrize(
    "changes",
    [{"probability": 1.1}, {"probability": float("nan")}, {"finding": "cancer"}, {"model_version": None}],
    ids=["above one", "no number", "unknown finding", "no version"],
)
def test_an_answer_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        answer(**{"finding": "normal", **changes})


# -- the heat map ---------------------------------------------------------------------------------------------------


def test_the_heat_map_is_a_colour_picture_of_the_same_study_that_names_its_source() -> None:
    made = pydicom.dcmread(io.BytesIO(written(capture(ct(3), np.full((64, 64), 0.5), np.eye(4), ORIGIN))))
    assert (made.StudyInstanceUID, made.SOPClassUID.name) == (STUDY, "Secondary Capture Image Storage")
    assert made.pixel_array.shape == (64, 64, 3)
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == f"{SERIES}.3"
    assert "version 12" in made.DerivationDescription and "c0ffee" in made.DerivationDescription
    assert [float(value) for value in made.PixelSpacing] == pytest.approx([0.7 * 96 / 64] * 2)
    assert made.BurnedInAnnotation == "NO"


def test_cold_pixels_stay_as_they_were_and_hot_ones_are_coloured() -> None:
    heat = np.zeros((2, 2))
    heat[0, 0] = 1
    picture = overlaid(np.full((64, 64), 0.5), heat)
    assert picture[-1, -1] == pytest.approx([128] * 3, abs=1)
    red, _, blue = (int(value) for value in picture[0, 0])
    assert red > blue


def test_a_heat_map_is_enlarged_without_shifting() -> None:
    wide = enlarged(np.array([[0.0, 1.0], [0.0, 1.0]]), 8)
    assert wide[:, 0] == pytest.approx(0) and wide[:, -1] == pytest.approx(1)
    assert wide[0] == pytest.approx(1 - wide[0][::-1])


@pytest.mark.parametrize("heat", [np.full((2, 2), 1.5), np.full((2, 2), np.nan), np.zeros(4)])
def test_a_map_of_other_values_is_refused(heat: np.ndarray) -> None:
    with pytest.raises(ValueError, match="heat map"):
        overlaid(np.zeros((8, 8)), heat)


def test_the_orientation_is_the_images_own() -> None:
    assert orientation(ct(1)) == ("L", "P")
    assert orientation(ct(1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])) == ("P", "F")


def test_a_derived_uid_is_a_number_below_2_25() -> None:
    uid = derived_uid("a", "b")
    assert pydicom.uid.UID(uid).is_valid and uid.startswith("2.25.") and len(uid) <= 64
    assert uid == derived_uid("a", "b") != derived_uid("a", "c")
