"""The conformance statement promises nothing that no test proves."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from services.store_scp import part10

ROOT = Path(__file__).resolve().parents[4]
STATEMENT = ROOT / "docs" / "DICOM_CONFORMANCE.md"
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def promises() -> list[str]:
    """Rows of the statement's tables, without their heads."""
    lines = STATEMENT.read_text().splitlines()
    heads = {index - 1 for index, line in enumerate(lines) if re.fullmatch(r"\|[-|]+\|", line)}
    return [
        line
        for index, line in enumerate(lines)
        if line.startswith("|") and index not in heads and not re.fullmatch(r"\|[-|]+\|", line)
    ]


@lru_cache(maxsize=32)
def names_in(path: str) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_the_statement_says_something() -> None:
    assert len(promises()) >= 40


@pytest.mark.parametrize("line", promises(), ids=lambda line: re.sub(r"\W+", " ", line)[:60].strip())
def test_a_line_names_the_test_that_proves_it(line: str) -> None:
    found = REFERENCE.findall(line)
    assert found, "a promise without a proof"
    for path, name in found:
        assert name in names_in(path), f"{path} has no {name}"


def test_the_implementation_is_the_one_that_is_named() -> None:
    text = STATEMENT.read_text()
    assert f"`{part10.IMPLEMENTATION_CLASS_UID}`" in text
    assert f"`{part10.IMPLEMENTATION_VERSION_NAME}`" in text
