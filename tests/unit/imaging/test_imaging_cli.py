"""`python -m imaging` answers in JSON lines, with exit codes that scripts can trust and no identifier."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imaging.__main__ import KEY_VARIABLE, app

KEY_TEXT = bytes(range(32)).hex()


@pytest.fixture
def folder(tmp_path: Path, ct: Callable[..., bytes]) -> Path:
    (tmp_path / "a-good.dcm").write_bytes(ct())
    (tmp_path / "b-bad.dcm").write_bytes(b"not an image")
    return tmp_path


def _lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_validate_judges_each_file(folder: Path) -> None:
    done = CliRunner().invoke(app, ["validate", str(folder)])
    good, bad = _lines(done.stdout)
    assert (good["valid"], good["modality"], good["rows"]) == (True, "CT", 16)
    assert (bad["valid"], bad["reason_code"]) == (False, "NOT_DICOM")
    assert done.exit_code == 1
    assert CliRunner().invoke(app, ["validate", str(folder / "a-good.dcm")]).exit_code == 0


def test_inspect_shows_structure_and_no_value(folder: Path) -> None:
    done = CliRunner().invoke(app, ["inspect", str(folder / "a-good.dcm")])
    (line,) = _lines(done.stdout)
    assert "PatientName:PN" in str(line["attributes"])
    assert "Quillfeather" not in done.stdout
    assert "1.2.826" not in done.stdout


def test_deidentify_writes_copies_under_pseudonyms(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["deidentify", str(folder), "--out", str(out)], env={KEY_VARIABLE: KEY_TEXT})
    assert done.exit_code == 1, "one of two was refused"
    (written,) = out.rglob("*.dcm")
    assert b"Quillfeather" not in written.read_bytes()
    assert "MRN0048151" not in done.stdout
    assert [line["deidentified"] for line in _lines(done.stdout)] == [True, False]


@pytest.mark.parametrize("key", ["", "abc", "00" * 8], ids=["none", "no hex", "short"])
def test_without_a_key_nothing_is_written(folder: Path, tmp_path: Path, key: str) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["deidentify", str(folder), "--out", str(out)], env={KEY_VARIABLE: key})
    assert done.exit_code == 2
    assert not out.exists()
    assert KEY_VARIABLE in done.stderr


def test_help_explains_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(command in shown for command in ("validate", "inspect", "deidentify"))
