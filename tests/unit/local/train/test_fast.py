"""The short way into the pipeline uses the ingestion's own library: a file becomes what the function makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from imaging.pixel_digest import pixel_digest
from local.train import fast

KEY = "0" * 64


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as one of the pool's."""
    monkeypatch.setattr(fast, "_LIBRARY", [])
    fast._start_worker(KEY, keep_patient_characteristics=False)


@pytest.mark.usefixtures("worker")
def test_a_file_is_validated_deidentified_and_its_pixels_have_their_digest() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    prepared = fast.prepare(path)
    assert not prepared.refusal
    assert prepared.facts is not None
    assert b"CompressedSamples" in path.read_bytes()
    assert b"CompressedSamples" not in prepared.content
    assert prepared.pixel_sha256 == pixel_digest(prepared.content)


@pytest.mark.usefixtures("worker")
def test_what_is_no_dicom_is_refused_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    assert fast.prepare(tmp_path / "notes.txt") == fast.Prepared(facts=None, content=b"", refusal="NOT_DICOM")
