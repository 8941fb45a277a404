"""A folder of files: nothing is lost, nothing half written, surprises are refusals."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imaging import folder
from imaging.deidentify import Options
from imaging.folder import deidentify_folder
from imaging.inspection import describe
from imaging.limits import Limits

KEY = bytes(range(32))


def test_empty_large_and_surprising_files_are_refused(
    tmp_path: Path, ct: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "empty").write_bytes(b"")
    (source / "large").write_bytes(ct() + bytes(4000))
    (source / "link").symlink_to(source / "large")
    options = Options(limits=Limits(max_bytes=2000))
    codes = [
        record.rejected.code.value
        for record in deidentify_folder(source, tmp_path / "out", KEY, options)
        if record.rejected
    ]
    assert codes == ["EMPTY", "TOO_LARGE"], "links are not followed"

    def surprise(*_: object) -> None:
        raise KeyError("MRN0048151")

    monkeypatch.setattr(folder, "clean", surprise)
    (line,) = [
        record.as_json()
        for record in deidentify_folder(source, tmp_path / "out", KEY, Options())
        if record.source == "large"
    ]
    assert line["reason_code"] == "INTERNAL_ERROR"
    assert "MRN0048151" not in str(line)


def test_a_disk_that_fails_leaves_no_part(
    tmp_path: Path, ct: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "one").write_bytes(ct())

    def no_space(_: object) -> memoryview:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "memoryview", no_space, raising=False)
    (record,) = deidentify_folder(source, tmp_path / "out", KEY, Options())
    assert record.rejected is not None
    assert record.rejected.code.value == "UNREADABLE"
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_large_files_are_mapped(tmp_path: Path, data_set, to_bytes: Callable[..., bytes]) -> None:
    data_set.Rows = data_set.Columns = 1024
    data_set.PixelData = bytes(2 * 1024 * 1024)
    source = tmp_path / "in"
    source.mkdir()
    (source / "one").write_bytes(to_bytes(data_set))
    (record,) = deidentify_folder(source, tmp_path / "out", KEY, Options())
    assert record.output is not None
    assert (tmp_path / "out" / record.output).stat().st_size > 2 * 1024 * 1024


def test_files_read_into_the_same_memory_and_written_in_parts_keep_their_own_bytes(
    tmp_path: Path, data_set, to_bytes: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(1, 4):
        data_set.SOPInstanceUID = f"1.2.3.{number}"
        data_set.PixelData = bytes((number,)) * len(data_set.PixelData)
        (source / str(number)).write_bytes(to_bytes(data_set))
    write = os.writev
    monkeypatch.setattr(os, "writev", lambda file, views: write(file, [views[0][:7]]))
    records = list(deidentify_folder(source, tmp_path / "out", KEY, Options()))
    for number, record in enumerate(records, 1):
        assert record.output is not None
        written = (tmp_path / "out" / record.output).read_bytes()
        assert written.endswith(bytes((number,)) * len(data_set.PixelData))
        assert hashlib.sha256(written).hexdigest() == record.report["output_sha256"]
        assert hashlib.sha256((source / str(number)).read_bytes()).hexdigest() == record.report["input_sha256"]


@pytest.mark.parametrize(("files", "loaded"), [(1, []), (2, ["numpy"])], ids=["few", "many"])
def test_numpy_is_loaded_where_there_are_enough_files_to_pay_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, loaded: list[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(folder, "_NUMPY_PAYS", 2)
    monkeypatch.setattr(folder, "import_module", asked.append)
    source = tmp_path / "in"
    source.mkdir()
    for number in range(files):
        (source / str(number)).write_bytes(b"no DICOM")
    assert len(list(deidentify_folder(source, tmp_path / "out", KEY, Options()))) == files
    assert asked == loaded


def test_what_is_no_dicom_is_described_as_such() -> None:
    assert describe(b"GIF89a")["reason_code"] == "NOT_DICOM"
