"""Sentinels: stand-ins for values that are known only when Pulumi resolves its Outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SENTINEL = re.compile(r"@@[a-z0-9][a-z0-9-]*@@")


class UnresolvedSentinelError(ValueError):
    """A sentinel stayed in the definition, or a value cannot stand where its sentinel stands."""


def sentinel(name: str) -> str:
    """The stand-in for `name`, e.g. sentinel("subnet-ids") == "@@subnet-ids@@"; lower case letters, digits, '-'."""
    text = f"@@{name}@@"
    if _SENTINEL.fullmatch(text) is None:
        raise ValueError(f"a sentinel's name has lower case letters, digits and '-' only, not {name!r}")
    return text


def substitute(definition: Any, mapping: Mapping[str, str | Sequence[str]]) -> Any:
    """A copy of `definition` with every sentinel replaced: pure, no SDK, made for one Output.apply.

    Args:
        definition: what `build` returned (or any nesting of dicts, lists and scalars).
        mapping: sentinel text (with the @@) -> a string, or a list of strings. A list may only stand for a whole
            element of a list, into which it is spliced: {"Subnets": ["@@subnet-ids@@"]} becomes the list itself.

    Raises:
        UnresolvedSentinelError: a sentinel has no entry, or a list would have to become part of a string.
    """
    if isinstance(definition, dict):
        return {key: substitute(value, mapping) for key, value in definition.items()}
    if isinstance(definition, list):
        return [piece for item in definition for piece in _spliced(item, mapping)]
    if isinstance(definition, str):
        return _SENTINEL.sub(lambda match: _text_for(match.group(), mapping), definition)
    return definition


def _spliced(item: Any, mapping: Mapping[str, str | Sequence[str]]) -> list[Any]:
    if isinstance(item, str) and not isinstance(mapping.get(item, ""), str):
        return list(mapping[item])
    return [substitute(item, mapping)]


def _text_for(found: str, mapping: Mapping[str, str | Sequence[str]]) -> str:
    value = mapping.get(found)
    if value is None:
        raise UnresolvedSentinelError(f"no value was given for {found}")
    if not isinstance(value, str):
        raise UnresolvedSentinelError(f"{found} stands for a list, which cannot be part of a string")
    return value
