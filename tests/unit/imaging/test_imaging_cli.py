"""`python -m imaging` answers in JSON lines, with exit codes that scripts can trust and no identifier."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imaging.__main__ import app

KEY_TEXT = bytes(range(32)).hex()


@pytest.fixture
def folder(tmp_path: Path, ct: Callable[..., bytes]) -> Path:
    (tmp_path / "a-good.dcm").write_bytes(ct())
    (tmp_path / "b-bad.dcm").write_bytes(b"not an image")
    return tmp_path


def _lines(output: str) -> list[dict[str, Any]]:
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


@pytest.fixture
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "key.txt"
    path.write_text(KEY_TEXT + "\n")
    return path


@pytest.mark.parametrize("workers", ["1", "2"])
def test_deidentify_writes_copies_under_pseudonyms(folder: Path, key_file: Path, tmp_path_factory, workers) -> None:
    out = tmp_path_factory.mktemp("out")
    report = out.with_suffix(".jsonl")
    arguments = ["deidentify", str(folder), str(out), "--profile", "basic", "--key-file", str(key_file)]
    arguments += ["--option", "retain-longitudinal-modified-dates", "--report", str(report), "--workers", workers]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, "one of two was refused"
    (written,) = [path for path in out.rglob("*") if path.is_file()]
    assert b"Quillfeather" not in written.read_bytes()
    good, bad = _lines(report.read_text())
    assert (good["status"], good["input"]) == ("deidentified", "a-good.dcm")
    assert out / str(good["output"]) == written
    assert good["options"] == ["retain-longitudinal-modified-dates"]
    assert good["output_sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
    assert good["actions"]["table E.1-1: shift"] >= 1
    assert (bad["status"], bad["output"], bad["reason_code"]) == ("refused", None, "NOT_DICOM")
    assert not any(word in report.read_text() for word in ("MRN0048151", "Quillfeather", "1.2.826"))


def test_files_of_one_identity_all_arrive(folder: Path, key_file: Path, tmp_path_factory) -> None:
    (folder / "c-twin.dcm").write_bytes((folder / "a-good.dcm").read_bytes())
    out = tmp_path_factory.mktemp("out")
    done = CliRunner().invoke(app, ["deidentify", str(folder), str(out), "--key-file", str(key_file)])
    names = [line["output"] for line in _lines(done.stdout) if line["status"] == "deidentified"]
    assert len(set(names)) == 2
    assert all((out / name).is_file() for name in names)


@pytest.mark.parametrize("key", ["", "abc", "00" * 8], ids=["none", "no hex", "short"])
def test_without_a_key_nothing_is_written(folder: Path, tmp_path_factory, key: str) -> None:
    base = tmp_path_factory.mktemp("none")
    (base / "key").write_text(key)
    out = base / "out"
    done = CliRunner().invoke(app, ["deidentify", str(folder), str(out), "--key-file", str(base / "key")])
    assert done.exit_code == 2
    assert not out.exists()
    assert "32 bytes" in done.stderr


def test_a_folder_is_not_cleaned_into_itself(folder: Path, key_file: Path) -> None:
    done = CliRunner().invoke(app, ["deidentify", str(folder), str(folder / "out"), "--key-file", str(key_file)])
    assert done.exit_code == 2
    assert "apart" in done.stderr


def test_inspect_draws_a_page_and_hides_values_until_asked(folder: Path, tmp_path_factory) -> None:
    page = tmp_path_factory.mktemp("page") / "page.html"
    CliRunner().invoke(app, ["inspect", str(folder / "a-good.dcm"), "--html", str(page)])
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "Quillfeather" not in text
    done = CliRunner().invoke(app, ["inspect", str(folder / "a-good.dcm"), "--values", "--html", str(page)])
    assert "Quillfeather" in page.read_text()
    assert "Quillfeather" in done.stdout


def test_help_explains_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(command in shown for command in ("validate", "inspect", "deidentify"))


def test_deidentify_takes_a_folder_and_says_so_of_a_file(folder: Path, key_file: Path, tmp_path_factory) -> None:
    out = tmp_path_factory.mktemp("out") / "new"
    arguments = ["deidentify", str(folder / "a-good.dcm"), str(out), "--key-file", str(key_file)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, "success without a file cleaned would be a lie"
    assert not out.exists()
