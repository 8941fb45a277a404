"""The generated copy of the project: tracked files are never edited, and a stack keeps its salt."""

from pathlib import Path

import pytest
import yaml

from local.engine.project import write_project


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    runtime = {"name": "python", "options": {"toolchain": "uv"}}
    (root / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "p", "runtime": runtime, "backend": {"url": "s3://b"}}))
    (root / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({"config": {"p:a": 1}, "secretsprovider": "awskms:///alias/x", "encryptedkey": "k"})
    )
    return root


def test_the_copy_points_back_at_the_checkout(source: Path, tmp_path: Path) -> None:
    copy = write_project(tmp_path / "run" / "project", source)
    project = yaml.safe_load((copy / "Pulumi.yaml").read_text())
    assert (copy / project["main"]).resolve() == source
    assert project["runtime"] == "python"
    assert "backend" not in project, "a local run must never reach the state of an AWS stack"


def test_the_secrets_provider_of_aws_stays_behind(source: Path, tmp_path: Path) -> None:
    copy = write_project(tmp_path / "project", source)
    assert yaml.safe_load((copy / "Pulumi.dev.yaml").read_text()) == {"config": {"p:a": 1}}


def test_a_salt_that_the_cli_wrote_survives_a_change_of_the_stack_file(source: Path, tmp_path: Path) -> None:
    copy = write_project(tmp_path / "project", source)
    (copy / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"p:a": 1}, "encryptionsalt": "v1:s"}))
    (source / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"p:a": 2}}))
    write_project(copy, source)
    assert yaml.safe_load((copy / "Pulumi.dev.yaml").read_text()) == {"config": {"p:a": 2}, "encryptionsalt": "v1:s"}


def test_the_tracked_files_are_left_alone(source: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    write_project(tmp_path / "project", source)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
