"""The Basic Application Level Confidentiality Profile as data (PS3.15 Annex E, Table E.1-1, edition 2026d)."""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Final

EDITION: Final = "2026d"


class Retain(StrEnum):
    """Options of the profile that this platform can apply; values are the table's column names."""

    FULL_DATES = "full_dates"
    MODIFIED_DATES = "modified_dates"
    UIDS = "uids"
    DEVICE = "device"
    INSTITUTION = "institution"
    PATIENT = "patient"


METHOD_CODES: Final = {
    None: ("113100", "Basic Application Confidentiality Profile"),
    Retain.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Retain.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Retain.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Retain.DEVICE: ("113109", "Retain Device Identity Option"),
    Retain.UIDS: ("113110", "Retain UIDs Option"),
    Retain.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
"""Code value and meaning in CID 7050 (PS3.16), coding scheme DCM; None is the Basic Profile itself."""


class Action(StrEnum):
    """What happens to an element (PS3.15 Table E.1-1a)."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    REPLACE_UID = "replace-uid"
    SHIFT = "shift"


@dataclass(frozen=True)
class Rule:
    """One row: the basic action as printed and the action of each option column that is not empty."""

    basic: str
    options: dict[str, str]

    def action(self, retain: frozenset[Retain]) -> Action:
        """The action under the chosen options.

        Where the table leaves the choice to the attribute's Type in its IOD (X/Z/D), the last one named is taken: it
        is valid for any Type, so the object stays valid whatever its SOP Class. Option K keeps; option C is applied
        for modified dates only (by shifting), any other C falls back to the stricter basic action.
        """
        for option in retain:
            if self.options.get(option.value) == "K":
                return Action.KEEP
        if Retain.MODIFIED_DATES in retain and self.options.get(Retain.MODIFIED_DATES.value) == "C":
            return Action.SHIFT
        return _BASIC[self.basic]


_BASIC: Final = {
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
def table() -> dict[int, Rule]:
    """Rules by tag; repeating groups and private elements are handled by `rule_for` and the cleaner."""
    text = files("imaging").joinpath(f"data/ps3_15_{EDITION}.json").read_text(encoding="utf-8")
    rules: dict[str, str] = json.loads(text)["rules"]
    return {int(tag, 16): _rule(row) for tag, row in rules.items() if "x" not in tag and tag != "PRIVATE"}


def _rule(row: str) -> Rule:
    basic, *options = row.split()
    return Rule(basic, dict(option.split(":", 1) for option in options))
