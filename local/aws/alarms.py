"""Alarms as CloudWatch evaluates them: own dimensions, periods, missing data, metric math.

ministack pools all dimensions of a metric, forgets metric-math queries and looks only when data is put.
Rules by "Using Amazon CloudWatch alarms": M breaching of N periods raise the alarm; a missing period counts as
TreatMissingData says.
"""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import ast
import logging
import operator
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

logger = logging.getLogger("local.aws.alarms")

TICK_SECONDS = 10.0
Alarm = dict[str, Any]
Point = dict[str, Any]
Series = Callable[[str, str, dict[str, str]], Iterable[Point]]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_ARITHMETIC: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class ExpressionError(ValueError):
    """A metric-math expression that is not served."""


def statistic(points: list[Point], name: str) -> float | None:
    """One period's value; None without data. Percentiles by rank (p95, p99.9)."""
    from_sets = [point for point in points if "Value" in point]
    values = [float(point["Value"]) for point in from_sets]
    for point in points:
        stats = point.get("StatisticValues")
        if stats:
            count = max(int(stats.get("SampleCount", 1)), 1)
            values.extend([float(stats["Sum"]) / count] * count)
    if not values:
        return None
    if name.startswith("p"):
        ranked = sorted(values)
        return ranked[min(len(ranked) - 1, int(float(name[1:]) / 100 * len(ranked)))]
    simple = {"Sum": sum, "Minimum": min, "Maximum": max, "SampleCount": len}
    return float(simple[name](values)) if name in simple else sum(values) / len(values)


class Window(NamedTuple):
    """The periods that an alarm looks at: `count` of them, the last one ending at `now` (epoch seconds)."""

    series: Series
    count: int
    now: float

    def values(self, metric: dict[str, Any], stat: str, period: int) -> list[float | None]:
        """The metric's statistic in each period, oldest first."""
        dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []}
        points = list(self.series(str(metric.get("Namespace")), str(metric.get("MetricName")), dimensions))
        found: list[float | None] = []
        for back in range(self.count, 0, -1):
            start = self.now - back * period
            inside = [point for point in points if start <= point["Timestamp"] < start + period]
            found.append(statistic(inside, stat))
        return found


def values_of(alarm: Alarm, series: Series, now: float) -> list[float | None]:
    """The alarm's value in each of its periods, oldest first; the running period counts as the newest."""
    window = Window(series, int(alarm["EvaluationPeriods"]), now)
    queries = alarm.get("Metrics") or []
    if not queries:
        stat = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        return window.values(alarm, stat, int(alarm.get("Period") or 60))
    known: dict[str, list[float | None]] = {}
    for query in queries:
        if "MetricStat" in query:
            wanted = query["MetricStat"]
            known[query["Id"]] = window.values(wanted["Metric"], wanted["Stat"], int(wanted["Period"]))
    shown = next((query for query in queries if query.get("ReturnData", True)), queries[-1])
    if "Expression" not in shown:
        return known[shown["Id"]]
    for query in queries:  # expressions may use earlier ones
        if "Expression" in query and query is not shown:
            known[query["Id"]] = [_evaluate(query["Expression"], known, at) for at in range(window.count)]
    return [_evaluate(shown["Expression"], known, at) for at in range(window.count)]


