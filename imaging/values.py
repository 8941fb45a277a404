"""Replacement values: dummies by VR, shifted dates, capped ages (PS3.15 E.1.1, 45 CFR 164.514(b)(2)(i)(C))."""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

DUMMY: Final = {
    "AE": b"ANONYMIZED",
    "AS": b"000Y",
    "CS": b"ANONYMIZED",
    "DA": b"19000101",
    "DS": b"0 ",
    "DT": b"19000101000000",
    "IS": b"0 ",
    "LO": b"ANONYMIZED",
    "LT": b"ANONYMIZED",
    "PN": b"ANONYMIZED",
    "SH": b"ANONYMIZED",
    "ST": b"ANONYMIZED",
    "TM": b"000000",
    "UC": b"ANONYMIZED",
    "UR": b"urn:anonymized",
    "UT": b"ANONYMIZED",
}
_FOUR_BYTES: Final = frozenset(("AT", "FL", "OF", "OL", "SL", "UL"))
_EIGHT_BYTES: Final = frozenset(("FD", "OD", "OV", "SV", "UV"))
OLDEST_AGE: Final = 90
"""Ages over 89 become one category."""
_AGE: Final = re.compile(rb"(\d{3})([DWMY])")
_AGE_IN_YEARS: Final = {b"D": 365.25, b"W": 52.18, b"M": 12.0, b"Y": 1.0}
_DATE: Final = re.compile(rb"(\d{4})(?:\.?(\d{2})(?:\.?(\d{2}))?)?(.*)", re.DOTALL)
_ONE_TIME: Final = rb"(?:\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?)?"
_TIME: Final = re.compile(rb" *+" + _ONE_TIME + rb" *+(?:\\ *+" + _ONE_TIME + rb" *+)*+\0?")
_REST_OF_DATE_TIME: Final = re.compile(rb"(?:\d\d){0,3}(?:\.\d{1,6})?(?:[+-]\d{4})?")


def dummy(vr: str) -> bytes:
    """A value that is not empty, consistent with the VR and the same for everybody (action D)."""
    width = 8 if vr in _EIGHT_BYTES else 4 if vr in _FOUR_BYTES else 2
    return DUMMY.get(vr) or bytes(width)


def padded(value: bytes, vr: str) -> bytes:
    """The value at an even length (PS3.5 6.2)."""
    return value + (b"\0" if vr in ("UI", "UN", "OB") else b" ") if len(value) % 2 else value


def is_time(value: bytes) -> bool:
    """Whether a TM holds a time and nothing else."""
    return _TIME.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def shifted(value: bytes, vr: str, shift: timedelta) -> bytes:
    """The date part of one DA or DT moved back at the precision it came in; what is no date becomes a dummy."""
    text = value.strip(b" \0")
    if not text:
        return b""
    match = _DATE.fullmatch(text)
    if match is None or not _REST_OF_DATE_TIME.fullmatch(match[4]) or (vr == "DA" and match[4]):
        return DUMMY[vr]
    year, month, day, rest = match.groups()
    try:
        moved = date(int(year), int(month or 1), int(day or 1)) - shift
    except (ValueError, OverflowError):
        return DUMMY[vr]
    digits = moved.strftime("%Y%m%d").rjust(8, "0").encode()
    return digits[: 4 + 2 * (month is not None) + 2 * (day is not None)] + rest


def capped_age(age: bytes) -> bytes:
    """One AS value, ages of 90 years and more as 090Y whatever their unit; what is no age becomes a dummy."""
    text = age.strip(b" \0")
    match = _AGE.fullmatch(text)
    if match is None:
        return DUMMY["AS"] if text else b""
    return b"%03dY" % OLDEST_AGE if int(match[1]) / _AGE_IN_YEARS[match[2]] >= OLDEST_AGE else text
