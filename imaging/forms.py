"""Whether a value that may stay has the form of what it is meant to hold; anything else may be prose or a name.

A defined term is short and plain, a number is a number, a technical name is printable ASCII, no UID, no person name
and no address, a font is a known one, and binary numbers spell nothing. Vendors write terms with a few more signs
than PS3.5 6.2 allows; letters of both cases, commas and carets are what people type.
"""

import re
from collections.abc import Callable
from typing import Final, Literal

from imaging import fonts
from imaging.charset import known_terms
from imaging.dictionary import vr_of
from imaging.documents import is_known

Form = Literal["", "age", "number", "term", "character set", "media type", "font", "text", "binary", "floats"]
SPECIFIC_CHARACTER_SET: Final = 0x00080005
_MEDIA_TYPES: Final = frozenset((0x00420012, 0x00420014))
# possessive throughout: a value of megabytes that fits at no end must not be tried in all ways (CWE-1333)
_NUMBER: Final = rb" *+(?:[+\-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+\-]?\d++)?+)?+ *+"
_NUMBERS: Final = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*+\0?")
_TERMS: Final = re.compile(rb"[A-Z0-9_ .:/*+\-]{0,16}(?:\\[A-Z0-9_ .:/*+\-]{0,16})*\0?")
_UID: Final = re.compile(rb"(?<![0-9.])[0-2](?:\.\d+){5,}|(?<![0-9.])2\.25\.\d{8}")
_TECHNICAL: Final = re.compile(rb"[\x20-\x7e]*+\0?")
_PERSON: Final = re.compile(rb"[A-Za-z]{2}\^[A-Za-z]|@[A-Za-z]")
_SPELLED: Final = re.compile(rb"[A-Za-z ^=,.'\-]{8,}+\0?")
_LEAST_OF_FLOATS: Final = 16
"""Two 32-bit floats may spell by chance: the exponents of common ones are letters."""
_TERMS_IN_TEXT: Final = frozenset((0x00281054, 0x00283004))
"""Rescale Type and Modality LUT Type have defined terms, though their VR is LO."""
_FORM_OF_VR: Final[dict[str, Form]] = {
    **{"AS": "age", "CS": "term", "DS": "number", "IS": "number"},
    **{"LO": "text", "SH": "text", "UC": "text"},
    **dict.fromkeys(("AT", "FD", "OD", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"), "binary"),
    **{"FL": "floats", "OF": "floats"},
}


def form_of(tag: int, vr: str) -> Form:
    """The form that a value must have; "" where it cannot be told from the value."""
    if tag == SPECIFIC_CHARACTER_SET:
        return "character set"
    if tag in _MEDIA_TYPES:
        return "media type"
    if tag in fonts.STAND_INS:
        return "font"
    if tag in _TERMS_IN_TEXT:
        return "term"
    expected = vr_of(tag)
    return _FORM_OF_VR.get(expected if expected in ("CS", "DS", "IS") else vr, "")


def fits(form: Form, value: bytes) -> bool:
    """Whether an encoded value has the form."""
    return not form or form == "age" or _TESTS[form](value)


def charset(value: bytes) -> bytes:
    """The defined terms among the values of (0008,0005)."""
    return "\\".join(known_terms(value)).encode()


def _is_technical(value: bytes) -> bool:
    plain = _TECHNICAL.fullmatch(value) is not None
    return plain and _UID.search(value) is None and _PERSON.search(value) is None


_TESTS: Final[dict[Form, Callable[[bytes], bool]]] = {
    "number": lambda value: _NUMBERS.fullmatch(value) is not None,
    "term": lambda value: _TERMS.fullmatch(value) is not None,
    "text": _is_technical,
    "binary": lambda value: _SPELLED.fullmatch(value) is None,
    "floats": lambda value: len(value) < _LEAST_OF_FLOATS or _SPELLED.fullmatch(value) is None,
    "character set": lambda value: charset(value) == value.rstrip(b"\0 "),
    "media type": lambda value: all(is_known(kind.decode("latin-1")) for kind in value.split(b"\\")),
    "font": fonts.is_known,
}
