"""Small typed view of PS3.6 (the data dictionary, as pydicom ships it).

The two tables are loaded as the plain modules they are: importing pydicom itself brings numpy along, which costs
more than everything else that reading and cleaning a header needs.
"""

import re
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final


@cache
def _pydicom_module(module: str) -> Any:
    """A module of tables of pydicom, without the package's own initialization."""
    package = find_spec("pydicom")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ImportError("pydicom is needed for its data dictionary")
    spec = spec_from_file_location(f"imaging.dictionary.{Path(module).name}", Path(folders[0]) / f"{module}.py")
    if not isinstance(spec, ModuleSpec) or spec.loader is None:
        raise ImportError(f"pydicom has no table {module}")
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


_ELEMENTS: Final[dict[int, tuple[str, str, str, str, str]]] = _pydicom_module("_dicom_dict").DicomDictionary
_REPEATERS: Final[dict[str, tuple[str, str, str, str, str]]] = _pydicom_module("_dicom_dict").RepeatersDictionary
_UIDS: Final[dict[str, tuple[str, str, str, str, str]]] = _pydicom_module("_uid_dict").UID_dictionary

_STANDARD_UID: Final = re.compile(rb"1\.2\.840\.10008(?:\.\d{1,4}){1,9}")

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
def _entry(tag: int) -> tuple[str, str, str, str, str] | None:
    """VR, VM, name, retired, keyword; repeating groups (50xx, 60xx and others) by their mask."""
    found = _ELEMENTS.get(tag)
    if found is not None or is_private(tag):
        return found
    digits = f"{tag:08X}"
    masks = (mask for mask in _REPEATERS if all(a in ("x", b) for a, b in zip(mask, digits, strict=True)))
    return _REPEATERS.get(next(masks, ""))


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """The VR that PS3.6 gives a standard tag, its first choice when it gives several, or "" if unknown."""
    entry = _entry(tag)
    if entry is None:
        return "UL" if tag & 0xFFFF == 0 and not is_private(tag) else ""
    return entry[0][:2]


@lru_cache(maxsize=8192)
def keyword_of(tag: int) -> str:
    """The keyword of a tag, or its number as eight hex digits when it has none."""
    entry = _entry(tag)
    return (entry[4] if entry else "") or f"{tag:08X}"


def uid_name(uid: str, kind: str) -> str:
    """The registered name of a UID of this kind ("SOP Class", "Transfer Syntax"), or "" (PS3.6 Annex A)."""
    entry = _UIDS.get(uid)
    return entry[0] if entry and entry[1] == kind else ""


def registered(kind: str) -> dict[str, str]:
    """All registered UIDs of a kind with their names, retired ones included."""
    return {uid: entry[0] for uid, entry in _UIDS.items() if entry[1] == kind}


def is_standard_uid(uid: bytes) -> bool:
    """Whether a UID is one that DICOM itself gives out: below its root, in numbers as short as they are there."""
    return _STANDARD_UID.fullmatch(uid) is not None


@cache
def concepts() -> dict[str, list[str]]:
    """Meanings of the coded concepts of PS3.16 by coding scheme."""
    by_scheme: dict[str, dict[str, dict[str, tuple[str, list[int]]]]] = _pydicom_module("sr/_concepts_dict").concepts
    return {
        scheme: [meaning for codes in keywords.values() for meaning, _ in codes.values()]
        for scheme, keywords in by_scheme.items()
    }


class TransferSyntax(str):
    """UID of a transfer syntax (PS3.5 section 10)."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name in PS3.6 Annex A."""
        return uid_name(self, "Transfer Syntax")

    @property
    def is_encapsulated(self) -> bool:
        """Whether pixel data is stored as fragments (PS3.5 A.4)."""
        return self not in NATIVE_SYNTAXES


IMPLICIT_LITTLE: Final = TransferSyntax("1.2.840.10008.1.2")
EXPLICIT_LITTLE: Final = TransferSyntax("1.2.840.10008.1.2.1")
DEFLATED: Final = TransferSyntax("1.2.840.10008.1.2.1.99")
EXPLICIT_BIG: Final = TransferSyntax("1.2.840.10008.1.2.2")
NATIVE_SYNTAXES: Final = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG))
