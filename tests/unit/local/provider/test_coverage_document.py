"""local/COVERAGE.md says what the types do, now."""

from __future__ import annotations

from local.provider import coverage
from local.provider.types import load


def test_the_document_is_up_to_date() -> None:
    assert coverage.PATH.read_text(encoding="utf-8") == coverage.render(), "run: python -m local.provider --coverage"


def test_every_type_is_listed_once() -> None:
    lines = coverage.render().splitlines()
    for token, kind in load().items():
        rows = [line for line in lines if line.startswith(f"| `{token}` |")]
        assert len(rows) == 1
        assert (kind.recorded or kind.note) in rows[0]
