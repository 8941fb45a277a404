"""docs/TUTORIAL.md is run: its changes go into a copy of the program, and the engine says what the page quotes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local.stack import preview_offline

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]
OWN = {"components", "__main__.py"}
TEXT = (ROOT / "docs" / "TUTORIAL.md").read_text()


def blocks(kind: str) -> list[str]:
    """The code blocks of one kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The checkout with a program of its own: everything else is the tracked one."""
    folder = tmp_path / "program"
    folder.mkdir()
    shutil.copy(ROOT / "__main__.py", folder)
    shutil.copytree(ROOT / "components", folder / "components", ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.name not in OWN and not path.name.startswith(".") and path.name != "__pycache__":
            (folder / path.name).symlink_to(path)
    return folder


def apply(diff: str, folder: Path) -> None:
    done = subprocess.run(
        ["git", "apply", "-C1", "--recount", "-"], cwd=folder, input=diff, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"the program has moved on: write the tutorial's diff again. {done.stderr}"


def test_the_quick_way_is_refused_with_the_quoted_words(program: Path, tmp_path: Path) -> None:
    apply(blocks("diff")[0], program)
    code, run = preview_offline("dev", program=program, folder=tmp_path / "engine")
    assert code != 0
    said = {line.strip() for line in run.lines}
    for line in blocks("text")[0].splitlines():
        assert line.strip() in said, "the pack says it otherwise now"
    quoted = blocks("text")[0].count("[mandatory]")
    assert sum("[mandatory]" in line for line in run.lines) == quoted, "every refusal is quoted"


def test_the_houses_way_is_accepted_and_adds_what_the_page_lists(program: Path, tmp_path: Path) -> None:
    (program / "components" / "exports.py").write_text(blocks("python")[0])
    apply(blocks("diff")[1], program)
    code, run = preview_offline("dev", program=program, folder=tmp_path / "engine")
    assert code == 0, run.text[-3000:]
    assert "[mandatory]" not in run.text
    planned = {line.strip() for line in run.lines if re.match(r" \+ .*\bexports", line)}
    assert planned == {line.strip() for line in blocks("text")[1].splitlines()}
    assert "exports_bucket" in run.text
