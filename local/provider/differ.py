"""What changed between two property maps, as the engine wants to hear it. Knows neither gRPC nor AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .kind import Kind, Values
from .shapes import same
from .wire import UNKNOWN, Unknown, has_unknown


@dataclass
class Difference:
    """Changed paths with their sign (ADD, DELETE, UPDATE) and what follows from them."""

    paths: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    delete_first: bool = False


def merged_tags(kind: Kind, inputs: Values, default_tags: dict[str, str]) -> Any:
    """`tagsAll`: the provider's default tags under the resource's own; unknown while the own are."""
    own = inputs.get("tags")
    if isinstance(own, Unknown):
        return UNKNOWN
    return {**default_tags, **(own or {})} if kind.taggable else None


def compare(kind: Kind, olds: Values, news: Values, ignored: set[str]) -> Difference:
    """Old against new inputs; a replacement under an unchanged given name has to delete first."""
    result = Difference()
    for key in sorted(olds.keys() | news.keys()):
        if key.startswith("__") or key in ignored:
            continue
        for path, sign in differences(olds.get(key), news.get(key), key):
            result.paths[path] = sign
            if key not in result.keys:
                result.keys.append(key)
                result.replaces += [key] if key in kind.replace_keys else []
    given = bool(kind.name) and kind.name not in (news.get("__defaults") or [])
    clash = kind.delete_first or (given and news.get(kind.name) == olds.get(kind.name))
    result.delete_first = bool(result.replaces) and clash
    return result


def compare_tags(kind: Kind, state: Values, wanted: Any, result: Difference) -> None:
    """Default tags are no input: a change of them shows as a change of the output `tagsAll`."""
    if not kind.taggable:
        return
    if has_unknown(wanted) or (state.get("tagsAll") or {}) != wanted:
        result.paths["tagsAll"] = "UPDATE"
        result.keys.append("tagsAll")


def differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, ADD | DELETE | UPDATE) of each changed part; an unknown counts as changed."""
    if has_unknown(new) and not isinstance(new, dict):
        yield path, "UPDATE" if old is not None else "ADD"
    elif old is None and new is None:
        return
    elif old is None:
        yield path, "ADD"
    elif new is None:
        yield path, "DELETE"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            part = f"{path}.{key}" if key.replace("_", "").isalnum() else f'{path}["{key}"]'
            yield from differences(old.get(key), new.get(key), part)
    elif not same(old, new):
        yield path, "UPDATE"
