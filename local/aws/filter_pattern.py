"""CloudWatch Logs filter patterns: terms and the JSON form (`{ $.level = "ERROR" && $.count > 3 }`).

Grammar by the service's "Filter pattern syntax" page. Not served: space-delimited patterns and regular expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

Predicate = Callable[[str], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||!=|>=|<=|=|>|<|\(|\))|(?P<path>\$(?:\.[\w@-]+|\[\d+\])+)|"(?P<text>[^"]*)"|(?P<word>[^\s()&|=<>!]+))"""
)
_TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))')
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class PatternError(ValueError):
    """The pattern is not one of the served forms."""


def compile_pattern(pattern: str) -> Predicate:
    """Return the test of one log line; raises PatternError for a form that is not served."""
    stripped = pattern.strip()
    if not stripped:
        return lambda _line: True
    if stripped.startswith("{") and stripped.endswith("}"):
        return _JsonPattern(stripped[1:-1]).matches
    if stripped.startswith(("[", "%")):
        raise PatternError("space-delimited and regular-expression patterns are not served")
    return _terms(stripped)


def read_path(document: Any, path: str) -> Any:
    """The value at `$.a.b[0]`, or None where the line has none."""
    for name, index in re.findall(r"\.([\w@-]+)|\[(\d+)\]", path):
        if name:
            document = document.get(name) if isinstance(document, dict) else None
        elif isinstance(document, list) and int(index) < len(document):
            document = document[int(index)]
        else:
            return None
    return document


def _terms(pattern: str) -> Predicate:
    required: list[str] = []
    optional: list[str] = []
    excluded: list[str] = []
    for found in _TERM.finditer(pattern):
        term = found["quoted"] if found["quoted"] is not None else found["plain"]
        {"": required, "?": optional, "-": excluded}[found["sign"]].append(term)

    def matches(line: str) -> bool:
        if any(term in line for term in excluded) or not all(term in line for term in required):
            return False
        return not optional or bool(required) or any(term in line for term in optional)

    return matches


class _JsonPattern:
    """Recursive descent over `||`, `&&`, parentheses and comparisons."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise PatternError("the JSON filter pattern cannot be read")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self._at = 0
        self._test = self._either()
        if self._at != len(self._tokens):
            raise PatternError("the JSON filter pattern goes on after its end")

    def matches(self, line: str) -> bool:
        """True if the line is a JSON object for which the expression holds."""
        if not line.lstrip().startswith("{"):
            return False
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return self._test(document)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _either(self) -> Callable[[Any], bool]:
        left = self._both()
        while self._peek() == ("op", "||"):
            self._take()
            left = _any(left, self._both())
        return left

    def _both(self) -> Callable[[Any], bool]:
        left = self._comparison()
        while self._peek() == ("op", "&&"):
            self._take()
            left = _all(left, self._comparison())
        return left

    def _comparison(self) -> Callable[[Any], bool]:
        kind, path = self._take()
        if (kind, path) == ("op", "("):
            inner = self._either()
            if self._take() != ("op", ")"):
                raise PatternError("a parenthesis of the JSON filter pattern is not closed")
            return inner
        if kind != "path":
            raise PatternError("a JSON filter pattern compares a $.path")
        kind, operator = self._take()
        if (kind, operator.upper()) in {("word", "IS"), ("word", "NOT")}:
            return self._existence(path, operator.upper())
        if kind != "op" or operator not in _NUMERIC:
            raise PatternError(f"the JSON filter pattern has no operator after {path}")
        kind, value = self._take()
        if kind not in {"text", "word"}:
            raise PatternError(f"the JSON filter pattern has no value after {path} {operator}")
        return _compare(path, operator, value, quoted=kind == "text")

    def _existence(self, path: str, operator: str) -> Callable[[Any], bool]:
        _, word = self._take()
        if operator == "NOT":  # `$.x NOT EXISTS`
            return lambda document: read_path(document, path) is None
        expected: dict[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
        if word.upper() not in expected:
            raise PatternError("IS takes TRUE, FALSE or NULL")
        return lambda document: read_path(document, path) is expected[word.upper()]


def _any(one: Callable[[Any], bool], other: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda document: one(document) or other(document)


def _all(one: Callable[[Any], bool], other: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda document: one(document) and other(document)


def _compare(path: str, operator: str, value: str, *, quoted: bool) -> Callable[[Any], bool]:
    number = None if quoted else _number(value)

    def holds(document: Any) -> bool:
        found = read_path(document, path)
        if number is not None:
            there = _number(found)
            return there is not None and _NUMERIC[operator](there, number)
        if operator not in {"=", "!="}:
            return False
        equal = found is not None and fnmatchcase(str(found), value.replace("[", "[[]"))
        return equal if operator == "=" else not equal

    return holds


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
