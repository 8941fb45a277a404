"""Checks that many rules are made of. Each waits for what is unknown, and says no value of a property."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from hipaa_pack.reads import UNKNOWN, Values, at, conditions, is_off, is_set, is_true, listed, principals, statements

Check = Callable[[Values], Iterable[str]]

# what binds an Allow for everybody to principals or callers of our own
_BINDING = {
    "aws:principalorgid",
    "aws:principalaccount",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
}


def every(*checks: Check) -> Check:
    """All of the checks."""
    return lambda values: (sentence for check in checks for sentence in check(values))


def on(*paths: str) -> Check:
    """Switches that must be true."""
    return lambda values: (f"{path} must be true" for path in paths if is_off(at(values, path)))


def not_on(*paths: str) -> Check:
    """Switches that must not be true."""
    return lambda values: (f"{path} must not be true" for path in paths if is_true(at(values, path)))


def present(*paths: str) -> Check:
    """Properties that must be there."""
    return lambda values: (f"{path} must be set" for path in paths if not is_set(at(values, path)))


def absent(*paths: str) -> Check:
    """Properties that must not be there."""
    return lambda values: (f"{path} must not be set" for path in paths if is_set(at(values, path)))


def among(path: str, *allowed: str, default: str | None = None) -> Check:
    """A choice; `default` is what AWS takes where the property is absent."""

    def check(values: Values) -> Iterator[str]:
        value = at(values, path)
        if value is not UNKNOWN and (default if value is None else value) not in allowed:
            yield f"{path} must be {' or '.join(allowed)}"

    return check


def between(path: str, least: float = 0, most: float = float("inf"), *, needed: bool = True) -> Check:
    """A number in its bounds; `needed` refuses an absent one."""

    def check(values: Values) -> Iterator[str]:
        value = at(values, path)
        if value is UNKNOWN or (value is None and not needed):
            return
        if value is None or not least <= float(value) <= most:
            bound = f"at least {least:g}" if most == float("inf") else f"between {least:g} and {most:g}"
            yield f"{path} must be {bound}"

    return check


def own_key(path: str) -> Check:
    """A key of the program: neither absent nor the alias of one that AWS manages."""

    def check(values: Values) -> Iterator[str]:
        key = at(values, path)
        if not is_set(key) or (isinstance(key, str) and "alias/aws/" in key):
            yield f"{path} must name a key of our own"

    return check


def when(given: Callable[[Values], bool], check: Check) -> Check:
    """A check that holds for some resources of a type only."""
    return lambda values: check(values) if given(values) else ()


def has(path: str) -> Callable[[Values], bool]:
    """True where a block is there and known."""
    return lambda values: at(values, path) not in (None, UNKNOWN) and is_set(at(values, path))


def each(path: str, check: Check) -> Check:
    """A check over every element of a list; sentences are led by the list's name."""

    def all_of(values: Values) -> Iterator[str]:
        for item in listed(at(values, path)):
            if isinstance(item, dict):
                yield from (f"{path}[].{sentence}" for sentence in check(cast("Values", item)))

    return all_of


def not_open(path: str = "policy") -> Check:
    """A policy document that allows nobody unnamed, unless bound to our account, organization or endpoints."""

    def check(values: Values) -> Iterator[str]:
        for statement in statements(at(values, path)):
            everybody = statement.get("Effect") == "Allow" and "*" in principals(statement)
            if everybody and not _BINDING & conditions(statement).keys():
                yield f"{path}: a statement allows everybody"

    return check


def never(sentence: str) -> Check:
    """A type that is not used at all."""
    return lambda _: (sentence,)


def only(path: str, accept: Callable[[Any], bool], sentence: str) -> Check:
    """A known value that satisfies `accept`; the sentence says what it must be."""

    def check(values: Values) -> Iterator[str]:
        value = at(values, path)
        if value is not UNKNOWN and not accept(value):
            yield sentence

    return check
