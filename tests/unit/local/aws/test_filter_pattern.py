"""CloudWatch Logs filter patterns by the service's documented grammar."""

from __future__ import annotations

import json

import pytest

from local.aws.filter_pattern import PatternError, compile_pattern, read_path

LINE = json.dumps({"level": "ERROR", "code": 503, "user": None, "ok": False, "items": [{"name": "a.b"}], "t": {"x": 2}})


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("", True),
        ("ERROR", True),
        ("ERROR WARNING", False),
        ("?WARNING ?ERROR", True),
        ("ERROR -503", False),
        ('"\\"level\\": "', False),
        ('{ $.level = "ERROR" }', True),
        ('{ $.level = "ERR*" }', True),
        ('{ $.level != "ERROR" }', False),
        ("{ $.code >= 500 && $.code < 600 }", True),
        ('{ ($.code = 404) || ($.level = "ERROR" && $.t.x = 2) }', True),
        ("{ $.code = 404 }", False),
        ('{ $.items[0].name = "a.b" }', True),
        ('{ $.items[1].name = "a.b" }', False),
        ("{ $.user IS NULL }", True),
        ("{ $.ok IS FALSE }", True),
        ("{ $.missing NOT EXISTS }", True),
        ("{ $.level NOT EXISTS }", False),
        ("{ $.level > 3 }", False),
    ],
)
def test_a_pattern_selects_lines(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern)(LINE) is matches


def test_a_json_pattern_ignores_text_lines() -> None:
    assert compile_pattern("{ $.level NOT EXISTS }")("START RequestId") is False


@pytest.mark.parametrize(
    "pattern", ["[a, b, c]", "%ERR%", "{ $.level }", "{ $.a = }", "{ ($.a = 1 }", "{ level = 1 }", "{ $.a = 1 1 }"]
)
def test_a_pattern_of_another_form_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_a_path_that_is_not_there_reads_as_nothing() -> None:
    assert read_path({"a": [1]}, "$.a[3]") is None
    assert read_path({"a": 1}, "$.a.b") is None
