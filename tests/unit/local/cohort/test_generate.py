"""The cohort is whole, reproducible, honest about its labels, and valid by the platform's own rules."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from imaging.deidentify import deidentify
from imaging.parse import read
from imaging.render import values_of
from imaging.validate import validate
from local.cohort.anatomy import SPACING_MM, Anatomy, CohortError
from local.cohort.generate import draw_patient, write_cohort

PATIENTS, SLICES = 12, 2


@pytest.fixture(scope="module")
def cohort(phantom: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort")
    write_cohort(phantom, out, patients=PATIENTS, slices=SLICES, seed=3, codecs=False)
    return out


def _studies(cohort: Path) -> list[dict]:
    return json.loads((cohort / "labels.json").read_text())["studies"]


def test_half_has_pneumonia_and_every_file_is_labelled(cohort: Path) -> None:
    studies = _studies(cohort)
    assert [study["finding"] for study in studies].count("pneumonia") == PATIENTS // 2
    assert {name for study in studies for name in study["files"]} == {
        path.relative_to(cohort).as_posix() for path in cohort.rglob("*.dcm")
    }
    rows = (cohort / "labels.csv").read_text().splitlines()[1:]
    assert rows == [f"{study['study_uid']},{study['finding']}" for study in studies]
    assert len({study["patient_id"] for study in studies}) == len({study["study_uid"] for study in studies}) == PATIENTS


def test_every_image_is_valid_and_can_be_deidentified(cohort: Path) -> None:
    for study in _studies(cohort):
        for name in study["files"]:
            data = (cohort / name).read_bytes()
            metadata = validate(data).metadata
            assert metadata is not None, name
            assert metadata.study.study_uid == study["study_uid"]
            clean = deidentify(data, bytes(range(32))).data
            family = metadata.patient.name.split("^")[0].encode("latin-1")
            assert family in bytes(read(data).source), "the input must hold what is looked for"
            assert family not in clean
            assert metadata.patient.patient_id.encode() not in clean


def test_pixels_decode_to_hounsfield_units_in_every_syntax(cohort: Path) -> None:
    seen: dict[str, tuple[float, float]] = {}
    for study in _studies(cohort):
        values = values_of(pydicom.dcmread(cohort / study["files"][0]))
        assert values.shape == (512, 512)
        seen[study["transfer_syntax"]] = (
            float(np.median(values[:20])),
            float(np.mean((values > -60) & (values < 130))),
        )
    assert len(seen) >= 4, "explicit, implicit, RLE, deflated"
    for air, soft_tissue in seen.values():
        assert air < -950
        assert soft_tissue > 0.12, "share of the slice that is neither air, lung nor bone"


def test_geometry_is_that_of_the_patient(cohort: Path) -> None:
    study = _studies(cohort)[0]
    first, second = (pydicom.dcmread(cohort / name) for name in study["files"])
    assert list(first.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert [float(value) for value in first.PixelSpacing] == [SPACING_MM[1], SPACING_MM[0]]
    step = np.subtract(second.ImagePositionPatient, first.ImagePositionPatient)
    assert np.allclose(step, [0, 0, SPACING_MM[2]]), "slices run to the head"
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


@pytest.mark.parametrize("pneumonia", [True, False], ids=["pneumonia", "normal"])
def test_every_slice_shows_the_finding_or_none_does(phantom: Anatomy, pneumonia: bool) -> None:
    for seed in range(2):
        patient = draw_patient(phantom, np.random.default_rng(seed), pneumonia=pneumonia, slices=3)
        clear = draw_patient(phantom, np.random.default_rng(seed), pneumonia=False, slices=3)
        for image, healthy in zip(patient.slices, clear.slices, strict=True):
            opacity = np.count_nonzero((image - healthy > 400) & (healthy < -600)) * SPACING_MM[0] * SPACING_MM[1]
            assert bool(opacity > 150) is pneumonia


def test_places_and_scanners_do_not_tell_the_label(cohort: Path, phantom: Anatomy) -> None:
    sites = [draw_patient(phantom, np.random.default_rng(9), pneumonia=label, slices=2).site for label in (True, False)]
    assert sites[0] == sites[1]
    studies = _studies(cohort)
    for sick, well in zip(studies[1::2], studies[::2], strict=True):
        assert sick["transfer_syntax"] == well["transfer_syntax"]
        headers = [pydicom.dcmread(cohort / study["files"][0], stop_before_pixels=True) for study in (sick, well)]
        assert headers[0].ConvolutionKernel == headers[1].ConvolutionKernel


def test_same_seed_gives_the_same_bytes(phantom: Anatomy, tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        write_cohort(phantom, tmp_path / name, patients=2, slices=1, seed=seed, codecs=False)
    one, two, three = ((tmp_path / name / "patient-0001/image-01.dcm").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_codecs_are_lossless(phantom: Anatomy, tmp_path: Path) -> None:
    write_cohort(phantom, tmp_path, patients=6, slices=1, seed=5, codecs=True)
    syntaxes = set()
    for path in tmp_path.rglob("*.dcm"):
        data = path.read_bytes()
        assert validate(data).valid
        data_set = pydicom.dcmread(BytesIO(data))
        syntaxes.add(data_set.file_meta.TransferSyntaxUID.name)
        assert values_of(data_set).min() >= -1024
        assert deidentify(data, bytes(range(32))).data
    assert len(syntaxes) == 3


def test_credit_and_nature_of_the_data_are_stated(cohort: Path) -> None:
    text = (cohort / "README.txt").read_text()
    for words in ("CC BY 3.0", "LIDC-IDRI", "TCIA", "one anatomy", "Semi-synthetic"):
        assert words.lower() in text.lower()


def test_a_finding_can_be_asked_to_be_larger(phantom: Anatomy) -> None:
    subtle, asked = (
        draw_patient(phantom, np.random.default_rng(3), pneumonia=True, slices=2, finding_mm2=area)
        for area in (250.0, 900.0)
    )
    assert asked.finding_area_mm2 >= 900.0
    assert subtle.finding_area_mm2 >= 250.0


def test_a_finding_that_no_lobe_has_room_for_is_refused_in_a_sentence(
    phantom: Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cohort.generate._ATTEMPTS", 2)
    with pytest.raises(CohortError, match="ask for less"):
        draw_patient(phantom, np.random.default_rng(3), pneumonia=True, slices=1, finding_mm2=1e6)
