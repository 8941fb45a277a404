"""docs/COMMANDS.md: every documented command is run by something that is there, or says that it needs AWS."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.docs.test_commands import DOCUMENTS, MAKE, MODULE, ROOT, code_of, targets

PAGE = ROOT / "docs" / "COMMANDS.md"
ROW = re.compile(r"^\| `((?:make|python) [^`]+)` \| (.+?) \| (?:`(.+)`)? ?\|$", re.MULTILINE)
WITHOUT = ("**needs AWS**", "**by hand**")
STACKS = ("dev", "staging", "prod", "local", "STACK", "%")


def rows() -> dict[str, tuple[str, str]]:
    """Command -> who runs it, and the words there."""
    return {command: (by, words) for command, by, words in ROW.findall(PAGE.read_text())}


def of_target(name: str) -> str:
    """A target of a stack under the name that the page has: `make unlock-prod` is `make unlock-STACK`."""
    exact, _ = targets()
    begin, _, end = name.rpartition("-")
    return f"make {begin}-STACK" if begin and end in STACKS and name not in exact else f"make {name}"


def of_module(module: str, words: tuple[str, ...]) -> str:
    """A module with its command, where the first word is one."""
    command = words[0] if words and re.fullmatch(r"[a-z]+", words[0]) else ""
    return f"python -m {module} {command}".rstrip()


def documented() -> set[str]:
    """What the other documents name."""
    texts = [code_of(path) for path in DOCUMENTS if path != PAGE]
    makes = {of_target(name) for text in texts for name, _ in MAKE.findall(text)}
    return makes | {of_module(module, tuple(words.split())) for text in texts for module, words in MODULE.findall(text)}


def test_every_documented_command_and_every_target_has_a_row() -> None:
    makefile = (ROOT / "Makefile").read_text()
    helped = {of_target(name) for name in re.findall(r"^([a-z][a-z%-]*):.*## ", makefile, re.MULTILINE)}
    assert sorted((documented() | helped) - rows().keys()) == []
    assert sorted(rows().keys() - documented() - helped) == [], "no document names these"


@pytest.mark.parametrize("command", sorted(rows()))
def test_what_runs_a_command_is_there(command: str) -> None:
    by, words = rows()[command]
    files = re.findall(r"`([^`]+)`", by)
    assert files or by in WITHOUT, f"{command}: nobody runs it"
    for name in files:
        assert words, f"{command}: what in {name} runs it?"
        assert words in Path(ROOT, name).read_text(), f"{name} has no {words}"


def test_the_first_command_of_a_newcomer_lists_the_others() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make demo" in done.stdout
