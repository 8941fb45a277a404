"""What a cleaned object says about itself: file meta information and the attributes of PS3.15 E.1.1."""

from functools import cache
from typing import Final

from imaging.dictionary import TransferSyntax
from imaging.profile import EDITION, METHOD_CODES, Option
from imaging.structure import Element, Encoder
from imaging.values import padded

IMPLEMENTATION_CLASS_UID: Final = "2.25.302610243587218416301265410376541283917"
IMPLEMENTATION_VERSION_NAME: Final = "HIMLOPS_DEID_1"


def text(tag: int, vr: str, value: str) -> Element:
    """An element of ASCII text."""
    return Element(tag, vr, padded(value.encode("ascii"), vr))


def with_statement(
    elements: list[Element], applied: frozenset[Option], patient: str, *, text_was_masked: bool
) -> list[Element]:
    """The elements in tag order with the attributes that say what was done; older claims go.

    Codes of CID 7050 name the options that were applied to this object and no other.
    """
    statement = [text(0x00100010, "PN", patient), text(0x00100020, "LO", patient), *_claims(applied)]
    if text_was_masked:
        statement.append(text(0x00280301, "CS", "NO"))
    replaced = {element.tag for element in statement}
    first: dict[int, Element] = {}
    for element in (*(element for element in elements if element.tag not in replaced), *statement):
        first.setdefault(element.tag, element)  # a faulty object may repeat an element: readers take the first
    return [first[tag] for tag in sorted(first)]


@cache
def _claims(applied: frozenset[Option]) -> tuple[Element, ...]:
    """Patient Identity Removed, method, codes, and what became of the dates."""
    codes = [METHOD_CODES[None], *(METHOD_CODES[option] for option in Option if option in applied)]
    items = [
        [text(0x00080100, "SH", value), text(0x00080102, "SH", "DCM"), text(0x00080104, "LO", meaning)]
        for value, meaning in codes
    ]
    dates = "REMOVED"
    if Option.FULL_DATES in applied:
        dates = "UNMODIFIED"
    elif Option.MODIFIED_DATES in applied:
        dates = "MODIFIED"
    return (
        text(0x00120062, "CS", "YES"),
        text(0x00120063, "LO", f"DICOM PS3.15 {EDITION} Basic Profile by table E.1-1"),
        Element(0x00120064, "SQ", items=items),
        text(0x00280303, "CS", dates),
    )


def file_meta(sop_class: str, image_uid: str, syntax: TransferSyntax) -> bytes:
    """New file meta information (PS3.10 7.1): nothing of the old one survives, application titles above all."""
    elements = [
        Element(0x00020001, "OB", b"\0\1"),
        text(0x00020002, "UI", sop_class),
        text(0x00020003, "UI", image_uid),
        text(0x00020010, "UI", str(syntax)),
        text(0x00020012, "UI", IMPLEMENTATION_CLASS_UID),
        text(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME),
    ]
    encoder = Encoder(little=True)
    body = encoder.encode(elements, implicit=False)
    return encoder.encode([Element(0x00020000, "UL", len(body).to_bytes(4, "little"))], implicit=False) + body
