"""Cleaning of data sets under the profile: what is kept, dropped, emptied, replaced, shifted or rewritten.

Beyond Table E.1-1 it is stricter where the table is silent (`imaging.unlisted`): private elements, overlays and
curves, group lengths, elements PS3.6 does not know, person names, free text, addresses, and UIDs or dates.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final

from imaging import coded, content, documents, fonts, free_text, icc
from imaging.charset import decode_text, known_terms
from imaging.dictionary import PIXEL_DATA, TEXT_VRS, is_private, is_standard_uid, keyword_of, vr_of
from imaging.forms import SPECIFIC_CHARACTER_SET, Form, charset, fits, form_of
from imaging.plan import DECIDED, MOST_PLANS, PLANS, Decision, Plan
from imaging.private import PrivateBlocks
from imaging.profile import Action, Option, table
from imaging.pseudonym import Pseudonymizer
from imaging.residual import Identifiers
from imaging.structure import Element, remember
from imaging.unlisted import TEMPORAL, unlisted_action, why_dropped
from imaging.values import capped_age, dummy, is_time, padded, shifted

PATIENT_ID: Final = 0x00100020
PATIENT_NAME: Final = 0x00100010
_MEDIA_TYPE: Final = 0x00420012
_DOCUMENT: Final = 0x00420011
_ICC_PROFILE: Final = 0x00282000
_GRAPHIC_ANNOTATIONS: Final = 0x00700001
_REWRITTEN: Final = frozenset((_ICC_PROFILE, PIXEL_DATA))
_CONTENT_SEQUENCES: Final = frozenset((0x0040A730, 0x00400555, 0x00400610, 0x0040B020))


@dataclass
class Cleaner:
    """Cleans the data sets of one object.

    Attributes:
        pseudonymizer: key of the platform.
        patient: pseudonym of the patient, written for Patient ID and Patient's Name.
        shift: days every date moves back.
        options: options of the profile in force.
        identifiers: harvested values, looked for in text that is kept.
        little: byte order of the data set.
        counts: number of elements by rule and action.
        touched: action by keyword, for the audit record.
    """

    pseudonymizer: Pseudonymizer
    patient: str
    shift: timedelta
    options: frozenset[Option]
    identifiers: Identifiers
    counts: Counter[str] = field(default_factory=Counter[str])
    touched: dict[str, str] = field(default_factory=dict[str, str])
    little: bool = True
    terms: tuple[str, ...] = ("",)
    depth: int = 0
    _plans: dict[tuple[int, str], Plan] = field(init=False)

    def __post_init__(self) -> None:
        self._plans = PLANS.setdefault(self.options, {})

    def data_set(self, elements: list[Element]) -> list[Element]:
        """A cleaned copy of one data set, sequences included."""
        outer = self.terms
        self.depth += 1
        charset = _first(elements, SPECIFIC_CHARACTER_SET)
        self.terms = outer if charset is None else tuple(known_terms(charset))
        private = PrivateBlocks(elements) if Option.SAFE_PRIVATE in self.options else None
        cleaned: list[Element] = []
        alone, counts, touched = self.identifiers.is_empty, self.counts, self.touched
        decided = DECIDED.setdefault((self.options, self.little, alone), {})
        for element in elements:
            decision = decided.get(element.raw) if element.met else None
            if decision is None:
                decision = self._decision(element, alone=alone)
                if decision is None:
                    kept = self._element(element, private, elements)
                    if kept is not None:
                        cleaned.append(kept)
                    continue
                if element.met:
                    remember(decided, element.raw, decision)
            counts[decision.label] += 1
            if decision.touched:
                touched[decision.touched] = decision.done
            if decision.result is not None:
                cleaned.append(decision.result)
        cleaned = coded.safe(self, cleaned)
        self.terms = outer
        self.depth -= 1
        return private.without_idle_creators(cleaned) if private else cleaned

    def _decision(self, element: Element, *, alone: bool) -> Decision | None:
        """What becomes of an element by itself, None where the rest of the object has a say."""
        if element.items is not None or not element.value:
            return None
        plan = self._planned(element)
        if plan.same_for_all and not (is_private(element.tag) and Option.SAFE_PRIVATE in self.options):
            return Decision(plan.label, plan.touched, plan.done, plan.stand_in)
        stays = alone and plan.kept_as_it_is and fits(plan.form, bytes(element.value))
        return Decision(plan.label, "", "", element) if stays else None

    def _planned(self, element: Element) -> Plan:
        known = self._plans.get((element.tag, element.vr))
        if known is not None:
            return known
        plan = self._plan(element)
        if not plan.depends_on_value:
            stand_in = _stand_in(element, plan)
            same_for_all = stand_in is not None or (plan.action is Action.REMOVE and not _is_pixels(element))
            plan = plan._replace(same_for_all=same_for_all, stand_in=stand_in)
        if not plan.depends_on_value and (vr_of(element.tag) or len(self._plans) < MOST_PLANS):
            self._plans[element.tag, element.vr] = plan
        return plan

    def _plan(self, element: Element) -> Plan:
        """What the rules say of an element, from its tag and VR alone where possible."""
        if is_private(element.tag):
            return Plan(Action.REMOVE, "private: remove", "", False, False)
        why = why_dropped(element)
        if why:
            return Plan(Action.REMOVE, why, "", False, False)
        rule = table().get(element.tag)
        action = rule.action(self.options) if rule else unlisted_action(element, self.options)
        vr = _effective_vr(element)
        if action is Action.SHIFT and vr not in TEMPORAL and element.items is None and rule:
            action = rule.action(self.options - {Option.MODIFIED_DATES})  # a date in words cannot be shifted
        label = f"{'table E.1-1' if rule else 'not in the table'}: {action}"
        form = form_of(element.tag, vr)
        form = "" if rule and form == "text" else form  # an option asks for the text itself
        plain = action is Action.KEEP and form != "age" and element.tag not in _REWRITTEN
        plain = plain and not _is_pixels(element)  # whether it stays depends on the depth
        touched = "" if action is Action.KEEP else keyword_of(element.tag)
        return Plan(action, label, touched, plain, rule is None and vr == "UI", form, action.value)

    def _element(self, element: Element, private: PrivateBlocks | None, beside: list[Element]) -> Element | None:
        if private and is_private(element.tag):
            return self._private(element, private)
        if self._is_nested_pixels(element):
            self.counts["nested pixel data: remove"] += 1
            return None
        plan = self._planned(element) if element.items is None and element.value else self._plan(element)
        self.counts[plan.label] += 1
        if plan.touched:
            self.touched[plan.touched] = plan.done
        if element.tag == _DOCUMENT and plan.action is Action.DUMMY:
            media = _first(beside, _MEDIA_TYPE) or b""
            return self.with_value(element, documents.stand_in(media.strip(b" \0").decode("latin-1")))
        return self.handlers[plan.action](element)

    @cached_property
    def handlers(self) -> dict[Action, Callable[[Element], Element | None]]:
        """The method of each action."""
        return {
            Action.KEEP: self.keep,
            Action.REMOVE: lambda _: None,
            Action.EMPTY: self._empty,
            Action.DUMMY: self.dummy,
            Action.REPLACE_UID: self.replace_uid,
            Action.SHIFT: self.shift_date,
            Action.CLEAN: self._clean,
        }

    def _private(self, element: Element, private: PrivateBlocks) -> Element | None:
        vr = private.safe_vr(element)
        if not vr:
            self.counts["private: remove"] += 1
            return None
        self.counts["private, table E.3.10-1: keep"] += 1
        if vr in ("creator", "SQ"):
            return self.keep(element) if element.items is not None or vr == "creator" else None
        prose = not fits("number", bytes(element.value)) if vr in ("DS", "IS") else False
        return None if prose or self.identifiers.found_in(bytes(element.value)) else element

    def _is_nested_pixels(self, element: Element) -> bool:
        return self.depth > 1 and _is_pixels(element)

    def keep(self, element: Element) -> Element:
        """The element itself, unless its value holds an identifier; sequences are cleaned inside."""
        if element.items is not None:
            return self._sequence(element, [self.data_set(item) for item in element.items])
        if element.tag == PIXEL_DATA:
            return element
        vr = _effective_vr(element)
        value = bytes(element.value)
        if vr == "AS":
            return self.with_value(element, b"\\".join(map(capped_age, value.split(b"\\"))))
        if element.tag == _ICC_PROFILE:
            return self.with_value(element, icc.cleaned(value))
        return self._checked(element, form_of(element.tag, vr))

    def _checked(self, element: Element, form: Form) -> Element:
        """The element if its value has the form of what it should hold and holds no identifier of the object."""
        value = bytes(element.value)
        if self.identifiers.found_in(value):
            self.counts["identifier in kept value: dummy"] += 1
            self.touched[keyword_of(element.tag)] = Action.DUMMY.value
            return self.dummy(element)
        if fits(form, value) or (form == "text" and element.tag in table()):  # an option keeps the text as it is
            return element
        self.counts["kept value of another form: clean"] += 1
        self.touched[keyword_of(element.tag)] = Action.CLEAN.value
        return self._reformed(element, form)

    def _reformed(self, element: Element, form: Form) -> Element:
        """A value that is not of the form it should have, with what of it is known to name nobody."""
        value = bytes(element.value)
        if form == "character set":
            return self.with_value(element, charset(value))
        if form == "media type":
            return self.with_value(element, b"application/octet-stream")
        if form == "font":
            return self.with_value(element, fonts.STAND_INS[element.tag])
        if form in ("number", "binary", "floats"):
            return self.dummy(element)
        parts = [part if fits(form, part) else self._in_words(part, element) for part in value.split(b"\\")]
        return self.with_value(element, b"\\".join(parts))

    def _in_words(self, part: bytes, element: Element) -> bytes:
        return self._words(part, "LO")[:16].strip() or dummy(_effective_vr(element))

    def _empty(self, element: Element) -> Element:
        if element.tag == PATIENT_NAME:
            return self.with_value(element, self.patient.encode())
        if element.items is not None:
            return self._sequence(element, [])
        return self.with_value(element, b"")

    def dummy(self, element: Element) -> Element:
        """A stand-in of the same VR; for a sequence one item of the same shape, or a valid one of its own kind."""
        if element.tag == PATIENT_ID:
            return self.with_value(element, self.patient.encode())
        if element.items is not None:
            items = content.stand_in(element.tag, little=self.little) or [
                self._dummy_item(item) for item in element.items[:1]
            ]
            return self._sequence(element, items)
        vr = _effective_vr(element)
        if vr == "UI":
            return self.replace_uid(element)
        return self.with_value(element, dummy(vr))

    def _dummy_item(self, item: list[Element]) -> list[Element]:
        """One item of the same shape without one original value."""
        return [
            element if element.tag == SPECIFIC_CHARACTER_SET else self.dummy(element)
            for element in item
            if not is_private(element.tag) and not why_dropped(element)
        ]

    def replace_uid(self, element: Element) -> Element:
        """UIDs outside the standard's root replaced by their pseudonyms, value by value."""
        if element.items is not None:
            return self.keep(element)
        values = bytes(element.value).rstrip(b"\0 ").split(b"\\")
        return self.with_value(element, b"\\".join(self.uid(value.strip(b"\0 ")) for value in values))

    def uid(self, value: bytes) -> bytes:
        """The replacement of one UID; those of the standard stay."""
        if not value or is_standard_uid(value):
            return value
        return self.pseudonymizer.uid(value.decode("latin-1")).encode()

    def shift_date(self, element: Element) -> Element:
        """Dates moved back by the patient's shift; times stay, since shifts are whole days."""
        if element.items is not None:
            return self.keep(element)
        vr = _effective_vr(element)
        value = bytes(element.value)
        if vr == "TM":
            return element if is_time(value) else self.with_value(element, b"")
        values = value.rstrip(b"\0 ").split(b"\\")
        return self.with_value(element, b"\\".join(shifted(part, vr, self.shift) for part in values))

    def _clean(self, element: Element) -> Element | None:
        """Action C: text reduced to the vocabulary, coded entries to public codes, content by Table E.3.4-1."""
        if element.items is not None:
            if element.tag in _CONTENT_SEQUENCES:
                return self._sequence(element, content.clean_tree(self, element.items))
            items = [self.data_set(item) for item in element.items]
            is_graphic = element.tag == _GRAPHIC_ANNOTATIONS
            return self._sequence(element, items if is_graphic else [coded.public_only(self, item) for item in items])
        vr = _effective_vr(element)
        if vr == "CS":
            return self._chosen_name(element)
        text = self.reduced(element) if vr in TEXT_VRS and vr not in ("PN", "AE", "UR") else b""
        if text:
            return self.with_value(element, text)
        rule = table().get(element.tag)
        fallback = (
            rule.action(frozenset()) if rule else Action.REMOVE if vr in ("PN", "UT", "LT", "ST") else Action.DUMMY
        )
        return self.handlers[fallback](element)

    def _chosen_name(self, element: Element) -> Element:
        """A name from the vocabulary stays; any other becomes a pseudonym, so that references to it still meet."""
        value = bytes(element.value).strip(b" \0").decode("latin-1")
        words = value.replace("_", " ")
        if not words or free_text.reduced(words) == words:
            return element
        return self.with_value(element, b"L" + self.pseudonymizer.label(value).encode())

    def reduced(self, element: Element) -> bytes:
        """The words of the vocabulary in a text value."""
        vr = _effective_vr(element)
        text = self._words(bytes(element.value), vr)
        return text[:64] if vr in ("LO", "SH") else text

    def reduced_or_dummy(self, element: Element) -> Element:
        """The element with the words of the vocabulary; one of another VR than LO and SH as it is."""
        if _effective_vr(element) not in ("LO", "SH"):
            return element
        return self.with_value(element, self.reduced(element) or dummy("LO"))

    def _words(self, value: bytes, vr: str) -> bytes:
        text = free_text.reduced(decode_text(value, vr, self.terms)).encode("ascii", "ignore")
        return b"" if self.identifiers.found_in(text) else text

    @staticmethod
    def _sequence(element: Element, items: list[list[Element]]) -> Element:
        return Element(element.tag, element.vr, items=items, implicit=element.implicit)

    def with_value(self, element: Element, value: bytes) -> Element:
        """The element with another value, padded."""
        vr = _effective_vr(element)
        return Element(element.tag, vr or "UN", padded(value, vr), implicit=element.implicit)


def _first(elements: list[Element], tag: int) -> bytes | None:
    """The value of the first element with a tag that is no sequence, None where there is none."""
    for element in elements:
        if element.tag == tag and element.items is None:
            return bytes(element.value)
    return None


def _is_pixels(element: Element) -> bool:
    return element.tag >> 16 == PIXEL_DATA >> 16


def _stand_in(element: Element, plan: Plan) -> Element | None:
    """What any element of this tag and VR becomes, None where a pseudonym or the rest of the object decides."""
    vr = _effective_vr(element)
    if element.tag in (PATIENT_ID, PATIENT_NAME, _DOCUMENT) or vr == "UI" or not plan.touched:
        return None
    if plan.action is Action.EMPTY:
        return Element(element.tag, vr)
    return Element(element.tag, vr, padded(dummy(vr), vr)) if plan.action is Action.DUMMY else None


def _effective_vr(element: Element) -> str:
    """The declared VR; that of PS3.6 where the object says UN."""
    return vr_of(element.tag) or "UN" if element.vr in ("UN", "") else element.vr
