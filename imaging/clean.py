"""Cleaning of single elements under the profile: what is kept, dropped, emptied, replaced or shifted.

Beyond Table E.1-1 it is stricter where the table is silent: private elements, overlays and curves, group lengths,
elements PS3.6 does not know, person names, long free text, and instance UIDs or dates in unlisted attributes.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from imaging.dictionary import PIXEL_DATA, TEXT_VRS, is_private, keyword_of, vr_of
from imaging.parse import SPECIFIC_CHARACTER_SET
from imaging.profile import Action, Retain, table
from imaging.pseudonym import Pseudonymizer
from imaging.residual import Identifiers
from imaging.structure import Element

PATIENT_ID: Final = 0x00100020
PATIENT_NAME: Final = 0x00100010
_LONG_TEXT: Final = frozenset(("LT", "ST", "UT", "UC", "UR"))
_CODE_TEXT: Final = frozenset((0x00080119, 0x00080120))  # Long and URN Code Value: codes, not prose
_CODING_SCHEME_UID: Final = 0x0008010C
_STANDARD_ROOT: Final = b"1.2.840.10008."
_DATE: Final = re.compile(rb"(\d{4})(?:\.?(\d{2})(?:\.?(\d{2}))?)?(.*)", re.DOTALL)
_TEMPORAL: Final = ("DA", "DT", "TM")
_NUMBERS: Final = re.compile(rb"[0-9eE+\-.\\ \0]*")
_AGE: Final = re.compile(rb"(\d{3})([DWMY])")
OLDEST_AGE: Final = 90
"""Ages over 89 become one category (45 CFR 164.514(b)(2)(i)(C))."""
_DUMMY: Final = {
    "AE": b"ANONYMIZED",
    "AS": b"000Y",
    "CS": b"ANONYMIZED",
    "DA": b"19000101",
    "DS": b"0 ",
    "DT": b"19000101000000",
    "IS": b"0 ",
    "LO": b"ANONYMIZED",
    "LT": b"ANONYMIZED",
    "PN": b"ANONYMIZED",
    "SH": b"ANONYMIZED",
    "ST": b"ANONYMIZED",
    "TM": b"000000",
    "UC": b"ANONYMIZED",
    "UR": b"urn:anonymized",
    "UT": b"ANONYMIZED",
}
_FOUR_BYTES: Final = frozenset(("AT", "FL", "OF", "OL", "SL", "UL"))
_EIGHT_BYTES: Final = frozenset(("FD", "OD", "OV", "SV", "UV"))


@dataclass
class Cleaner:
    """Cleans the data sets of one object.

    Attributes:
        pseudonymizer: key of the platform.
        patient: pseudonym of the patient, written for Patient ID and Patient's Name.
        shift: days every date moves back.
        retain: options of the profile in force.
        identifiers: harvested values, looked for in text that is kept.
        counts: number of elements by what happened to them.
        touched: the same by keyword, for the audit record.
    """

    pseudonymizer: Pseudonymizer
    patient: str
    shift: timedelta
    retain: frozenset[Retain]
    identifiers: Identifiers
    counts: Counter[str] = field(default_factory=Counter[str])
    touched: dict[str, str] = field(default_factory=dict[str, str])

    def data_set(self, elements: list[Element]) -> list[Element]:
        """A cleaned copy of one data set, sequences included."""
        cleaned: list[Element] = []
        for element in elements:
            kept = self._element(element)
            if kept is not None:
                cleaned.append(kept)
        return cleaned

    def _element(self, element: Element) -> Element | None:
        dropped = _always_dropped(element)
        if dropped:
            self.counts[dropped] += 1
            return None
        action = self._action(element)
        self.counts[action.value] += 1
        if action is not Action.KEEP:
            self.touched[keyword_of(element.tag)] = action.value
        return self._handlers()[action](element)

    def _handlers(self) -> dict[Action, Callable[[Element], Element | None]]:
        return {
            Action.KEEP: self._keep,
            Action.REMOVE: lambda _: None,
            Action.EMPTY: self._empty,
            Action.DUMMY: self._dummy,
            Action.REPLACE_UID: self._replace_uid,
            Action.SHIFT: self._shift,
        }

    def _action(self, element: Element) -> Action:
        rule = table().get(element.tag)
        if rule is None:
            return self._unlisted(element)
        action = rule.action(self.retain)
        if action is Action.SHIFT and _effective_vr(element) not in _TEMPORAL:
            return rule.action(frozenset())  # a date in words cannot be shifted
        return action

    def _unlisted(self, element: Element) -> Action:
        """What to do with an attribute the table does not name."""
        vr = _effective_vr(element)
        if vr == "PN" or (vr in _LONG_TEXT and element.tag not in _CODE_TEXT):
            return Action.REMOVE
        if vr in _TEMPORAL and Retain.FULL_DATES not in self.retain:
            return Action.SHIFT if Retain.MODIFIED_DATES in self.retain else Action.REMOVE
        if vr == "UI" and Retain.UIDS not in self.retain and element.tag != _CODING_SCHEME_UID:
            registered = all(uid.startswith(_STANDARD_ROOT) for uid in bytes(element.value).split(b"\\"))
            return Action.KEEP if registered else Action.REPLACE_UID
        return Action.KEEP

    def _keep(self, element: Element) -> Element:
        if element.items is not None:
            items = [self.data_set(item) for item in element.items]
            return Element(element.tag, element.vr, items=items, implicit=element.implicit)
        vr = _effective_vr(element)
        if vr == "AS":
            return self._with(element, b"\\".join(_capped_age(age) for age in bytes(element.value).split(b"\\")))
        if element.tag == PIXEL_DATA:
            return element
        value = bytes(element.value)
        prose = vr in ("DS", "IS") and not _NUMBERS.fullmatch(value)
        if prose or self.identifiers.found_in(value):
            self.counts["identifier-in-kept-value"] += 1
            self.touched[keyword_of(element.tag)] = Action.DUMMY.value
            return self._dummy(element)
        return element

    def _empty(self, element: Element) -> Element:
        if element.tag == PATIENT_NAME:
            return self._with(element, self.patient.encode())
        if element.items is not None:
            return Element(element.tag, element.vr, items=[], implicit=element.implicit)
        return self._with(element, b"")

    def _dummy(self, element: Element) -> Element:
        if element.tag == PATIENT_ID:
            return self._with(element, self.patient.encode())
        if element.items is not None:
            items = [self._dummy_item(item) for item in element.items[:1]]
            return Element(element.tag, element.vr, items=items, implicit=element.implicit)
        vr = _effective_vr(element)
        if vr == "UI":
            return self._replace_uid(element)
        width = 8 if vr in _EIGHT_BYTES else 4 if vr in _FOUR_BYTES else 2
        return self._with(element, _DUMMY.get(vr) or bytes(width))

    def _dummy_item(self, item: list[Element]) -> list[Element]:
        """One item of the same shape without one original value."""
        return [
            element if element.tag == SPECIFIC_CHARACTER_SET else self._dummy(element)
            for element in item
            if not _always_dropped(element)
        ]

    def _replace_uid(self, element: Element) -> Element:
        if element.items is not None:
            return self._keep(element)
        values = bytes(element.value).rstrip(b"\0 ").split(b"\\")
        return self._with(element, b"\\".join(self._uid(value.strip(b"\0 ")) for value in values))

    def _uid(self, value: bytes) -> bytes:
        if not value or value.startswith(_STANDARD_ROOT):
            return value
        return self.pseudonymizer.uid(value.decode("latin-1")).encode()

    def _shift(self, element: Element) -> Element:
        vr = _effective_vr(element)
        if vr == "TM":  # shifts are whole days: the time of day stays, so that intervals do
            return element if re.fullmatch(rb"[0-9.:\\ \0]*", bytes(element.value)) else self._with(element, b"")
        values = bytes(element.value).rstrip(b"\0 ").split(b"\\")
        return self._with(element, b"\\".join(self._shifted(value, vr) for value in values))

    def _shifted(self, value: bytes, vr: str) -> bytes:
        """The date part moved back, at the precision it came in; what is no date is emptied."""
        text = value.strip()
        match = _DATE.fullmatch(text)
        if not text or match is None or not re.fullmatch(rb"[0-9.+&-]*", match[4]) or (vr == "DA" and match[4]):
            return b"" if not text else _DUMMY[vr]
        year, month, day, rest = match.groups()
        try:
            moved = date(int(year), int(month or 1), int(day or 1)) - self.shift
        except (ValueError, OverflowError):
            return _DUMMY[vr]
        digits = moved.strftime("%Y%m%d").rjust(8, "0").encode()
        return digits[: 4 + 2 * (month is not None) + 2 * (day is not None)] + rest

    def _with(self, element: Element, value: bytes) -> Element:
        vr = _effective_vr(element)
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "UN", "OB") else b" "
        return Element(element.tag, vr or "UN", value, implicit=element.implicit)


def _effective_vr(element: Element) -> str:
    """The declared VR; that of PS3.6 where the object says UN."""
    return vr_of(element.tag) or "UN" if element.vr in ("UN", "") else element.vr


def _always_dropped(element: Element) -> str:
    """Why an element never stays, "" when the profile decides."""
    group, number = element.tag >> 16, element.tag & 0xFFFF
    if is_private(element.tag):
        return "private-removed"
    if group & 0xFF00 in (0x5000, 0x6000):
        return "overlay-or-curve-removed"
    if number == 0 or group < 0x0008 or group >= 0xFFF0:
        return "structural-removed"  # group lengths, command and directory groups, padding, signatures
    return _misfit(element, vr_of(element.tag))


def _misfit(element: Element, expected: str) -> str:
    """Why an element does not fit its definition in PS3.6, "" when it does."""
    if not expected:
        return "unknown-removed"
    opaque = element.vr in TEXT_VRS or element.vr in ("OB", "UN")
    expected_binary = expected not in TEXT_VRS and expected not in ("OB", "OW", "UN", "SQ", "CS", "DS", "IS", "UI")
    if element.vr not in ("UN", "") and element.vr != expected and opaque and expected_binary:
        return "wrong-vr-removed"  # prose where PS3.6 has a number or a date
    if expected == "SQ" and element.items is None and len(element.value):
        return "wrong-vr-removed"
    return ""


def _capped_age(age: bytes) -> bytes:
    match = _AGE.fullmatch(age.strip(b" \0"))
    if match is None:
        return _DUMMY["AS"] if age.strip(b" \0") else b""
    return b"%03dY" % OLDEST_AGE if match[2] == b"Y" and int(match[1]) >= OLDEST_AGE else match[0]
