"""Content items of structured reports (Clean Structured Content Option, PS3.15 E.3.4 and Table E.3.4-1).

The tree stays valid: items are removed only where no other item refers to them by position (PS3.3 C.17.3.2.5),
else their values are replaced.
"""

import struct
from typing import TYPE_CHECKING, Final

from imaging.profile import Action, content_table
from imaging.structure import Element
from imaging.values import padded

if TYPE_CHECKING:
    from imaging.clean import Cleaner

CONTENT_SEQUENCE: Final = 0x0040A730
_GRAPHIC_ANNOTATIONS: Final = 0x00700001
_VALUE_TYPE, _CONCEPT, _RELATIONSHIP = 0x0040A040, 0x0040A043, 0x0040A010
_REFERENCED_POSITION: Final = 0x0040DB73
_TEXT_VALUE, _CODE_SEQUENCE, _MEASURED = 0x0040A160, 0x0040A168, 0x0040A300
_FREE: Final = ("TEXT", "PNAME")
_REFERENCES: Final = ("IMAGE", "COMPOSITE", "WAVEFORM", "UIDREF")
_TEMPORAL: Final = ("DATE", "TIME", "DATETIME")


def _text(tag: int, vr: str, value: bytes) -> Element:
    return Element(tag, vr, padded(value, vr))


def _code(tag: int, value: bytes, scheme: bytes, meaning: bytes) -> Element:
    item = [_text(0x00080100, "SH", value), _text(0x00080102, "SH", scheme), _text(0x00080104, "LO", meaning)]
    return Element(tag, "SQ", items=[item])


def stand_in(tag: int, *, little: bool) -> list[list[Element]]:
    """Valid items for sequences whose dummy must mean something; [] for every other sequence."""
    if tag == CONTENT_SEQUENCE:
        comment = _code(_CONCEPT, b"121106", b"DCM", b"Comment")
        value = _text(_TEXT_VALUE, "UT", b"Removed by de-identification")
        return [[_text(_RELATIONSHIP, "CS", b"CONTAINS"), _text(_VALUE_TYPE, "CS", b"TEXT"), comment, value]]
    if tag == _GRAPHIC_ANNOTATIONS:
        return [[_text(0x00700002, "CS", b"REMOVED"), Element(0x00700009, "SQ", items=[_point(little=little)])]]
    return []


def _point(*, little: bool) -> list[Element]:
    """A graphic object of one point in the corner (PS3.3 C.10.5)."""
    order = "<" if little else ">"
    return [
        _text(0x00700005, "CS", b"PIXEL"),
        Element(0x00700020, "US", struct.pack(f"{order}H", 2)),
        Element(0x00700021, "US", struct.pack(f"{order}H", 1)),
        Element(0x00700022, "FL", struct.pack(f"{order}ff", 1, 1)),
        _text(0x00700023, "CS", b"POINT"),
        _text(0x00700024, "CS", b"N"),
    ]


def clean_tree(cleaner: "Cleaner", items: list[list[Element]]) -> list[list[Element]]:
    """The items of one content sequence, each by the rule of its concept; deeper items with them."""
    positions_matter = _has_reference_by_position(items)
    cleaned: list[list[Element]] = []
    for item in items:
        action = _action(cleaner, item)
        cleaner.counts[f"table E.3.4-1: {action}"] += 1
        if action is Action.REMOVE and not positions_matter:
            continue
        cleaned.append(_item(cleaner, item, Action.DUMMY if action is Action.REMOVE else action))
    return cleaned


def _has_reference_by_position(items: list[list[Element]]) -> bool:
    return any(
        element.tag == _REFERENCED_POSITION or (element.items is not None and _has_reference_by_position(element.items))
        for item in items
        for element in item
    )


def _value(item: list[Element], tag: int) -> str:
    found = next((e for e in item if e.tag == tag and e.items is None), None)
    return bytes(found.value).decode("latin-1").strip(" \0") if found else ""


def _action(cleaner: "Cleaner", item: list[Element]) -> Action:
    """The table's action for the concept; by value type where the table does not name it."""
    value_type = _value(item, _VALUE_TYPE)
    nothing: list[Element] = []
    concept = next((e.items[0] for e in item if e.tag == _CONCEPT and e.items), nothing)
    rule = content_table().get((_value(concept, 0x00080100), _value(concept, 0x00080102), value_type))
    if rule is not None:
        return rule.action(cleaner.options)
    if value_type in _FREE:
        return Action.DUMMY
    return Action.KEEP


def _item(cleaner: "Cleaner", item: list[Element], action: Action) -> list[Element]:
    """One item under an action: the attributes that say what it is are kept, those of its value follow the action."""
    kept = cleaner.data_set([element for element in item if element.tag not in (CONTENT_SEQUENCE, _TEXT_VALUE)])
    children = next((e for e in item if e.tag == CONTENT_SEQUENCE and e.items is not None), None)
    if children is not None and children.items is not None:
        branches = clean_tree(cleaner, children.items)
        kept.append(Element(CONTENT_SEQUENCE, children.vr, items=branches, implicit=children.implicit))
    text = next((e for e in item if e.tag == _TEXT_VALUE and e.items is None), None)
    if text is not None:
        reduced = cleaner.reduced(text) if action in (Action.CLEAN, Action.KEEP) else b""
        kept.append(cleaner.with_value(text, reduced or b"Removed by de-identification"))
    if action in (Action.DUMMY, Action.EMPTY):
        kept = [_without_value(element) for element in kept]
    return sorted(kept, key=lambda element: element.tag)


def _without_value(element: Element) -> Element:
    """A coded or measured value replaced; dates, names and references are cleaned by their own rows already."""
    if element.tag == _CODE_SEQUENCE:
        return _code(_CODE_SEQUENCE, b"261665006", b"SCT", b"Unknown")
    if element.tag == _MEASURED:
        return Element(_MEASURED, element.vr, items=[], implicit=element.implicit)
    return element
