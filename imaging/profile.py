"""The Basic Application Level Confidentiality Profile and its options as data (PS3.15 Annex E, edition 2026d).

Tables E.1-1 (attributes), E.3.4-1 (content items of structured reports) and E.3.10-1 (safe private attributes) are
read from one JSON file that records their edition and origin.
"""

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

EDITION: Final = "2026d"


class Option(StrEnum):
    """Options of the profile (PS3.15 E.3) that can be applied here.

    The Clean Recognizable Visual Features Option is missing on purpose: nothing here removes faces.
    """

    SAFE_PRIVATE = "retain-safe-private"
    UIDS = "retain-uids"
    DEVICE = "retain-device-identity"
    INSTITUTION = "retain-institution-identity"
    PATIENT = "retain-patient-characteristics"
    FULL_DATES = "retain-longitudinal-full-dates"
    MODIFIED_DATES = "retain-longitudinal-modified-dates"
    DESCRIPTORS = "clean-descriptors"
    STRUCTURED_CONTENT = "clean-structured-content"
    GRAPHICS = "clean-graphics"
    PIXELS = "clean-pixel-data"


_COLUMNS: Final = {
    Option.SAFE_PRIVATE: "safe_private",
    Option.UIDS: "uids",
    Option.DEVICE: "device",
    Option.INSTITUTION: "institution",
    Option.PATIENT: "patient",
    Option.FULL_DATES: "full_dates",
    Option.MODIFIED_DATES: "modified_dates",
    Option.DESCRIPTORS: "descriptors",
    Option.STRUCTURED_CONTENT: "structured",
    Option.GRAPHICS: "graphics",
}
METHOD_CODES: Final = {
    None: ("113100", "Basic Application Confidentiality Profile"),
    Option.PIXELS: ("113101", "Clean Pixel Data Option"),
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
"""Code value and meaning in CID 7050 (PS3.16), coding scheme DCM; None is the Basic Profile itself."""


class Action(StrEnum):
    """What happens to an element (PS3.15 Table E.1-1a); `CLEAN` is its C, for text, sequences and graphics."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    REPLACE_UID = "replace-uid"
    SHIFT = "shift"
    CLEAN = "clean"


@dataclass(frozen=True)
class Rule:
    """One row: the basic action as printed and the action of each option column that is not empty."""

    basic: str
    options: dict[str, str]

    def action(self, chosen: AbstractSet[Option]) -> Action:
        """The action under the chosen options.

        Where the table leaves the choice to the attribute's Type in its IOD (X/Z/D), the last one named is taken: it
        is valid for any Type, so the object stays valid whatever its SOP Class. Keeping (K) goes before cleaning (C),
        cleaning before the basic action.
        """
        named = {self.options[column] for option in chosen if (column := _COLUMNS.get(option, "")) in self.options}
        if "K" in named:
            return Action.KEEP
        if Option.MODIFIED_DATES in chosen and "modified_dates" in self.options:
            return Action.SHIFT
        return Action.CLEAN if "C" in named else BASIC_ACTIONS[self.basic]


BASIC_ACTIONS: Final = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.REPLACE_UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.REPLACE_UID,
}


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = files("imaging").joinpath(f"data/ps3_15_{EDITION}.json").read_text(encoding="utf-8")
    return json.loads(text)


@lru_cache(maxsize=1)
def table() -> dict[int, Rule]:
    """Rules of Table E.1-1 by tag; repeating groups and private elements are the cleaner's."""
    rules: dict[str, str] = _data()["rules"]
    return {int(tag, 16): _rule(row) for tag, row in rules.items() if "x" not in tag.lower() and tag != "PRIVATE"}


@lru_cache(maxsize=1)
def content_table() -> dict[tuple[str, str, str], Rule]:
    """Rules of Table E.3.4-1 by code value and coding scheme of the concept name, and value type."""
    rows: dict[str, str] = _data()["content_items"]
    split = ((concept.rsplit(" ", 2), row) for concept, row in rows.items())
    return {(code, scheme, value_type): _rule(row) for (code, scheme, value_type), row in split}


@lru_cache(maxsize=1)
def safe_private() -> dict[tuple[int, int, str], str]:
    """VR by group, last byte of the element number and private creator (Table E.3.10-1)."""
    rows: dict[str, str] = _data()["safe_private"]
    split = ((key.split(" ", 2), vr) for key, vr in rows.items())
    return {(int(group, 16), int(number, 16), creator): vr for (group, number, creator), vr in split}


def _rule(row: str) -> Rule:
    basic, *options = row.split()
    return Rule(basic, dict(option.split(":", 1) for option in options))
