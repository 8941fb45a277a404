"""Metrics out of function logs: the embedded metric format (EMF) and metric filters, then the alarms on them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from local.aws.filter_pattern import PatternError, compile_pattern, read_path

logger = logging.getLogger("local.aws.metrics")


class Datapoint(NamedTuple):
    """One value for PutMetricData; `dimensions` as name -> value."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: dict[str, str]


def embedded(line: str) -> Iterator[Datapoint]:
    """Datapoints of one EMF line (CloudWatch embedded metric format, `_aws.CloudWatchMetrics`)."""
    if not line.startswith("{") or '"_aws"' not in line:
        return
    try:
        document = json.loads(line)
    except ValueError:
        return
    for directive in (document.get("_aws") or {}).get("CloudWatchMetrics") or []:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document.get(name)) for name in names}
            for metric in directive.get("Metrics") or []:
                found = document.get(metric["Name"])
                for value in found if isinstance(found, list) else [found]:
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        unit = metric.get("Unit", "None")
                        yield Datapoint(directive["Namespace"], metric["Name"], float(value), unit, dimensions)


def filtered(metric_filter: dict[str, Any], line: str) -> Iterator[Datapoint]:
    """Datapoints that one metric filter takes from one log line."""
    matches = _compiled(metric_filter.get("filterPattern") or "")
    for transformation in metric_filter.get("metricTransformations") or []:
        if matches is not None and matches(line):
            value = _value(transformation["metricValue"], line)
        else:
            value = transformation.get("defaultValue")
        if value is not None:
            yield Datapoint(
                transformation["metricNamespace"],
                transformation["metricName"],
                float(value),
                transformation.get("unit", "None"),
                _dimensions(transformation.get("dimensions") or {}, line),
            )


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except PatternError as error:
        logger.warning("metric filter pattern %r counts nothing here: %s", pattern, error)
        return None


def _value(source: str, line: str) -> float | None:
    found = read_path(_document(line), source) if source.startswith("$") else source
    try:
        return float(found)
    except (TypeError, ValueError):
        return None


def _dimensions(sources: dict[str, str], line: str) -> dict[str, str]:
    document = _document(line) if sources else None
    return {name: str(read_path(document, path)) for name, path in sources.items()}


def _document(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def install() -> None:
    """Look through the log lines of every invocation and of PutLogEvents; evaluate the alarms after it."""
    from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

    emit = lambda_svc._emit_lambda_logs

    def emit_and_count(func: Any, request_id: str, log_text: str, *args: Any, **named: Any) -> None:
        emit(func, request_id, log_text, *args, **named)
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        _count(group, (log_text or "").splitlines())
        cloudwatch._evaluate_all_alarms()

    append = cloudwatch_logs._put_log_events

    def put_and_count(data: dict[str, Any]) -> Any:
        answer = append(data)
        if answer[0] == 200:
            _count(data.get("logGroupName", ""), [event.get("message", "") for event in data.get("logEvents", [])])
            cloudwatch._evaluate_all_alarms()
        return answer

    def _count(group: str, lines: list[str]) -> None:
        filters = [f for (name, _), f in list(cloudwatch_logs._metric_filters.items()) if name == group]
        for line in lines:
            points = [*embedded(line), *(point for one in filters for point in filtered(one, line))]
            for point in points:
                cloudwatch.record_metric(point.namespace, point.name, point.value, point.unit, point.dimensions)

    lambda_svc._emit_lambda_logs = emit_and_count
    cloudwatch_logs._put_log_events = put_and_count
