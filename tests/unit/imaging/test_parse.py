"""Reading stays within its bounds and refuses with nothing but ImageRejected."""

import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from imaging.deidentify import Options, deidentify
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits
from imaging.parse import TRANSFER_SYNTAXES, every_element, read
from imaging.validate import validate

REAL_FILES = Path(pydicom.__file__).parent / "data"
NATIVE = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def real_files() -> list[Path]:
    kept = [path for path in REAL_FILES.rglob("*") if path.is_file() and path.suffix in (".dcm", "")]
    return sorted(path for path in kept if path.stat().st_size < 700_000)


SEEDS = [path for path in real_files() if path.stat().st_size < 60_000]


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda uid: uid.name)
def test_values_read_the_same_in_every_native_encoding(ct: Callable[..., bytes], syntax: str) -> None:
    parsed = read(ct(syntax))
    assert parsed.text(0x00100020) == "MRN0048151"
    assert parsed.text(0x0020000D).endswith(".11")
    assert parsed.trailing_bytes == 0


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_elements_of_real_files_agree_with_pydicom(path: Path) -> None:
    try:
        parsed = read(path.read_bytes())
    except ImageRejected:
        pytest.skip("refused: no Part 10 file, or damaged on purpose")
    expected = pydicom.dcmread(path)
    ours = {element.tag for element in parsed.elements if element.tag & 0xFFFF}
    assert ours == {int(tag) for tag in expected.keys() if tag.element}  # noqa: SIM118 - values must stay unread
    assert parsed.text(0x00080018) == str(expected.get("SOPInstanceUID", "")).strip()


def test_most_real_files_of_the_pydicom_package_are_readable() -> None:
    readable = 0
    for path in real_files():
        try:
            read(path.read_bytes())
            readable += 1
        except ImageRejected as rejected:
            assert rejected.code in ReasonCode
    assert readable > 100, "a reader that refuses ordinary files proves nothing by refusing hostile ones"


def test_pydicom_sees_the_same_data_set(ct: Callable[..., bytes]) -> None:
    for syntax in NATIVE:
        assert str(read(ct(syntax)).dataset().PatientName) == "Quillfeather^Ambrose"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda data: b"", ReasonCode.EMPTY, id="no bytes"),
        pytest.param(lambda data: data[132:], ReasonCode.NOT_DICOM, id="no preamble"),
        pytest.param(lambda data: b"PK" + data[2:128] + b"XXXX" + data[132:], ReasonCode.NOT_DICOM, id="no prefix"),
        pytest.param(lambda data: b"MZ" + data[2:], ReasonCode.EXECUTABLE_PREAMBLE, id="executable"),
        pytest.param(lambda data: data[:-3], ReasonCode.TRUNCATED, id="cut in the pixels"),
        pytest.param(lambda data: data[:200], ReasonCode.TRUNCATED, id="cut in the file meta"),
    ],
)
def test_damage_to_the_envelope_has_its_own_code(
    ct: Callable[..., bytes], change: Callable[[bytes], bytes], code: ReasonCode
) -> None:
    with pytest.raises(ImageRejected) as caught:
        read(change(ct()))
    assert caught.value.code is code


def test_object_larger_than_the_limit_is_not_read(ct: Callable[..., bytes]) -> None:
    with pytest.raises(ImageRejected) as caught:
        read(ct(), Limits(max_bytes=100))
    assert caught.value.code is ReasonCode.TOO_LARGE


def test_deflated_object_inflates_within_the_limit_only(ct: Callable[..., bytes]) -> None:
    data = ct(DeflatedExplicitVRLittleEndian)
    assert read(data).text(0x00080060) == "CT"
    with pytest.raises(ImageRejected) as caught:
        read(data, Limits(max_inflated_bytes=300))
    assert caught.value.code is ReasonCode.INFLATE_LIMIT


