"""Charts of a CloudWatch dashboard as facts, and the body that CloudWatch takes; no AWS resource in here.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from components.alarms import MINUTE, Metric

Body = dict[str, Any]

COLUMNS: Final = 24
WIDTH: Final = 8
HEIGHT: Final = 6


@dataclass(frozen=True, kw_only=True)
class Maths:
    """A line that is calculated: metric maths over operands under their ids, which are not drawn themselves."""

    expression: str
    label: str
    operands: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Search:
    """A line for every metric of a name that carries a text in its dimensions, whatever dimensions a service gives it.

    For what AWS publishes under names that only a run knows (the host of a training job), or under sets of dimensions
    that it adds to. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html

    Attributes:
        mentions: a whole dimension value.
        total: draw the sum of what is found.
    """

    namespace: str
    name: str
    statistic: str
    mentions: str | None = None
    total: str | None = None
    period_seconds: int = 5 * MINUTE

    @property
    def expression(self) -> str:
        """The expression as CloudWatch reads it."""
        wanted = f' "{self.mentions}"' if self.mentions else ""
        terms = f'Namespace="{self.namespace}" MetricName="{self.name}"{wanted}'
        found = f"SEARCH('{terms}', '{self.statistic}', {self.period_seconds})"
        return f"SUM({found})" if self.total else found


Line = Metric | Maths | Search


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One time series widget: a title that names the unit, and its lines."""

    title: str
    metrics: Sequence[Line]


def body(charts: Sequence[Chart], region: str) -> str:
    """Dashboard body (compact, sorted keys); charts fill rows of three, left to right."""
    widgets = [_widget(chart, place, region) for place, chart in enumerate(charts)]
    return json.dumps({"widgets": widgets}, sort_keys=True, separators=(",", ":"))


def _widget(chart: Chart, place: int, region: str) -> Body:
    per_row = COLUMNS // WIDTH
    return {
        "type": "metric",
        "x": place % per_row * WIDTH,
        "y": place // per_row * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": chart.title,
            "region": region,
            "view": "timeSeries",
            "metrics": [row for number, line in enumerate(chart.metrics) for row in _rows(line, number)],
        },
    }


def _rows(line: Line, number: int) -> list[list[Any]]:
    """One line as rows of a widget; the ids of expressions count from e0."""
    if isinstance(line, Metric):
        return [_series(line)]
    if isinstance(line, Search):
        label = {"label": line.total} if line.total else {}
        return [[{"expression": line.expression, "id": f"e{number}", **label}]]
    operands = [_series(metric, id=identity, visible=False) for identity, metric in sorted(line.operands.items())]
    return [*operands, [{"expression": line.expression, "id": f"e{number}", "label": line.label}]]


def _series(metric: Metric, **options: Any) -> list[Any]:
    dimensions = [part for pair in metric.dimensions.items() for part in pair]
    return [
        metric.namespace,
        metric.name,
        *dimensions,
        {"stat": metric.statistic, "period": metric.period_seconds, **options},
    ]
