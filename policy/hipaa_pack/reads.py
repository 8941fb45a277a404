"""Safe reads of what the engine shows a policy.

During a preview some values are unknown, and reading one raises `UnknownValueError`, which the SDK turns into an
advisory note: a mandatory rule would silently not be checked, and in a stack policy all later resources neither.
So each tree is made plain once, with `UNKNOWN` where nothing is known yet, and rules never touch the proxies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pulumi_policy.proxy import UnknownValueError

Values = dict[str, Any]


class _Unknown:
    """A value that will be known during the update."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false: ask `is UNKNOWN` first")


UNKNOWN: Final = _Unknown()


def plain(props: Mapping[str, Any]) -> Values:
    """The tree behind the SDK's proxies, with UNKNOWN for what a preview cannot know."""
    return {key: _item(props, key) for key in props}


def _item(container: Any, key: Any) -> Any:
    try:
        value: Any = container[key]
    except UnknownValueError:
        return UNKNOWN
    if isinstance(value, Mapping):
        return plain(cast("Mapping[str, Any]", value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(cast("Sequence[Any]", value)))]
    return value


def at(values: Any, path: str) -> Any:
    """The value at `a.b.c`; None when absent, UNKNOWN when any part of the way is."""
    for name in path.split("."):
        if values is UNKNOWN:
            return UNKNOWN
        if isinstance(values, list):
            values = cast("Any", values[0]) if values else None
        if not isinstance(values, dict):
            return None
        values = cast("Values", values).get(name)
    return values


def is_set(value: Any) -> bool:
    """True for a value that is there or will be: a link to another resource is unknown in a preview."""
    if value is UNKNOWN:
        return True
    return value not in (None, "", [], {})


def is_off(value: Any) -> bool:
    """True for a switch that is known not to be on; UNKNOWN counts as on until it is known."""
    return value is not UNKNOWN and value is not True and value != "true"


def is_true(value: Any) -> bool:
    """True for a switch that is known to be on."""
    return value is not UNKNOWN and value in (True, "true")


def document(value: Any) -> Values | None:
    """A JSON document as a tree; None when it is absent or not known yet."""
    if value is UNKNOWN or value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return cast("Values", value) if isinstance(value, dict) else None


def statements(value: Any) -> Iterator[Values]:
    """Statements of a policy document."""
    found: Any = (document(value) or {}).get("Statement") or []
    for statement in cast("list[Any]", found if isinstance(found, list) else [found]):
        if isinstance(statement, dict):
            yield cast("Values", statement)


def listed(value: Any) -> list[Any]:
    """One or many, as a list."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def principals(statement: Values) -> list[str]:
    """Every principal of a statement, whatever its kind."""
    found: Any = statement.get("Principal")
    if isinstance(found, dict):
        return [str(p) for group in cast("Values", found).values() for p in listed(group)]
    return [str(p) for p in listed(found)]


def conditions(statement: Values) -> dict[str, Any]:
    """Condition keys in lower case -> value, over all operators."""
    found: Any = statement.get("Condition") or {}
    return {key.lower(): value for tests in found.values() for key, value in tests.items()}
