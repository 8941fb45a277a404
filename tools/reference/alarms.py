"""docs/reference/ALARMS.md: every alarm, its bound in production, what silence means, and its runbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tools.reference.programs import COMPLETE, amount, neutral, recorded, role_of, table

HEAD = """\
# Alarms

<!-- Written by `make reference` from the program: change components/alarms.py and its like, not this file. -->

Every alarm of a stack with all its parts, with the bounds of production. "Over 3 of 5 x 60 s" reads: the bound is
broken in 3 of 5 periods of a minute. All of them tell the topic `alerts`. The page behind each name says what to do.
"""
_SIGN = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
_SILENCE = {
    "notBreaching": "is peace",
    "breaching": "is alarm",
    "ignore": "keeps the state",
    "missing": "is unknown",
}
_RUNBOOK = re.compile(r" Runbook: (?:\S*/)?(?P<page>[\w-]+\.md)$")


def document() -> str:
    """The whole page."""
    alarms = recorded(COMPLETE).of("aws:cloudwatch/metricAlarm:MetricAlarm")
    rows = sorted(_row(one.inputs) for one in alarms)
    return f"{HEAD}\n{table(('alarm', 'meaning', 'watches', 'bound', 'over', 'silence'), rows)}"


def _row(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    found = _RUNBOOK.search(str(inputs["alarmDescription"]))
    if found is None:
        raise ValueError(f"the alarm {inputs['name']} names no runbook")
    name = role_of(str(inputs["name"]))
    return (
        f"[{name}](../runbooks/{found['page']})",
        neutral(_RUNBOOK.sub("", str(inputs["alarmDescription"]))),
        neutral(_watched(inputs)),
        f"{_SIGN[inputs['comparisonOperator']]} {amount(inputs['threshold'])}",
        _window(inputs),
        _SILENCE[inputs.get("treatMissingData", "missing")],
    )


def _watched(inputs: Mapping[str, Any]) -> str:
    """The metric, or the expression and the metrics that it is made of."""
    if "metricName" in inputs:
        return f"`{inputs['namespace']}` {inputs['metricName']}, {_statistic(inputs)}"
    queries = inputs["metricQueries"]
    expressions = [f"`{one['expression']}`" for one in queries if "expression" in one]
    metrics = sorted(
        {
            f"`{one['metric']['namespace']}` {one['metric']['metricName']}, {one['metric']['stat']}"
            for one in queries
            if "metric" in one
        }
    )
    return "; ".join([*expressions, *metrics])


def _statistic(inputs: Mapping[str, Any]) -> str:
    return str(inputs.get("statistic") or inputs["extendedStatistic"])


def _window(inputs: Mapping[str, Any]) -> str:
    metrics = [one["metric"] for one in inputs.get("metricQueries", []) if "metric" in one]
    period = inputs.get("period") or max(one["period"] for one in metrics)
    periods = int(inputs["evaluationPeriods"])
    needed = int(inputs.get("datapointsToAlarm") or periods)
    return f"{needed} of {periods} x {amount(period)} s"
