"""Logs cannot carry an identifier, whoever writes them."""

from __future__ import annotations

import logging

import pytest

from lambda_shared.errors import TransientError
from lambda_shared.logs import IdentifierFilter, clean, describe

PLANTED = ("Zyxwvut^Qwerta", "1.2.826.0.1.3680043.8.498.1", "MRN-0042", "19620807")


def emitted(message: str, *arguments: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("t").makeRecord(
        "t", logging.INFO, "f", 1, message, arguments, info, extra=extra, func="f"
    )
    assert IdentifierFilter().filter(record), "no record is lost"
    return record


@pytest.mark.parametrize(
    "name", ["patient_id", "PatientName", "study_instance_uid", "accession_number", "notes", "payload", "birth_date"]
)
def test_fields_that_mean_a_person_are_dropped(name: str) -> None:
    assert name not in emitted("x", **{name: "MRN-0042"}).__dict__


def test_pseudonyms_codes_and_counts_pass() -> None:
    record = emitted("x", study_key="a" * 32, decision="started", count=3, object_id="b" * 32)
    assert (record.study_key, record.decision, record.count, record.object_id) == ("a" * 32, "started", 3, "b" * 32)  # type: ignore[attr-defined]


def test_identifier_like_text_is_masked_wherever_it_stands() -> None:
    record = emitted("read %s of %s", PLANTED[1], PLANTED[0], detail={"deep": [PLANTED[1]]}, blob=b"secret")
    text = record.getMessage() + str(record.__dict__)
    for planted in (*PLANTED[:2], "secret"):
        assert planted not in text


def test_an_exception_is_reduced_to_type_code_and_place() -> None:
    try:
        int(f"cannot read {PLANTED[2]} {PLANTED[3]}")
    except ValueError as error:
        record = emitted("failed", error=error)
        described = describe(error)
    assert record.exc_info is None
    assert described["error_type"] == "ValueError"
    assert "test_logs.py:" in described["error_place"]
    assert not any(planted in str(record.__dict__) for planted in PLANTED)


def test_our_own_errors_keep_their_code() -> None:
    assert describe(TransientError("SlowDown", "later"))["error_code"] == "SlowDown"


def test_exceptions_and_bytes_as_values_are_reduced() -> None:
    assert clean({"error": ValueError("MRN-0042"), "pixels": b"x", "data": memoryview(b"x")}) == {
        "error": "ValueError",
        "data": "[removed]",
    }
