"""Coded entries (PS3.3 section 8): codes of published schemes stay with their meanings, the rest is reduced."""

import re
from typing import TYPE_CHECKING, Final

from imaging import free_text
from imaging.charset import decode_text
from imaging.dictionary import TEXT_VRS
from imaging.profile import Option
from imaging.structure import Element
from imaging.values import dummy

if TYPE_CHECKING:
    from imaging.clean import Cleaner

CODE_VALUE, SCHEME, MEANING = 0x00080100, 0x00080102, 0x00080104
_VERSION, _URL, _REGISTRY, _LONG, _URN = 0x00080103, 0x0008010E, 0x00080112, 0x00080119, 0x00080120
_LONGEST_MEANING: Final = 256
_SAYS_MORE: Final = frozenset((MEANING, _VERSION, _URL, _REGISTRY, _LONG, _URN))
_VERSION_NUMBER: Final = re.compile(rb"[0-9.]{1,8}[ \0]?")
_URN_OF_CODE: Final = re.compile(rb"urn:(?:oid:[0-9.]{3,64}|uuid:[0-9a-fA-F\-]{36})[ \0]*")
_PUBLIC_SCHEMES: Final = frozenset(
    (
        *(b"DCM", b"SCT", b"SRT", b"SNM3", b"99SDM", b"LN", b"UCUM", b"FMA", b"RADLEX", b"MDC", b"UMLS", b"NCIt"),
        *(b"BI", b"ACR", b"ISO639_1", b"ISO639_2", b"ISO3166_1", b"RFC5646", b"ITIS_TSN", b"PUBCHEM_CID", b"I10"),
        *(b"I9C", b"C4"),
    )
)


def is_public(item: list[Element]) -> bool:
    """Whether the coding scheme of an entry is published (PS3.16 section 8), so that its meanings are as well."""
    schemes = {bytes(element.value).strip(b" \0") for element in item if element.tag == SCHEME}
    return bool(schemes) and schemes <= _PUBLIC_SCHEMES


def safe(cleaner: "Cleaner", item: list[Element]) -> list[Element]:
    """An entry without what somebody may have typed into it; any other data set as it is."""
    if not any(element.tag in _SAYS_MORE for element in item):
        return item
    public = is_public(item)
    return [_safe(cleaner, element, public=public) if element.tag in _SAYS_MORE else element for element in item]


def _safe(cleaner: "Cleaner", element: Element, *, public: bool) -> Element:
    value = bytes(element.value)
    if element.items is not None or not value:
        return element
    if element.tag == MEANING:
        stays = public and Option.DESCRIPTORS not in cleaner.options and _names_a_concept(cleaner, element, value)
        return element if stays else cleaner.with_value(element, cleaner.reduced(element) or dummy("LO"))
    if element.tag == _URN:
        stays = _URN_OF_CODE.fullmatch(value) is not None
    else:
        stays = public or (element.tag == _VERSION and _VERSION_NUMBER.fullmatch(value) is not None)
        stays = stays or (element.tag == _REGISTRY and value.strip(b" \0") == b"HL7")
    return element if stays else cleaner.dummy(element)


def _names_a_concept(cleaner: "Cleaner", element: Element, value: bytes) -> bool:
    if len(value) > _LONGEST_MEANING:
        return False
    return free_text.names_a_concept(decode_text(value, element.vr if element.vr in TEXT_VRS else "LO", cleaner.terms))


def public_only(cleaner: "Cleaner", item: list[Element]) -> list[Element]:
    """An entry under action C: codes of public schemes only, text reduced."""
    public = is_public(item)
    kept: list[Element] = []
    for element in item:
        is_code = element.tag in (CODE_VALUE, SCHEME)
        if is_code and not public:
            kept.append(cleaner.dummy(element))
        elif element.items is None and element.vr in ("LO", "SH", "UN", "") and not is_code:
            kept.append(cleaner.reduced_or_dummy(element))
        else:
            kept.append(element)
    return kept
