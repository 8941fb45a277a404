"""Every file that pydicom and pydicom-data ship: cleaned, or refused with a reason; samples stay."""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from imaging.deidentify import Options, deidentify
from imaging.errors import ImageRejected, ReasonCode
from imaging.parse import every_element, read
from imaging.profile import Option, safe_private

KEY = bytes(range(32))
ALWAYS_TRUE = (
    *(ReasonCode.NOT_DICOM, ReasonCode.DICOM_DIRECTORY, ReasonCode.MISSING_ATTRIBUTE, ReasonCode.TRUNCATED),
    *(ReasonCode.MALFORMED, ReasonCode.UNSUPPORTED_TRANSFER_SYNTAX, ReasonCode.BAD_UID, ReasonCode.EMPTY),
    *(ReasonCode.UNKNOWN_SOP_CLASS, ReasonCode.BAD_VALUE, ReasonCode.PIXEL_LENGTH, ReasonCode.UNCLEANABLE_SOP_CLASS),
    *(ReasonCode.UNCLEANABLE_PIXELS, ReasonCode.PIXEL_RISK, ReasonCode.EXECUTABLE_PREAMBLE),
)


def real_files() -> list[Path]:
    found: list[Path] = []
    for package in ("pydicom", "data_store"):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            found += [path for path in Path(folder, "data").rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix in (".dcm", "", ".dicom", ".DCM", ".gz", ".zip"))


FILES = real_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_real_file_comes_out_clean_and_whole_or_is_refused(path: Path) -> None:
    data = path.read_bytes()
    try:
        result = deidentify(data, KEY, Options(chosen=frozenset(), pixels_known_clean=True))
    except ImageRejected as rejected:
        assert rejected.code in ALWAYS_TRUE, rejected
        return
    before, after = pydicom.dcmread(BytesIO(data)), pydicom.dcmread(BytesIO(result.data))
    header = b"\n".join(
        bytes(element.value)
        for element in every_element(read(result.data).elements)
        if element.items is None and element.tag != 0x7FE00010
    )
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SOPInstanceUID", "AccessionNumber"):
        value = str(before.get(keyword, "")).strip()
        known = len(value) < 5 or value.isalpha() or value.startswith("1.2.840.10008.")
        assert known or value.encode() not in header, keyword
    assert not any(tag.is_private for tag in after.keys())  # noqa: SIM118 - values must stay unread
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert len(after.get("PixelData") or b"") in range(len(before.get("PixelData") or b"") + 1)
    assert after.get("Rows") == before.get("Rows")


def _arrays(path: Path) -> bool:
    return 20_000 < path.stat().st_size < 2_000_000 and path.parent.name == "test_files"


@pytest.mark.parametrize("path", [path for path in FILES if _arrays(path)][::3], ids=lambda path: path.name)
def test_samples_stay_what_they_were(path: Path) -> None:
    before = pydicom.dcmread(path, force=True)
    try:
        expected = before.pixel_array
        result = deidentify(path.read_bytes(), KEY, Options(pixels_known_clean=True))
    except (ImageRejected, AttributeError, NotImplementedError, RuntimeError, ValueError):
        pytest.skip("no pixels that can be decoded here, or refused")
    after = pydicom.dcmread(BytesIO(result.data)).pixel_array
    mask = (1 << before.BitsStored) - 1
    assert not ((expected.astype("int64") ^ after.astype("int64")) & mask).any()


def test_private_elements_stay_only_when_they_are_known_to_be_safe() -> None:
    kept = frozenset({Option.SAFE_PRIVATE})
    groups = {group for group, _, _ in safe_private()}
    for path in FILES:
        try:
            result = deidentify(path.read_bytes(), KEY, Options(chosen=kept, pixels_known_clean=True))
        except ImageRejected:
            continue
        top = pydicom.dcmread(BytesIO(result.data))
        private = [tag for tag in top.keys() if tag.is_private]  # noqa: SIM118
        assert all(tag.is_private_creator or tag.group in groups for tag in private)
