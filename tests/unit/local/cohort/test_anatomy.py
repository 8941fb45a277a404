"""Fetching fails in a sentence; axes are turned the right way."""

from pathlib import Path

import numpy as np
import pytest

from local.cohort import anatomy
from local.cohort.anatomy import CohortError, load


def test_offline_without_cache_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="--source"):
        load(tmp_path, offline=True)


def test_source_that_is_not_there_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="does not exist"):
        load(tmp_path, tmp_path / "missing.whl")
    wrong = tmp_path / "wrong.whl"
    wrong.write_bytes(b"no archive")
    with pytest.raises(CohortError, match="holds no"):
        load(tmp_path, wrong)


def test_other_bytes_than_the_known_ones_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in anatomy.FILES:
        (source / name).write_bytes(b"something else")
    with pytest.raises(CohortError, match="is not the file"):
        load(tmp_path / "cache", source)


def test_no_package_client_is_an_explained_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anatomy, "_clients", lambda _: [])
    with pytest.raises(CohortError, match="none found"):
        load(tmp_path)


def test_real_source_is_turned_to_image_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([-0.703125, 0.703125, 2.5, 1.0])
    affine[:3, 3] = [166.0, -187.6, -340.0]
    stored = np.zeros((5, 7, 3), np.int16)
    stored[4, 6, 2] = 1500  # patient's left, anterior, head
    labels = np.zeros(stored.shape, np.uint8)
    labels[4, 6, 2], labels[0, 0, 0] = 14, 51
    folder = tmp_path / anatomy.PACKAGE.replace("==", "-")
    folder.mkdir()
    nibabel.save(nibabel.Nifti1Image(stored, affine), folder / "cxr.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "mask.nii.gz")
    monkeypatch.setattr(anatomy, "FILES", {name: _digest(folder / name) for name in anatomy.FILES})
    found = load(tmp_path)
    assert found.hounsfield.shape == (3, 7, 5)
    assert found.hounsfield[2, 0, 4] == 1500, "slice to the head, first row anterior, last column the patient's left"
    assert found.lobes[2, 0, 4] == 14
    assert np.count_nonzero(found.lobes) == 1, "labels that are no lobe are dropped"
    assert np.allclose(found.origin_mm, (-166.0, -(6 * 0.703125 - 187.6), -340.0))


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
