"""A cohort of somebody else: what is accepted, and the sentence for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from local.console import GaveUpError
from local.train.labelled import read_cohort

STUDIES = ("1.2.3", "1.2.4")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two studies of two files, at different depths, beside a file that is no DICOM."""
    for number, study in enumerate(STUDIES * 2):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{study}.{number}"
        dataset.StudyInstanceUID = study
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        folder = tmp_path / ("deep/er" if number else "")
        folder.mkdir(parents=True, exist_ok=True)
        dataset.save_as(folder / f"image{number}", enforce_file_format=True)
    (tmp_path / "notes.txt").write_text("no DICOM")
    return tmp_path


def label(folder: Path, *lines: str) -> None:
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "lines",
    [
        ("study_instance_uid,label", "1.2.3,pneumonia", "1.2.4,normal"),
        ("Label;Study_Instance_UID;remark", "1;1.2.3;x", "0;1.2.4;y"),
        ("\ufeffstudy_instance_uid\tlabel\treader", "1.2.3\tPNEUMONIA\ta", "1.2.4\tNegative\ta", ""),
    ],
    ids=["plain", "semicolons", "tabs-and-byte-order-mark"],
)
def test_studies_are_found_with_their_files_and_findings(cohort: Path, lines: tuple[str, ...]) -> None:
    label(cohort, *lines)
    studies = {study.uid: study for study in read_cohort(cohort)}
    assert {uid: study.finding for uid, study in studies.items()} == {"1.2.3": "pneumonia", "1.2.4": "normal"}
    assert {uid: len(study.files) for uid, study in studies.items()} == {"1.2.3": 2, "1.2.4": 2}


def test_two_readers_who_differ_are_seen(cohort: Path) -> None:
    label(cohort, "study_instance_uid,label,reader", "1.2.3,1,a", "1.2.3,0,b", "1.2.4,1,a", "1.2.4,1,b")
    assert [study.agreed for study in read_cohort(cohort)] == [False, True]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("study_instance_uid", "1.2.3"), "no column label"),
        (("study_instance_uid,label",), "holds no label"),
        (("study_instance_uid,label", "1.2.3,maybe"), "line 2: the label must be pneumonia or normal"),
        (("study_instance_uid,label", "1.2.3,1", "1.2.3,0"), "line 3: this reader labelled this study before"),
        (("study_instance_uid,label", "1.2.3,1", "9.9,0"), r"names 1 studies .* \(line 3\)"),
    ],
    ids=["column", "empty", "label", "twice", "unknown-study"],
)
def test_a_mistake_is_told_with_its_line(cohort: Path, lines: tuple[str, ...], sentence: str) -> None:
    label(cohort, *lines)
    with pytest.raises(GaveUpError, match=sentence):
        read_cohort(cohort)


def test_a_folder_without_labels_is_no_cohort(cohort: Path) -> None:
    with pytest.raises(GaveUpError, match=r"labels\.csv is not there"):
        read_cohort(cohort)
