"""The small expression language: {"Get": path}, {"Std:Join": ...}, {"Std:JsonGet": ...}."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.sagemaker.errors import ValidationError

EXECUTION_VARIABLES = (
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "StartDateTime",
    "CurrentDateTime",
)
_FUNCTIONS = ("Get", "Std:Join", "Std:JsonGet")
_HEAD = re.compile(r"^(Parameters|Execution|Steps)\.([A-Za-z0-9_-]+)(.*)$", re.DOTALL)
_PART = re.compile(r"\.([A-Za-z0-9_]+)|\['([^']+)'\]|\[\"([^\"]+)\"\]|\[(\d+)\]")


@dataclass(frozen=True)
class Reference:
    """A parsed Get: where it points (`root`), the name there, and the path behind it (str = member, int = index)."""

    root: str
    name: str
    path: tuple[str | int, ...] = ()
    text: str = ""


def function_name(value: Any) -> str | None:
    """'Get', 'Std:Join' or 'Std:JsonGet' when the value is a call, else None."""
    if isinstance(value, dict) and len(value) == 1:
        name = next(iter(value))
        return name if name in _FUNCTIONS or str(name).startswith("Std:") else None
    return None


def parse_reference(text: Any) -> Reference:
    """Parse the text of a Get. Raises ValidationError."""
    head = _HEAD.match(text) if isinstance(text, str) else None
    if head is None:
        raise ValidationError(f"'{text}' is not a reference to Parameters, Execution or Steps")
    root, name, rest = head.groups()
    return Reference(root, name, parse_path(rest, text), text)


def parse_path(rest: str, text: str) -> tuple[str | int, ...]:
    """Path parts of '.a.b[0]['c']'. Raises ValidationError when anything is left over."""
    parts: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None:
            raise ValidationError(f"'{text}' has a path that cannot be read at '{rest[position:]}'")
        member, single, double, index = match.groups()
        parts.append(int(index) if index is not None else member or single or double)
        position = match.end()
    return tuple(parts)


def calls(value: Any) -> Iterator[tuple[str, Any]]:
    """Every function call inside a value, outermost first, as (name, body)."""
    name = function_name(value)
    if name is not None:
        yield name, value[name]
    for child in _children(value):
        yield from calls(child)


def references(value: Any) -> Iterator[Reference]:
    """Every Get inside a value, those inside Std:* calls included."""
    for name, body in calls(value):
        if name == "Get":
            yield parse_reference(body)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
