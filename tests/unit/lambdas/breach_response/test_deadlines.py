"""The days of 45 CFR 164.404 to 164.410, checked against the rule's own words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breach_response.deadlines import deadlines, told_by


@pytest.mark.parametrize(
    ("discovered", "sixty_days", "yearly"),
    [
        (date(2026, 11, 21), date(2027, 1, 20), date(2027, 3, 1)),
        (date(2027, 12, 31), date(2028, 2, 29), date(2028, 2, 29)),  # the log is due in a leap year
        (date(2027, 1, 1), date(2027, 3, 2), date(2028, 2, 29)),  # a year less a day until the year ends
    ],
    ids=["autumn", "new-years-eve", "new-years-day"],
)
def test_the_days_are_those_of_the_rule(discovered: date, sixty_days: date, yearly: date) -> None:
    found = {one.who: one.due for one in deadlines(discovered)}
    assert found == {
        "individuals": sixty_days,
        "media": sixty_days,
        "HHS": sixty_days,
        "HHS, yearly log": yearly,
        "covered entity": sixty_days,
    }


@given(st.dates(min_value=date(2009, 9, 23), max_value=date(2100, 1, 1)))
def test_nobody_waits_longer_than_the_rule_allows(discovered: date) -> None:
    for one in deadlines(discovered):
        if one.who == "HHS, yearly log":
            assert (one.due - date(discovered.year, 12, 31)).days == 60
        else:
            assert (one.due - discovered).days == 60


def test_the_compliance_list_knows_within_hours_of_the_discovery() -> None:
    moment = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    assert told_by(moment, 24) - moment == timedelta(hours=24)
