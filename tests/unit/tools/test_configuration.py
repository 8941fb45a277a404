"""Schemas and reference are those of the models; stack files are checked with sentences that name the key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import configuration
from tools.configuration_reference import key_rows

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("path", sorted(configuration.generated()), ids=lambda path: path.name)
def test_generated_files_are_fresh(path: Path) -> None:
    assert path.read_text() == configuration.generated()[path], "run `make schemas`"


@pytest.mark.parametrize("program", sorted(configuration.PROGRAMS))
def test_every_key_says_what_it_means(program: str) -> None:
    rows = list(key_rows(configuration.PROGRAMS[program][2]))
    assert len(rows) > 10
    assert not [row.key for row in rows if not row.meaning], "write a docstring below the field"
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("program", "path"), list(configuration.stack_files()), ids=lambda value: getattr(value, "name", value)
)
def test_each_stack_file_names_its_schema_and_fits_it(program: str, path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    named = next(line for line in path.read_text().splitlines() if "yaml-language-server" in line)
    assert (path.parent / named.rpartition("=")[2]).resolve() == configuration.schema_path(program)
    jsonschema.Draft202012Validator(configuration.schema(program)).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training", {"imageSize": 33}),
        ("training", {"unheardOf": 1}),
        ("containers", {"api": "a.example/b:latest"}),
        ("functions", {"imageIngestion": {"memoryMb": 1}}),
        ("functions", {"logLevel": "DEBUG"}),
        ("unheardOf", {}),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(key: str, value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
    name = f"healthcare-imaging-mlops:{key}"
    content["config"][name] = {**content["config"].get(name, {}), **value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(configuration.schema("platform")).validate(content)


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["configuration", *arguments])
    return configuration.main()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "config:\n  healthcare-imaging-mlops:training: {imageSize: 33}\n"
            "  healthcare-imaging-mlops:tags: {owner: o, costCenter: c}\n",
            "healthcare-imaging-mlops:training.imageSize is 33 but must be a multiple of 32 (Pulumi.mine.yaml)",
        ),
        ("config:\n  training: {imageSize: 64}\n", "did you mean healthcare-imaging-mlops:training?"),
        ("- a\n", "has no key `config`"),
        ("config: [\n", "is not YAML"),
    ],
    ids=["bound", "name-space", "not-a-stack-file", "not-yaml"],
)
def test_a_bad_file_is_refused_in_words(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Pulumi.mine.yaml"
    path.write_text(text)
    assert _run(monkeypatch, "validate", str(path)) == 1
    said = capsys.readouterr().out
    assert said.startswith("refused")
    assert sentence in said


def test_all_stack_files_of_the_checkout_are_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "validate") == 0
    assert capsys.readouterr().out.count("accepted") >= 7


def test_defaults_complete_a_stack(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "defaults", "--stack", "dev") == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["training"]["imageSize"] == 224, "the stack's own"
    assert found["training"]["seed"] == 20260101, "the platform's"


def test_a_key_and_a_group_are_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "explain", "training.imageSize") == 0
    assert "from 32, to 1024, in steps of 32, default 512" in capsys.readouterr().out
    assert _run(monkeypatch, "explain", "containers") == 0
    assert capsys.readouterr().out.count("containers.") == 10
    assert _run(monkeypatch, "explain", "nonsense") == 1


def test_an_encrypted_value_of_a_stack_file_is_the_engines_alone(tmp_path: Path) -> None:
    """Pulumi writes a secret as `secure: ...`; the file fits its schema, and what can be read is checked."""
    jsonschema = pytest.importorskip("jsonschema")
    given = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
    given["config"]["healthcare-imaging-mlops:monitoring"]["pagerDutyUrl"] = {"secure": "v1:abc:def"}
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump(given))
    jsonschema.Draft202012Validator(configuration.schema("platform")).validate(given)
    assert configuration.checked("platform", file).monitoring.pager_duty_url is None
