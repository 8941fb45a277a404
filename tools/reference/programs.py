"""What the program registers for each stack, from the recorder that the tests use too: no cloud, no engine, no state.

Policies are whole here, which they are not in a first preview: a preview knows no ARN that AWS has yet to answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.fixtures import platform_program

ROOT: Final = Path(__file__).resolve().parents[2]
STACKS: Final = ("local", "dev", "staging", "prod")
COMPLETE: Final = "complete"
"""Production with all that a stack may leave out: images by digest, a second region, channels of alerts."""

_PLACES: Final = (
    (re.compile(r"healthcare-imaging-mlops-(?:complete|prod|bootstrap)"), "STACK"),
    (re.compile(r"\b111122223333\b"), "ACCOUNT"),
    (re.compile(r"\bus-east-1\b"), "REGION"),
    (re.compile(r"\bus-west-2\b"), "SECOND-REGION"),
    (re.compile(r"\b0123456789abcdef0123456789abcdef\b"), "DATASTORE"),
)


def recorded(stack: str) -> Any:
    """What a stack of the platform registers; COMPLETE for all that any stack may have."""
    return platform_program.recorded_program(stack)


def recorded_account() -> Any:
    """What the bootstrap of production's account registers."""
    return platform_program.recorded_bootstrap("prod")


def neutral(text: str) -> str:
    """Text without the names of one stack, account and region: STACK, ACCOUNT, REGION stand in their places."""
    for pattern, place in _PLACES:
        text = pattern.sub(place, text)
    return text


def role_of(name: str) -> str:
    """The part of a physical name behind project and stack."""
    return neutral(name).removeprefix("STACK-")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped, a list of values is joined by the caller with <br>."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def code(values: Iterable[str]) -> str:
    """Values as code, one a line of the cell."""
    return "<br>".join(f"`{value}`" for value in values)


def amount(value: float) -> str:
    """A number as people write it: 5 for 5.0, 500,000,000,000 for 5e11."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