def _evaluate(expression: str, known: dict[str, list[float | None]], at: int) -> float | None:
    """A metric-math expression in one period: arithmetic, comparison, IF, FILL, MIN, MAX, SUM, AVG, ABS."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"the expression {expression!r} cannot be read") from error
    try:
        result = _node(tree, {name: values[at] for name, values in known.items()})
    except ZeroDivisionError:
        return None
    return None if result is None else float(result)


def _node(node: ast.AST, known: dict[str, float | None]) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        if node.id not in known:
            raise ExpressionError(f"{node.id} is no metric of the alarm")
        return known[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _node(node.operand, known)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _both(_ARITHMETIC[type(node.op)], _node(node.left, known), _node(node.right, known))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _ARITHMETIC:
        return _both(_ARITHMETIC[type(node.ops[0])], _node(node.left, known), _node(node.comparators[0], known))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _function(node.func.id, node.args, known)
    raise ExpressionError(f"{type(node).__name__} is not served in metric math")


def _both(combine: Callable[[float, float], float], left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else float(combine(left, right))


def _function(name: str, arguments: list[ast.expr], known: dict[str, float | None]) -> float | None:
    if name == "IF":
        return _node(arguments[1] if _node(arguments[0], known) else arguments[2], known)
    if name == "FILL":
        value = _node(arguments[0], known)
        return _node(arguments[1], known) if value is None else value
    if name not in {"MIN", "MAX", "SUM", "AVG", "ABS"}:
        raise ExpressionError(f"{name} is not served in metric math")
    items = arguments[0].elts if isinstance(arguments[0], ast.List) else arguments
    values = [value for item in items if (value := _node(item, known)) is not None]
    if not values:
        return None
    if name == "ABS":
        return abs(values[0])
    return {"MIN": min, "MAX": max, "SUM": sum, "AVG": lambda v: sum(v) / len(v)}[name](values)


def state_of(alarm: Alarm, values: list[float | None]) -> str:
    """OK, ALARM or INSUFFICIENT_DATA for the periods' values."""
    compare, threshold = _COMPARE.get(str(alarm.get("ComparisonOperator"))), float(alarm.get("Threshold") or 0)
    if compare is None:
        return str(alarm["StateValue"])
    treatment = alarm.get("TreatMissingData") or "missing"
    needed = int(alarm.get("DatapointsToAlarm") or len(values))
    present = [value for value in values if value is not None]
    missing = len(values) - len(present)
    if not present and treatment in {"missing", "ignore"}:
        return "INSUFFICIENT_DATA" if treatment == "missing" else str(alarm["StateValue"])
    breaching = sum(compare(value, threshold) for value in present) + (missing if treatment == "breaching" else 0)
    return "ALARM" if breaching >= needed else "OK"


def install() -> None:
    """Replace ministack's evaluation, keep metric-math queries, look every TICK_SECONDS."""
    from ministack.services import cloudwatch

    def series(namespace: str, name: str, dimensions: dict[str, str]) -> Iterable[Point]:
        return list(cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions))) or [])

    def evaluate(alarm: Alarm) -> None:
        try:
            values = values_of(alarm, series, time.time() + 1)
        except ExpressionError as error:
            logger.warning("alarm %s is never evaluated: %s", alarm.get("AlarmName"), error)
            return
        _move(cloudwatch, alarm, state_of(alarm, values), values)

    put = cloudwatch._put_metric_alarm

    def put_with_queries(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put(params, data, is_cbor, is_json)
        name = (data or {}).get("AlarmName", "") if (is_cbor or is_json) else ""
        if answer[0] == 200 and name in cloudwatch._alarms:
            alarm = cloudwatch._alarms[name]
            if (data or {}).get("Metrics"):
                alarm["Metrics"] = data["Metrics"]
                for key in ("MetricName", "Namespace", "Statistic", "Period"):
                    alarm.pop(key, None)
            evaluate(alarm)
        return answer

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._put_metric_alarm = put_with_queries


def _move(cloudwatch: Any, alarm: Alarm, state: str, values: list[float | None]) -> None:
    """Change an alarm's state with history, actions and composite parents, as ministack does."""
    before = alarm["StateValue"]
    if before == state:
        return
    shown = [value for value in values if value is not None]
    reason = f"Threshold Crossed: {len(shown)} datapoints {shown} against {alarm.get('Threshold')}"
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


class Ticker:
    """Evaluates alarms while nothing else does: a metric that stops coming changes states too."""

    def __init__(self, account: str, region: str, gauges: Callable[[], None]) -> None:
        self._account = account
        self._region = region
        self._gauges = gauges
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def _run(self) -> None:
        from ministack.core.responses import request_scope
        from ministack.services import cloudwatch

        while not self._stopping.wait(TICK_SECONDS):
            with request_scope(self._account, self._region):
                try:
                    self._gauges()
                    cloudwatch._evaluate_all_alarms()
                except Exception:
                    logger.exception("alarms could not be evaluated this time")
