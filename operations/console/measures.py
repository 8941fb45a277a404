"""Alarms with their states, the platform's own metrics of the last hours, and calls that were refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from operations.stack import prefix

Clients = Callable[[str], Any]
NAMESPACE: Final = "ImagingPlatform"
_HOURS: Final = 3
_PERIOD: Final = 300


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm; `why` is CloudWatch's reason for its state."""

    name: str
    state: str
    why: str
    page: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric without dimensions: periods of five minutes with data, newest sum and maximum."""

    name: str
    points: int
    last: float
    highest: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A log line of a function that AWS refused something to: its machine code and place, never its text."""

    at: datetime
    function: str
    what: str


def alarms(clients: Clients, stack: str) -> list[Alarm]:
    """Every alarm of the stack, those that sound first."""
    begin = f"{prefix(stack)}-"
    pages = clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=begin)
    found = [
        Alarm(
            name=one["AlarmName"].removeprefix(begin),
            state=one["StateValue"],
            why=one.get("StateReason", ""),
            page=one.get("AlarmDescription", "").rsplit("Runbook: ", 1)[-1],
        )
        for page in pages
        for one in page["MetricAlarms"]
    ]
    return sorted(found, key=lambda one: (one.state != "ALARM", one.name))


def measures(clients: Clients) -> list[Measure]:
    """The platform's metrics that had data in the last hours."""
    watch, now = clients("cloudwatch"), datetime.now(UTC)
    pages = watch.get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
    names = sorted({one["MetricName"] for page in pages for one in page["Metrics"] if not one.get("Dimensions")})
    found: list[Measure] = []
    for name in names:
        points = watch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=name,
            StartTime=now - timedelta(hours=_HOURS),
            EndTime=now + timedelta(seconds=_PERIOD),
            Period=_PERIOD,
            Statistics=["Sum", "Maximum"],
        )["Datapoints"]
        points.sort(key=lambda one: one["Timestamp"])
        if points:
            highest = max(one["Maximum"] for one in points)
            newest = points[-1]
            found.append(
                Measure(name=name, points=len(points), last=newest["Sum"], highest=highest, at=newest["Timestamp"])
            )
    return found


def refusals(clients: Clients, stack: str, hours: int = 24) -> list[Refusal]:
    """Denied calls that the functions logged, the newest first."""
    logs, begin = clients("logs"), f"/aws/lambda/{prefix(stack)}-"
    since = int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1000)
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=begin)
    found: list[Refusal] = []
    for group in (one["logGroupName"] for page in groups for one in page["logGroups"]):
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern='"AccessDenied"', startTime=since, PaginationConfig={"MaxItems": 50}
        )
        for event in (one for page in pages for one in page["events"]):
            found += _refusal(event, group.removeprefix(begin))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _refusal(event: dict[str, Any], function: str) -> Iterator[Refusal]:
    """Only lines of our own logger are shown: its filter keeps identifiers out."""
    try:
        line = json.loads(event["message"])
    except ValueError:
        return
    if isinstance(line, dict):
        told = cast("dict[str, Any]", line)
        what = " ".join(str(told[key]) for key in ("message", "check", "error_code", "error_place") if told.get(key))
        yield Refusal(at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC), function=function, what=what)
