"""Every command that a document names exists: the make target, the module, its subcommand and its options."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"])
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
MAKE = re.compile(r"\bmake ([a-z][\w-]*)((?: [A-Z_]+=\S+)*)")
MODULE = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)((?: +[^\s|;&#>`\\]+)*)")


def code_of(path: Path) -> str:
    """Code blocks, with continued lines joined, and inline code; prose says "make" too."""
    found = ("\n".join(part for part in match if part) for match in CODE.findall(path.read_text()))
    return "\n".join(found).replace("\\\n", " ")


def targets() -> tuple[set[str], list[str]]:
    """Targets of the Makefile, and the beginnings of its pattern rules."""
    text = (ROOT / "Makefile").read_text()
    names = set(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.MULTILINE))
    return names, re.findall(r"^([a-z][\w-]*-)%:", text, re.MULTILINE)


def variables() -> set[str]:
    """Variables that the Makefile, or what it starts, reads."""
    return {*re.findall(r"\$\(([A-Z_]+)\)", (ROOT / "Makefile").read_text()), "PORT", "REASON", "KEY"}


def made() -> Iterator[tuple[str, str, str]]:
    for path in DOCUMENTS:
        for name, given in MAKE.findall(code_of(path)):
            yield str(path.relative_to(ROOT)), name, given


def run() -> list[tuple[str, str, tuple[str, ...]]]:
    """(document, module, words behind it), each once."""
    found: dict[tuple[str, tuple[str, ...]], str] = {}
    for path in DOCUMENTS:
        for module, words in MODULE.findall(code_of(path)):
            found.setdefault((module, tuple(words.split())), str(path.relative_to(ROOT)))
    return [(document, module, words) for (module, words), document in sorted(found.items())]


def test_the_search_finds_commands() -> None:
    assert len(list(made())) > 30
    assert len(run()) > 15


@pytest.mark.parametrize("document", sorted({document for document, _, _ in made()}))
def test_every_make_target_of_a_document_exists(document: str) -> None:
    names, beginnings = targets()
    known = variables()
    for where, name, given in made():
        if where != document:
            continue
        patterned = any(name.startswith(beginning) and name != beginning for beginning in beginnings)
        assert name in names or patterned, f"{document} names `make {name}`, which the Makefile lacks"
        for variable in re.findall(r"([A-Z_]+)=", given):
            assert variable in known, f"{document}: `make {name}` reads no {variable}"


@functools.lru_cache(maxsize=32)
def help_of(module: str) -> str:
    """What `--help` prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "lambdas/shared/src"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def click_command(module: str) -> Any:
    """The command line of a module that is made with typer, which brings its own click; None for others."""
    entry = importlib.import_module(f"{module}.__main__" if is_package(module) else module)
    app = getattr(entry, "app", None)
    return typer.main.get_command(app) if isinstance(app, typer.Typer) else None


def is_package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None


OWN_ENVIRONMENT = ("bench.deid", "bench.frames", "bench.ingest", "pytest", "venv", "pip")


def in_group(group: Any, words: list[str]) -> str:
    """What is wrong with `words` behind a module whose commands are `group`; "" when nothing is."""
    while words and words[0].startswith("--") and words[0] != "--help":
        words = words[2:]  # options of the whole, such as --environment FILE
    if not words or words[0] == "--help" or words[0].isupper():
        return ""
    if words[0] not in group.commands:
        return f"no command {words[0]}"
    command = group.commands[words[0]]
    if hasattr(command, "commands"):
        return in_group(command, words[1:])
    if words[0] == "pulumi":  # the rest is the Pulumi CLI's
        return ""
    options = {option for one in command.params for option in [*one.opts, *one.secondary_opts]}
    strays = [word for word in words if word.startswith("--") and word.split("=")[0] not in {*options, "--help"}]
    return f"{words[0]} has no option {strays[0]}" if strays else ""


def in_help(text: str, words: list[str]) -> str:
    """The same for a command line of argparse, by what its help prints."""
    commands = re.search(r"\{([\w,-]+)\}", text)
    first = words[0] if words else ""
    if commands and re.fullmatch(r"[a-z][a-z-]+", first):
        return "" if first in commands[1].split(",") else f"no command {first}"
    strays = [word for word in words if word.startswith("--") and word.split("=")[0] not in text]
    return f"no option {strays[0]}" if strays else ""


@pytest.mark.parametrize(("document", "module", "words"), run(), ids=lambda value: str(value)[:40])
def test_every_module_command_of_a_document_exists(document: str, module: str, words: tuple[str, ...]) -> None:
    if module == "bench":  # bench.NAME
        return
    assert importlib.util.find_spec(module) is not None, f"{document} names {module}, which is not there"
    if module.startswith(OWN_ENVIRONMENT):
        return
    if is_package(module):
        assert importlib.util.find_spec(f"{module}.__main__"), f"{document}: python -m {module} does not run"
    group = click_command(module)
    fault = in_group(group, list(words)) if hasattr(group, "commands") else in_help(help_of(module), list(words))
    assert not fault, f"{document}: python -m {module}: {fault}"


@pytest.mark.parametrize(
    ("module", "words", "fault"),
    [
        ("operations", ["forget"], "no command forget"),
        ("operations", ["--environment", "FILE", "redrive", "--forever"], "redrive has no option --forever"),
        ("operations", ["redrive", "--stack", "prod"], ""),
    ],
)
def test_a_wrong_command_would_be_found(module: str, words: list[str], fault: str) -> None:
    group = click_command(module)
    assert hasattr(group, "commands")
    assert in_group(group, words) == fault
    assert in_help("usage: x {add,bid}\n --stack", ["cut"]) == "no command cut"
    assert in_help("usage: x --stack", ["--stacks"]) == "no option --stacks"
