"""Small typed view of PS3.6 (the data dictionary, as pydicom ships it)."""

from functools import lru_cache
from typing import Final

from pydicom._uid_dict import UID_dictionary  # the table of PS3.6 Annex A has no public name in pydicom 3
from pydicom.datadict import dictionary_keyword, dictionary_VR

ITEM: Final = 0xFFFEE000
ITEM_DELIMITER: Final = 0xFFFEE00D
SEQUENCE_DELIMITER: Final = 0xFFFEE0DD
PIXEL_DATA: Final = 0x7FE00010

LONG_VRS: Final = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
"""VRs with a reserved field and a 32-bit length in Explicit VR (PS3.5 Table 7.1-1)."""
_SHORT_TEXT: Final = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI")
ALL_VRS: Final = LONG_VRS | frozenset((*_SHORT_TEXT, "AT", "FD", "FL", "SL", "SS", "UL", "US"))
TEXT_VRS: Final = frozenset(["AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])


def is_private(tag: int) -> bool:
    """Odd group number: a private element (PS3.5 7.8)."""
    return bool((tag >> 16) & 1)


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """The VR that PS3.6 gives a standard tag, its first choice when it gives several, or "" if unknown."""
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UL" if tag & 0xFFFF == 0 and not is_private(tag) else ""


@lru_cache(maxsize=8192)
def keyword_of(tag: int) -> str:
    """The keyword of a tag, or its number as eight hex digits when it has none."""
    try:
        return dictionary_keyword(tag) or f"{tag:08X}"
    except KeyError:
        return f"{tag:08X}"


def uid_name(uid: str, kind: str) -> str:
    """The registered name of a UID of this kind ("SOP Class", "Transfer Syntax"), or "" (PS3.6 Annex A)."""
    entry = UID_dictionary.get(uid)
    return entry[0] if entry and entry[1] == kind else ""


def registered(kind: str) -> dict[str, str]:
    """All registered UIDs of a kind with their names, retired ones included."""
    return {uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] == kind}