def test_deflate_bomb_costs_its_limit_and_not_its_claim(ct: Callable[..., bytes]) -> None:
    data = ct(DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(data[140:144], "little")
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(compressor.compress(bytes(2**20)) for _ in range(64)) + compressor.flush()
    with pytest.raises(ImageRejected) as caught:
        read(data[:start] + bomb, Limits(max_inflated_bytes=2**22))
    assert caught.value.code is ReasonCode.INFLATE_LIMIT


@pytest.mark.parametrize("explicit_length", [True, False], ids=["defined length", "undefined length"])
def test_sequences_nest_to_the_limit_and_not_beyond(
    data_set: Dataset, to_bytes: Callable[..., bytes], explicit_length: bool
) -> None:
    inner = Dataset()
    inner.PatientID = "deep"
    for _ in range(20):
        outer = Dataset()
        outer.ReferencedImageSequence = [inner]
        outer["ReferencedImageSequence"].is_undefined_length = not explicit_length
        inner = outer
    data_set.update(inner)
    data = to_bytes(data_set)
    assert any(bytes(element.value) == b"deep" for element in every_element(read(data, Limits(max_depth=20)).elements))
    with pytest.raises(ImageRejected) as caught:
        read(data, Limits(max_depth=19))
    assert caught.value.code is ReasonCode.NESTING_LIMIT


def test_number_of_elements_is_bounded(ct: Callable[..., bytes]) -> None:
    with pytest.raises(ImageRejected) as caught:
        read(ct(), Limits(max_elements=5))
    assert caught.value.code is ReasonCode.ELEMENT_LIMIT


def test_bytes_after_the_pixel_data_are_counted_and_left_unread(ct: Callable[..., bytes]) -> None:
    parsed = read(ct() + b"Quillfeather was here")
    assert parsed.trailing_bytes == 21
    assert parsed.elements[-1].tag == 0x7FE00010


def test_pixels_behind_an_address_are_not_accepted() -> None:
    assert "1.2.840.10008.1.2.4.94" not in TRANSFER_SYNTAXES, "JPIP keeps the pixels outside the object"
    assert RLELossless in TRANSFER_SYNTAXES
    assert len(TRANSFER_SYNTAXES) > 40


def test_refusals_repeat_no_value_of_the_object(ct: Callable[..., bytes]) -> None:
    data = ct()
    at = data.index(b"Quillfeather")
    with pytest.raises(ImageRejected) as caught:
        read(data[: at + 6])
    assert "Quill" not in str(caught.value)
    assert caught.value.tag_keyword == "PatientName"


def test_character_sets_are_honoured(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    data_set.PatientName = "Yamada^Tarou=山田^太郎"
    assert read(to_bytes(data_set)).text(0x00100010) == "Yamada^Tarou=山田^太郎"


def test_validation_needs_neither_numpy_nor_imagecodecs() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; sys.modules['imagecodecs'] = None\n"
        "import imaging.validate, imaging.deidentify, imaging.htj2k, imaging.render, imaging.pseudonym\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _judge(data: bytes) -> None:
    """Everything the platform does with an untrusted object; anything but ImageRejected fails the test."""
    validate(data)
    try:
        deidentify(data, bytes(range(32)), Options(pixels_known_clean=True))
    except ImageRejected as rejected:
        assert rejected.code in ReasonCode


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_real_files_meet_a_verdict_and_never_another_error(data: st.DataObject) -> None:
    original = bytearray(data.draw(st.sampled_from(SEEDS)).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(original) - 1))
        original[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    _judge(bytes(original))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_truncated_real_files_meet_a_verdict_and_never_another_error(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(SEEDS)).read_bytes()
    _judge(original[: data.draw(st.integers(0, len(original)))])


@settings(max_examples=80, deadline=None)
@given(body=st.binary(max_size=400))
def test_random_data_sets_meet_a_verdict_and_never_another_error(body: bytes) -> None:
    plain = BytesIO()
    head = Dataset()
    head.ensure_file_meta()
    head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    head.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    head.save_as(plain, enforce_file_format=True)
    _judge(plain.getvalue() + body)
