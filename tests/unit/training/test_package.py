"""The code archive: the same bytes every time, only what the containers run, and a bootstrap that starts it."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from training import bootstrap, package


def test_two_builds_give_the_same_bytes_whatever_the_file_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = package.build(tmp_path / "first")
    copied = tmp_path / "sources"
    shutil.copytree(Path(package.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copied.glob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o755)
    monkeypatch.setattr(package, "_HERE", copied)
    second = package.build(tmp_path / "second")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()


def test_a_changed_source_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = package.build(tmp_path / "before")
    copied = tmp_path / "sources"
    shutil.copytree(Path(package.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "names.py").write_text((copied / "names.py").read_text() + "\nADDED = 1\n")
    monkeypatch.setattr(package, "_HERE", copied)
    assert package.build(tmp_path / "after").sha256 != before.sha256


def test_the_archive_has_the_scripts_and_nothing_of_the_infrastructure(tmp_path: Path):
    built = package.build(tmp_path)
    with tarfile.open(built.path) as archive:
        members = set(archive.getnames())
        assert all(entry.mtime == 0 and entry.uid == 0 for entry in archive)
    assert {"train.py", "requirements.txt", "training/preprocess.py", "training/evaluate.py"} <= members
    assert {"training/train.py", "training/inference.py", "training/model.py", "training/metrics.py"} <= members
    assert not {name for name in members if "definition" in name or "sdk" in name or "pipeline_config" in name}
    assert not {name for name in members if name.endswith(".pyc")}
    assert built.bootstrap.parent == built.path.parent, "the bootstrap looks for the archive beside itself"


def test_no_packaged_module_imports_infrastructure():
    infrastructure = {f"training.{name.removesuffix('.py')}" for name in package._INFRASTRUCTURE}
    for name, content in package._members().items():
        if not name.endswith(".py"):
            continue
        imported: set[str] = set()
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom):
                imported |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
        assert not imported & infrastructure, f"{name} needs a module that stays behind"


def test_the_bootstrap_unpacks_beside_itself_and_becomes_the_module(tmp_path: Path):
    source = tmp_path / "archive"
    (source / "training").mkdir(parents=True)
    (source / "training/__init__.py").write_text("")
    (source / "training/say.py").write_text("import os, sys; print(os.getcwd(), sys.argv[1:])")
    (source / "requirements.txt").write_text("# nothing beyond the standard library\n")
    code = tmp_path / "input"
    code.mkdir()
    with tarfile.open(code / "sourcedir.tar.gz", "w:gz") as archive:
        archive.add(source, arcname=".")
    shutil.copy(Path(bootstrap.__file__), code / "bootstrap.py")
    done = subprocess.run(
        [sys.executable, str(code / "bootstrap.py"), "training.say", "--seed", "7"],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(tmp_path / "ml")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split(maxsplit=1) == [str(tmp_path / "ml/code"), "['--seed', '7']\n"]


@pytest.mark.parametrize("arguments", [[], ["os"], ["training.x;y"], ["--seed"]], ids=repr)
def test_the_bootstrap_starts_modules_of_the_package_only(arguments: list[str]):
    with pytest.raises(SystemExit, match="usage"):
        bootstrap.main(arguments)


def test_only_requirements_that_the_image_lacks_are_installed():
    text = "# comment\npytest==0.0.1\nno-such-distribution==1.2.3  # why\nunpinned\n"
    assert bootstrap.missing_requirements(text) == ["pytest==0.0.1", "no-such-distribution==1.2.3"]
    assert bootstrap.missing_requirements(f"pytest=={pytest.__version__}\n") == []
