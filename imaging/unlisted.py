"""Rules for what Table E.1-1 does not name (PS3.15 E.1.1 leaves it to the implementer): stricter, by kind of value."""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final

from imaging.dictionary import ALL_VRS, PIXEL_DATA, TEXT_VRS, is_standard_uid, keyword_of, vr_of
from imaging.profile import Action, Option
from imaging.structure import Element

TEMPORAL: Final = ("DA", "DT", "TM")
_LONG_TEXT: Final = frozenset(("LT", "ST", "UT"))
_TEXT_TO_REDUCE: Final = frozenset(("LO", "SH", "UC"))
_CODES: Final = frozenset((0x00080119, 0x00080120, 0x0008010E))
"""Long Code Value, URN Code Value, Coding Scheme URL: codes, not prose."""
_PIXELS: Final = frozenset((0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, PIXEL_DATA))
_CHOSEN_NAMES: Final = frozenset((0x00700080, 0x00700002))
"""Content Label and Graphic Layer: names that a person chooses, in a VR meant for defined terms."""
_CODING_SCHEME_UID: Final = 0x0008010C
_PROSE: Final = re.compile(
    r"(Description|Comments?|Label|Title|Explanation|Notes|Remarks?|Detail|DetailedDefinition|InstructionText"
    r"|ForProcedure|DiagnosticTasks|Indicator)$"
)
_IDENTITY: Final = re.compile(
    r"OrderNumber|AlternativeCalendar|RegistrationNumber|StockNumber|CertificationNumber|SerialNumber|LotIdentifier"
    r"|WelderIDs|Issuer|IssuingAuthority|AssigningAuthority|OwnerID|UserGroupName|ProtocolCreator|DisplayName"
    r"|Itinerary|Carrier|BoardingPass|RouteSegment|NTPSourceAddress|FileSetID|PrivateDataElement|StrainSource"
    r"|TradeItem|UniqueDeviceIdentifier|SelectorUCValue|PrivateCreator"
)
_BINARY: Final = ALL_VRS - TEXT_VRS - frozenset(("AS", "CS", "DA", "DS", "DT", "IS", "SQ", "TM", "UI", "UN"))
_OWN_FORM: Final = (frozenset(TEMPORAL), frozenset(("AS",)))
"""VRs whose values another VR would let pass unread: dates would not be shifted, ages not capped."""
_OPAQUE: Final = re.compile("EncryptedContent|^Signature$|RecordKey|HPGLDocument|ObjectBinaryIdentifier")
"""Bytes that hold other attributes, drawings or proofs of who signed."""
_NAMED_BY_PEOPLE: Final = re.compile(
    "^(AcquisitionProtocol|Beam|Block|ApplicationSetup|RTImage|DataSet|DoseMode|Configuration|HangingProtocol|Stage"
    "|View)Name$|^TreatmentProtocols$|^ImageID$|^DeidentificationMethod$"
)


def why_dropped(element: Element) -> str:
    """Why a standard element never stays, "" when the profile decides."""
    group, number = element.tag >> 16, element.tag & 0xFFFF
    if group & 0xFF00 in (0x5000, 0x6000):
        return "overlay or curve: remove"
    if group & 0xFF00 == 0x7F00 and element.tag not in _PIXELS:
        return "retired pixel data: remove"
    if number == 0 or group < 0x0008 or group >= 0xFFF0:
        return "group length, command, directory, signature or padding: remove"
    return _misfit(element.tag, element.vr, element.items is not None, len(element.value) > 0)


@lru_cache(maxsize=8192)
def _misfit(tag: int, vr: str, is_sequence: bool, has_value: bool) -> str:
    """Why an element does not fit its definition in PS3.6, "" when it does."""
    expected = vr_of(tag)
    if not expected:
        return "unknown to PS3.6: remove"
    declared = vr not in ("UN", "", "SQ") and expected != "SQ"
    wrong_value = declared and (
        (vr in _BINARY) != (expected in _BINARY) or any(expected in own and vr not in own for own in _OWN_FORM)
    )
    no_sequence = expected == "SQ" and not is_sequence and has_value
    unexpected_sequence = is_sequence and expected != "SQ"
    return "not the VR of PS3.6: remove" if wrong_value or no_sequence or unexpected_sequence else ""


def unlisted_action(element: Element, options: AbstractSet[Option]) -> Action:
    """What to do with a standard attribute the table does not name."""
    vr = vr_of(element.tag) or "UN" if element.vr in ("UN", "") else element.vr
    if "UI" in (vr, vr_of(element.tag)) and Option.UIDS not in options and element.tag != _CODING_SCHEME_UID:
        registered = all(is_standard_uid(uid.strip(b"\0 ")) for uid in bytes(element.value).split(b"\\"))
        return Action.KEEP if registered else Action.REPLACE_UID
    if vr in TEMPORAL:
        return _temporal(options)
    return _by_kind(element.tag, vr)


def _temporal(options: AbstractSet[Option]) -> Action:
    if Option.FULL_DATES in options:
        return Action.KEEP
    return Action.SHIFT if Option.MODIFIED_DATES in options else Action.REMOVE


@lru_cache(maxsize=8192)
def _by_kind(tag: int, vr: str) -> Action:
    if tag in _CODES or tag == PIXEL_DATA:
        return Action.KEEP
    if vr in ("PN", "AE", "UR") or vr in _LONG_TEXT:
        return Action.REMOVE
    keyword = keyword_of(tag)
    if _OPAQUE.search(keyword):
        return Action.REMOVE
    if vr in TEXT_VRS and _IDENTITY.search(keyword):
        return Action.DUMMY
    if tag in _CHOSEN_NAMES or _NAMED_BY_PEOPLE.search(keyword):
        return Action.CLEAN
    return Action.CLEAN if vr in _TEXT_TO_REDUCE and _PROSE.search(keyword) else Action.KEEP
