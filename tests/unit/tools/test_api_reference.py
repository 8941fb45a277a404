"""docs/API.md is what the OpenAPI document says, and says all of it."""

from __future__ import annotations

import json
import re

import pytest

from tools.api_reference import DOCUMENT, SOURCE, _kind, generated

API = json.loads(SOURCE.read_text())


def test_the_page_is_current() -> None:
    assert DOCUMENT.read_text() == generated(), "run `python -m tools.api_reference`"


def test_every_operation_and_form_is_there_and_every_link_leads_to_one() -> None:
    text = DOCUMENT.read_text()
    for path, methods in API["paths"].items():
        for method in methods:
            assert f"### `{method.upper()} {path}`" in text
    forms = {name.lower() for name in API["components"]["schemas"]}
    assert set(re.findall(r"\(#(\w+)\)", text)) <= forms


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 100}, "whole number, 1 to 100"),
        ({"type": "string", "maxLength": 5}, "text, at most 5 long"),
        ({"type": "string", "pattern": "a|b"}, "text like `a\\|b`"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Label"}}, "list of [Label](#label)"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "text (date-time) or null"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"const": "x"}, "`x`"),
    ],
)
def test_a_schema_in_a_few_words(schema: dict[str, object], said: str) -> None:
    assert _kind(schema) == said
