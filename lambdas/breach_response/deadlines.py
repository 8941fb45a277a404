"""The deadlines of the breach notification rule, 45 CFR 164.404 to 164.410, from the day of discovery.

All are the latest day; each rule also says "without unreasonable delay". Days are calendar days in UTC. Whether there
was a breach of unsecured PHI at all (164.402) is for people to decide: these are the days by which they must have.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

NOTICE_DAYS = 60
MANY_PEOPLE = 500
"""From here on HHS is told with the individuals (164.408(b)); above it in one State, the media too (164.406)."""


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Who must be told, on what condition, by which rule, and on which day at the latest."""

    who: str
    condition: str
    rule: str
    due: date


def deadlines(discovered: date) -> tuple[Deadline, ...]:
    """Every deadline that can follow from a breach discovered on that day."""
    sixty = discovered + timedelta(days=NOTICE_DAYS)
    end_of_year = date(discovered.year, 12, 31)
    return (
        Deadline(who="individuals", condition="each person affected", rule="45 CFR 164.404(b)", due=sixty),
        Deadline(
            who="media",
            condition=f"more than {MANY_PEOPLE} residents of one State or jurisdiction",
            rule="45 CFR 164.406(b)",
            due=sixty,
        ),
        Deadline(
            who="HHS",
            condition=f"{MANY_PEOPLE} or more people: at the same time as the individuals",
            rule="45 CFR 164.408(b)",
            due=sixty,
        ),
        Deadline(
            who="HHS, yearly log",
            condition=f"fewer than {MANY_PEOPLE} people: after the end of the calendar year of discovery",
            rule="45 CFR 164.408(c)",
            due=end_of_year + timedelta(days=NOTICE_DAYS),
        ),
        Deadline(
            who="covered entity",
            condition="where we act as a business associate (the contract is often far shorter)",
            rule="45 CFR 164.410(b)",
            due=sixty,
        ),
    )


def told_by(discovered_at: datetime, notify_hours: int) -> datetime:
    """When the compliance list must know at the latest: the platform's own limit, not the law's."""
    return discovered_at + timedelta(hours=notify_hours)
