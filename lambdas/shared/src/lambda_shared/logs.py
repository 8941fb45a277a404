"""Structured logs that cannot carry an identifier.

The filter works on names and on shapes: a field whose name means a person or an original UID is dropped, text that
looks like a DICOM UID or a person name is masked, and an exception is reduced to its type, code and place, because its
text may quote a value of a DICOM element. Pseudonyms (32 hexadecimal characters) pass: they are made to be logged.
"""

from __future__ import annotations

import logging
import re
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from lambda_shared.errors import PlatformError, aws_code

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

FORBIDDEN_FIELD = re.compile(
    r"(patient_?(id|name|birth|age|sex|address)|person_?name|given_?name|family_?name|birth|accession|mrn|ssn|phone|"
    r"e_?mail|address|instance_?uid|physician|operator|institution|notes|payload|body|event$|dataset|pixel)",
    re.IGNORECASE,
)
UID_TEXT = re.compile(r"\b\d+(?:\.\d+){5,}\b")
# A caret separates the components of a Person Name (PS3.5 section 6.2, value representation PN).
PERSON_NAME_TEXT = re.compile(r"\b\w[\w'-]*\^[\w^' -]*")
STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
MASK = "[removed]"


class IdentifierFilter(logging.Filter):
    """Removes identifier-like fields and masks identifier-like text in every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; no record is ever dropped."""
        record.msg = clean(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(clean(argument) for argument in record.args)
        elif record.args:
            record.args = cast("dict[str, object]", clean(record.args))
        for name in [name for name in record.__dict__ if name not in STANDARD_FIELDS]:
            if FORBIDDEN_FIELD.search(name):
                del record.__dict__[name]
            else:
                record.__dict__[name] = clean(record.__dict__[name])
        if record.exc_info:
            error = record.exc_info[1]
            if error is not None:
                record.__dict__.update(describe(error))
            record.exc_info = None
            record.exc_text = None
        return True


def clean(value: object) -> object:
    """The value without forbidden keys and with identifier-like text masked, through mappings and sequences."""
    if isinstance(value, str):
        return PERSON_NAME_TEXT.sub(MASK, UID_TEXT.sub(MASK, value))
    if isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        return {key: clean(item) for key, item in mapping.items() if not FORBIDDEN_FIELD.search(str(key))}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item) for item in cast("list[object]", value)]
    if isinstance(value, bytes | bytearray | memoryview):
        return MASK
    if isinstance(value, BaseException):
        return describe(value)["error_type"]
    return value


def describe(error: BaseException) -> dict[str, str]:
    """Type, machine code and place of an exception, never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno} in {frames[-1].name}" if frames else "unknown"
    )
    code = error.code if isinstance(error, PlatformError) else aws_code(error)
    return {"error_type": type(error).__name__, "error_code": code, "error_place": place}


@lru_cache(maxsize=1)
def logger() -> Logger:
    """The process's structured logger (service name and level come from POWERTOOLS_* variables)."""
    from aws_lambda_powertools import Logger

    result: Any = Logger(log_uncaught_exceptions=False)
    result.addFilter(IdentifierFilter())
    return result
