"""Whether a value that may stay has the form of what it is meant to hold; anything else may be prose or a name.

A defined term is short and plain, a number is a number, a technical name is ASCII and no UID. Vendors write terms with
a few more signs than PS3.5 6.2 allows; letters of both cases, commas and carets are what people type.
"""

import re
from functools import lru_cache
from typing import Final, Literal

from imaging.charset import known_terms
from imaging.dictionary import vr_of
from imaging.documents import is_known
from imaging.structure import Bytes

Form = Literal["", "age", "number", "term", "character set", "media type", "text"]
SPECIFIC_CHARACTER_SET: Final = 0x00080005
_SHORT: Final = 64
_MEDIA_TYPES: Final = frozenset((0x00420012, 0x00420014))
# possessive throughout: a value of megabytes that fits at no end must not be tried in all ways (CWE-1333)
_NUMBER: Final = rb" *+(?:[+\-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+\-]?\d++)?+)?+ *+"
_NUMBERS: Final = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*+\0?")
_TERMS: Final = re.compile(rb"[A-Z0-9_ .:/*+\-]{0,16}(?:\\[A-Z0-9_ .:/*+\-]{0,16})*\0?")
_UID: Final = re.compile(rb"(?<![0-9.])[0-2](?:\.\d+){5,}|(?<![0-9.])2\.25\.\d{8}")
_FORM_OF_VR: Final[dict[str, Form]] = {
    **{"AS": "age", "CS": "term", "DS": "number", "IS": "number"},
    **{"LO": "text", "SH": "text", "UC": "text"},
}


def form_of(tag: int, vr: str) -> Form:
    """The form that a value must have; "" where it cannot be told from the value."""
    if tag == SPECIFIC_CHARACTER_SET:
        return "character set"
    if tag in _MEDIA_TYPES:
        return "media type"
    expected = vr_of(tag)
    return _FORM_OF_VR.get(expected if expected in ("CS", "DS", "IS") else vr, "")


def fits(form: Form, value: bytes) -> bool:
    """Whether an encoded value has the form."""
    if form == "number":
        return _NUMBERS.fullmatch(value) is not None
    if form == "term":
        return _TERMS.fullmatch(value) is not None
    if form == "text":
        return value.isascii() and b"\x1b" not in value and _UID.search(value) is None
    if form == "character set":
        return charset(value) == value.rstrip(b"\0 ")
    if form == "media type":
        return all(is_known(kind.decode("latin-1")) for kind in value.split(b"\\"))
    return True


def fits_as_met_before(form: Form, value: Bytes) -> bool:
    """`fits`, with short values remembered: those of a series are nearly the same in each image."""
    return _short_fits(form, bytes(value)) if len(value) <= _SHORT else fits(form, bytes(value))


_short_fits = lru_cache(maxsize=4096)(fits)


def charset(value: bytes) -> bytes:
    """The defined terms among the values of (0008,0005)."""
    return "\\".join(known_terms(value)).encode()
