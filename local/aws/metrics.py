"""Metrics out of function logs: the embedded metric format (EMF) and metric filters, then the alarms on them."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import json
import logging
import time
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
    """Count every invocation, look through its log lines and those of PutLogEvents, then evaluate the alarms."""
    from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

    emit, count_call = lambda_svc._emit_lambda_logs, lambda_svc._emit_lambda_metrics
    append = cloudwatch_logs._put_log_events

    def emit_and_count(func: Any, request_id: str, log_text: str, error: bool, duration_ms: int, **named: Any) -> None:
        emit(func, request_id, log_text, error, duration_ms, **named)
        config = func.get("config") or func
        name = config.get("FunctionName", "unknown")
        count_call(name, duration_ms=float(duration_ms), error=error, throttle=False)
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        _count(group, (log_text or "").splitlines())
        cloudwatch._evaluate_all_alarms()

    def count_throttles_only(function_name: str, *, throttle: bool, **_rest: Any) -> None:
        """ministack counts calls of the Invoke API only; the log hook above sees every invocation once."""
        if throttle:
            count_call(function_name, duration_ms=0.0, error=False, throttle=True)

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
    lambda_svc._emit_lambda_metrics = count_throttles_only
    cloudwatch_logs._put_log_events = put_and_count


def record_gauges() -> None:
    """Depth and age of every queue (AWS/SQS); called on each tick."""
    from ministack.services import cloudwatch, sqs

    now = time.time()
    for queue in list(sqs._queues.values()):
        messages = list(queue.get("messages", []))
        visible = [one for one in messages if one.get("visible_at", 0) <= now]
        name = queue.get("name") or str(queue.get("url", "")).rsplit("/", 1)[-1]
        dimensions = {"QueueName": name}
        oldest = max((now - one.get("sent_at", now) for one in messages), default=0.0)
        for metric, value, unit in (
            ("ApproximateNumberOfMessagesVisible", len(visible), "Count"),
            ("ApproximateNumberOfMessagesNotVisible", len(messages) - len(visible), "Count"),
            ("ApproximateAgeOfOldestMessage", oldest, "Seconds"),
        ):
            cloudwatch.record_metric("AWS/SQS", metric, value, unit, dimensions)


def count_executions() -> None:
    """AWS/States metrics of state machines, recorded when an execution ends."""
    from ministack.services import cloudwatch, stepfunctions

    status_change = stepfunctions._emit_execution_status_event
    names = {"SUCCEEDED": "ExecutionsSucceeded", "FAILED": "ExecutionsFailed", "TIMED_OUT": "ExecutionsTimedOut"}

    def emit_and_count(execution: dict[str, Any], *args: Any, **named: Any) -> Any:
        answer = status_change(execution, *args, **named)
        status = execution.get("status", "")
        metric = "ExecutionsStarted" if status == "RUNNING" else names.get(status)
        if metric:
            dimensions = {"StateMachineArn": execution.get("stateMachineArn", "")}
            cloudwatch.record_metric("AWS/States", metric, 1, "Count", dimensions)
            cloudwatch._evaluate_all_alarms()
        return answer

    stepfunctions._emit_execution_status_event = emit_and_count
