"""The models hold PHI without showing it."""

from collections.abc import Callable

import pytest

from imaging.metadata import Patient, extract
from imaging.parse import read


def test_values_land_in_their_models(ct: Callable[..., bytes]) -> None:
    metadata = extract(read(ct()))
    assert metadata.patient == Patient(
        patient_id="MRN0048151", name="Quillfeather^Ambrose", birth_date="19480517", sex=""
    )
    assert metadata.study.accession_number == "ACC7734501"
    assert metadata.study.study_date == "20250309"
    assert metadata.series.manufacturer == "Invented Scanners"
    assert metadata.image.sop_class_name == "CT Image Storage"
    assert metadata.image.bits_stored == 12


def test_models_print_no_identifier(ct: Callable[..., bytes]) -> None:
    shown = repr(extract(read(ct()))) + str(extract(read(ct())))
    for value in ("MRN0048151", "Quillfeather", "19480517", "20250309", "ACC7734501", "1.2.826"):
        assert value not in shown


@pytest.mark.parametrize(("frames", "expected"), [("3", 3), ("", 1), ("many", -1), ("3.5", -1)], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_number_of_frames_is_a_number_or_refused(ct: Callable[..., bytes], frames: str, expected: int) -> None:
    data = ct(NumberOfFrames="9999")
    at = data.index(b"9999")
    patched = data[:at] + frames.encode().ljust(4) + data[at + 4 :]
    assert extract(read(patched)).image.frames == expected
