"""HealthImaging's metadata as the DICOM JSON Model (PS3.18 Annex F).

HealthImaging keeps values by keyword without their VR; the VR comes from PS3.6, or from `DICOMVRs` for private
elements. Where PS3.6 leaves a choice it is made by Pixel Representation (PS3.5 Annex A) or by the kind of the value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from pydicom._dicom_dict import DicomDictionary  # the whole table of PS3.6 has no public name in pydicom 3

Document = dict[str, Any]
# keyword -> (tag, VR)
_DICTIONARY: Final[dict[str, tuple[str, str]]] = {
    str(entry[4]): (f"{tag:08X}", str(entry[0])) for tag, entry in DicomDictionary.items() if entry[4]
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{8}")
_NOT_HEX: Final = re.compile(r"[^0-9A-Fa-f]")
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_INTEGERS: Final = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_REALS: Final = frozenset({"DS", "FD", "FL"})
_TEXT_BLOCKS: Final = frozenset({"LT", "ST", "UR", "UT"})
# Larger values are offered by URI instead (PS3.18 F.2.6); as base64 they would swell every metadata answer.
INLINE_BYTES: Final = 16 * 1024


def tag_of(name: str) -> str | None:
    """Tag (8 upper-case hex digits) of a keyword, a tag written in hex, or None."""
    found = _DICTIONARY.get(name)
    if found is not None:
        return found[0]
    return name.upper() if _HEX.fullmatch(name) else None


def attributes(values: Document, vrs: Document, *, signed: bool, bulk: str) -> Document:
    """Attributes of one level as DICOM JSON.

    Args:
        values: keyword, or tag of a private element, to value.
        vrs: VR of private elements by tag.
        signed: Pixel Representation is 1.
        bulk: URI below which large values are offered, ending with a slash.
    """
    return dict(_attributes(values, vrs, signed, bulk))


def _attributes(values: Document, vrs: Document, signed: bool, bulk: str) -> Iterator[tuple[str, Document]]:
    for name, value in values.items():
        known = _DICTIONARY.get(name)
        if known is not None:
            tag, vr = known
        elif _HEX.fullmatch(name):
            tag, vr = name.upper(), str(vrs.get(name) or vrs.get(name.upper()) or _guess(value))
        else:
            continue
        if tag == "7FE00010":
            continue
        if " or " in vr:
            vr = _choose(vr, value, signed)
        yield tag, _attribute(tag, vr, value, signed, bulk)


def _attribute(tag: str, vr: str, value: Any, signed: bool, bulk: str) -> Document:
    if value in (None, "", []):
        return {"vr": vr}
    if vr == "SQ":
        items = cast("list[Document]", value if isinstance(value, list) else [value])
        return {
            "vr": vr,
            "Value": [attributes(item, {}, signed=signed, bulk=f"{bulk}{tag}/{at}/") for at, item in enumerate(items)],
        }
    if vr in _BINARY:
        return _binary(tag, vr, value, bulk)
    values = cast("list[Any]", value if isinstance(value, list) else [value])
    return {"vr": vr, "Value": [_scalar(vr, one) for one in values]}


def _binary(tag: str, vr: str, value: Any, bulk: str) -> Document:
    if isinstance(value, list):  # several values of UN: texts that the store could not tell apart
        value = "\\".join(str(one) for one in cast("list[Any]", value))
    if isinstance(value, dict):
        return {"vr": vr, "BulkDataURI": f"{bulk}{tag}"}
    text = str(value)
    if not is_base64(text):
        text = base64.b64encode(text.encode()).decode()
    if len(text) * 3 // 4 > INLINE_BYTES:
        return {"vr": vr, "BulkDataURI": f"{bulk}{tag}"}
    return {"vr": vr, "InlineBinary": text}


def is_base64(text: str) -> bool:
    """Whether a text is base64 of whole bytes, as binary values are kept."""
    if len(text) % 4:
        return False
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _scalar(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        return person_name(str(value))
    if vr in _INTEGERS:
        return _number(value, int)
    if vr in _REALS:
        return _number(value, float)
    if vr == "AT":
        return f"{value:08X}" if isinstance(value, int) else _NOT_HEX.sub("", str(value)).upper()
    return value if isinstance(value, str) else str(value)


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    """A JSON number; a text that is none stays a text (PS3.18 F.2.3 allows it), nothing is rounded."""
    try:
        number = float(value)
        whole = number.is_integer() and abs(number) < 2**53
    except (TypeError, ValueError, OverflowError):
        return str(value)
    if kind is int:
        return int(value) if isinstance(value, int) or str(value).strip().lstrip("+-").isdigit() else str(value)
    return int(number) if whole else number


def person_name(text: str) -> Document:
    """The three groups of a person name (PS3.18 F.2.2)."""
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))
    return {name: part for name, part in groups.items() if part}


def _guess(value: Any) -> str:
    """VR of an element that nothing names one for."""
    return "SQ" if isinstance(value, list) and value and isinstance(value[0], dict) else "UN"


def _choose(vr: str, value: Any, signed: bool) -> str:
    """One of "US or SS", "OB or OW", "US or OW", "US or SS or OW"."""
    first: Any = cast("list[Any]", value)[0] if isinstance(value, list) and value else cast("Any", value)
    if "US" in vr and not isinstance(first, str | dict):
        return "SS" if signed and "SS" in vr else "US"
    return "OW" if "OW" in vr else "US"
