"""Waivers: a rule that does not hold for named resources of a stack, with a reason, an owner and an end.

`waivers.yaml` beside the pack is the only place for them. A waiver that has ended, or that covers no violation any
more, is itself a mandatory violation: exceptions do not pile up unseen.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from hipaa_pack.reads import UNKNOWN

FILE = Path(__file__).resolve().parents[1] / "waivers.yaml"
_LONGEST = datetime.timedelta(days=366)


class WaiverError(ValueError):
    """The file of waivers is wrong; the message says which entry and what to do."""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """One exception. `resource` is a pattern over whole URNs, which begin with stack and project.

    For example `urn:pulumi:dev::healthcare-imaging-mlops::*::logs`.
    """

    rule: str
    resource: str
    reason: str
    owner: str
    expires: datetime.date

    def covers(self, rule: str, urn: str) -> bool:
        """True for a violation of that rule by that resource."""
        return self.rule == rule and fnmatchcase(urn, self.resource)

    def concerns(self, urn: str) -> bool:
        """True for a waiver of that resource's stack and project: the bootstrap has stacks of the same names."""
        return all(fnmatchcase(of, wanted) for of, wanted in zip(_program(urn), _program(self.resource), strict=True))


def _program(urn: str) -> list[str]:
    """`urn:pulumi:STACK` and the project."""
    return urn.split("::")[:2]


def _undecided(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_undecided(item) for item in cast("Mapping[str, Any]", value).values())
    return value is UNKNOWN


@dataclass
class Waivers:
    """All waivers, and what they met in this run."""

    entries: list[Waiver]
    today: datetime.date = field(default_factory=datetime.date.today)
    _used: set[Waiver] = field(default_factory=set[Waiver])
    _vague: set[str] = field(default_factory=set[str])

    def cover(self, rule: str, urn: str) -> bool:
        """Whether a violation is waived; one that has ended waives nothing."""
        found = [w for w in self.entries if w.expires >= self.today and w.covers(rule, urn)]
        self._used.update(found)
        return bool(found)

    def see(self, urn: str, values: Mapping[str, Any]) -> None:
        """Remembers a resource whose inputs a preview cannot know: a rule about it may hold back until the update."""
        if _undecided(values):
            self._vague.add(urn)

    def stale(self, root: str) -> Iterator[str]:
        """A sentence for each waiver of the stack of that URN that has ended or covers nothing, when all rules ran."""
        for waiver in (w for w in self.entries if w.concerns(root)):
            if waiver.expires < self.today:
                yield f"the waiver of {waiver.rule} for {waiver.resource} ended on {waiver.expires}: {waiver.owner}"
            elif waiver not in self._used and not any(fnmatchcase(urn, waiver.resource) for urn in self._vague):
                yield f"the waiver of {waiver.rule} for {waiver.resource} covers nothing: remove it ({waiver.owner})"


def load(path: Path = FILE, today: datetime.date | None = None) -> Waivers:
    """The waivers of a file. Raises WaiverError for an entry that is not complete."""
    day = today or datetime.datetime.now(tz=datetime.UTC).date()
    whole: Any = yaml.safe_load(path.read_text()) or {}
    given = cast("list[dict[str, Any]]", whole.get("waivers") or [])
    return Waivers([_read(entry, day) for entry in given], day)


def _read(entry: Mapping[str, Any], today: datetime.date) -> Waiver:
    named = f"the waiver of {entry.get('rule')} for {entry.get('resource')}"
    if wrong := sorted({"rule", "resource", "reason", "owner", "expires"} ^ entry.keys()):
        raise WaiverError(f"{named} must have rule, resource, reason, owner and expires, not more: {', '.join(wrong)}")
    if len(str(entry["resource"]).split("::")) < 2 or not str(entry["resource"]).startswith("urn:pulumi:"):
        raise WaiverError(f"{named}: the resource is a pattern such as urn:pulumi:dev::PROJECT::*::logs")
    if not isinstance(entry["expires"], datetime.date) or len(str(entry["reason"])) < 20 or not entry["owner"]:
        raise WaiverError(f"{named}: give a reason in a sentence, an owner and a date such as 2027-06-30")
    if entry["expires"] > today + _LONGEST:
        raise WaiverError(f"{named}: a waiver ends within a year, so that somebody looks at it again")
    return Waiver(**entry)


WAIVERS = load()
"""The waivers of this checkout, as this process has met them."""
