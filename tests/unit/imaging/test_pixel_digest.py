"""The digest of what an image shows: alike for alike pixels, whatever stands around them."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import RLELossless

from imaging import pixel_digest as under_test
from imaging.deidentify import Options, deidentify
from imaging.pixel_digest import pixel_digest
from training import pixels

_SPEC = importlib.util.spec_from_file_location(
    "digest_slices", Path(__file__).parents[1] / "training" / "test_pixels.py"
)
assert _SPEC is not None and _SPEC.loader is not None
slices: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slices)


def written(**attributes: Any) -> bytes:
    return slices.as_bytes(slices.ct_slice(slices.chest(96), **attributes))


def compressed(content: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.compress(RLELossless)
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


@pytest.mark.parametrize("other", [lambda: written(PatientID="other"), lambda: compressed(written())])
def test_header_and_compression_do_not_matter(other: Any) -> None:
    assert pixel_digest(other()) == pixel_digest(written())


def test_one_grey_level_of_one_pixel_matters() -> None:
    stored = slices.chest(96)
    stored[50, 50] += 1
    assert pixel_digest(slices.as_bytes(slices.ct_slice(stored))) != pixel_digest(written())


@pytest.mark.parametrize("attributes", [{}, {"PixelRepresentation": 0}], ids=["signed", "unsigned"])
def test_training_computes_the_same_digest(attributes: dict[str, Any]) -> None:
    content = written(**attributes)
    read = pixels.load(content)
    assert pixels.digest(read) == pixel_digest(content)


@pytest.mark.parametrize(
    "content",
    [b"no dicom", written(NumberOfFrames=2), written()[:-4000]],
    ids=["no dicom", "frames", "truncated"],
)
def test_what_cannot_be_read_has_none(content: bytes) -> None:
    assert pixel_digest(content) == ""


def test_the_form_is_the_documented_one() -> None:
    import hashlib

    stored = np.asarray(pixels.load(written()).pixel_array)
    wanted = hashlib.sha256(b"96x96:" + stored.astype("<i4").tobytes()).hexdigest()
    assert pixel_digest(written()) == wanted


WITHOUT_NUMPY = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "numpy":
            raise ModuleNotFoundError("No module named 'numpy'", name=name)
sys.meta_path.insert(0, Absent())
import imaging.pixel_digest as under_test
under_test.find_spec = lambda _: None
print([under_test.pixel_digest(open(path, "rb").read()) for path in sys.argv[1:]])
"""


def test_a_functions_layer_has_no_numpy_and_native_pixels_need_none(tmp_path: Path) -> None:
    (tmp_path / "native").write_bytes(written())
    (tmp_path / "compressed").write_bytes(compressed(written()))
    command = [sys.executable, "-c", WITHOUT_NUMPY, str(tmp_path / "native"), str(tmp_path / "compressed")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert told.stdout.strip() == str([pixel_digest(written()), ""]), "compressed pixels have no digest there"


@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "MR_small_implicit.dcm", "CT_small.dcm", "rtdose_1frame.dcm"]
)
def test_byte_order_and_sample_size_do_not_matter(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    assert pixel_digest(path.read_bytes()) == pixels.digest(pydicom.dcmread(path))


SHIPPED = (
    *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "MR_small_implicit.dcm"),
    *("rtdose.dcm", "rtplan.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_small_odd.dcm", "liver_1frame.dcm"),
)


@pytest.mark.parametrize("name", SHIPPED)
def test_cleaning_gives_the_digest_of_what_it_wrote_without_reading_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Path(str(get_testdata_file(name))).read_bytes()
    cleaned = deidentify(content, bytes(range(32)), Options(pixels_known_clean=True))
    wanted = pixel_digest(cleaned.data)
    monkeypatch.setattr(under_test, "read", None)
    assert cleaned.pixel_digest() == wanted


def test_the_shipped_files_have_digests_and_some_have_none() -> None:
    kept = [pixel_digest(Path(str(get_testdata_file(name))).read_bytes()) for name in SHIPPED]
    assert {bool(digest) for digest in kept} == {True, False}
