"""What the research zone keeps of a patient is the stack's decision, and the object says it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pydicom
import pytest

from image_ingestion.library import DicomLibrary
from imaging.pixel_digest import pixel_digest
from training import groups

KEPT_CODE = "113108"  # CID 7050, Retain Patient Characteristics Option


def cleaned(data: bytes, *, keep: bool) -> tuple[bytes, pydicom.Dataset]:
    made = DicomLibrary(lambda: "5a" * 32, keep_patient_characteristics=keep).deidentify(data)
    assert made.pixel_sha256 == pixel_digest(made.data)
    assert made.pixel_sha256
    return made.data, pydicom.dcmread(BytesIO(made.data))


@pytest.mark.parametrize(
    ("age", "kept", "group"),
    [("061Y", "061Y", "60-69"), ("089Y", "089Y", "80-89"), ("101Y", "090Y", "90 and over")],
)
def test_groups_of_sex_and_age_reach_the_model_where_the_stack_keeps_them(
    make_dicom: Callable[..., bytes], age: str, kept: str, group: str
) -> None:
    data, image = cleaned(make_dicom(PatientSex="F", PatientAge=age), keep=True)
    found = groups.of(data)
    assert (found["sex"], found["age"]) == ("F", group)
    assert KEPT_CODE in {code.CodeValue for code in image.DeidentificationMethodCodeSequence}
    assert image.PatientAge == kept


def test_elsewhere_neither_is_left(make_dicom: Callable[..., bytes]) -> None:
    data, image = cleaned(make_dicom(PatientSex="F", PatientAge="061Y"), keep=False)
    found = groups.of(data)
    assert (found["sex"], found["age"]) == ("unknown", "unknown")
    assert KEPT_CODE not in {code.CodeValue for code in image.DeidentificationMethodCodeSequence}
