"""Text of encoded values by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1).

ASCII, which is most of every header, is decoded here; the rest by pydicom, loaded when it is met.
"""

import warnings
from collections.abc import Iterable
from typing import Final

from imaging.dictionary import TEXT_VRS

_TERMS: Final = frozenset(
    (
        *("ISO_IR 6", "ISO_IR 13", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127"),
        *("ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", "ISO_IR 192", "ISO_IR 203", "GB18030", "GBK"),
        *("ISO 2022 IR 6", "ISO 2022 IR 13", "ISO 2022 IR 58", "ISO 2022 IR 87", "ISO 2022 IR 100"),
        *("ISO 2022 IR 101", "ISO 2022 IR 109", "ISO 2022 IR 110", "ISO 2022 IR 126", "ISO 2022 IR 127"),
        *("ISO 2022 IR 138", "ISO 2022 IR 144", "ISO 2022 IR 148", "ISO 2022 IR 149", "ISO 2022 IR 159"),
        *("ISO 2022 IR 166", "ISO 2022 IR 203"),
    )
)
_PERSON_NAME: Final = {0x5C, 0x5E, 0x3D}
_TEXT: Final = {0x5C, 0x0D, 0x0A, 0x09, 0x0C}


def known_terms(value: bytes) -> list[str]:
    """The defined terms of an encoded (0008,0005) in order; the first may be "", the default repertoire."""
    terms = [term.strip() for term in value.rstrip(b"\0 ").decode("latin-1").split("\\")]
    return [term for index, term in enumerate(terms) if term in _TERMS or (not term and index == 0)] or [""]


def decode_text(value: bytes, vr: str, terms: Iterable[str]) -> str:
    """Text of an encoded value, padding removed; undecodable bytes become replacement characters."""
    stripped = value.rstrip(b"\0 ")
    if vr not in TEXT_VRS or (stripped.isascii() and b"\x1b" not in stripped):
        return stripped.decode("latin-1").strip()
    from pydicom.charset import convert_encodings, decode_bytes

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings may quote the value
            encodings = convert_encodings(list(terms))
            return decode_bytes(stripped, encodings, _PERSON_NAME if vr == "PN" else _TEXT).strip()
    except (LookupError, UnicodeError):
        return stripped.decode("latin-1").strip()
