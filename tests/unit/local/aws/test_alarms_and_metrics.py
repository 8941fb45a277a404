"""Datapoints out of log lines, and what alarms make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.aws import alarms, metrics

NOW = 10_000.0


def emf(**values: Any) -> str:
    names = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Namespace": "N", "Dimensions": [["service"], []], "Metrics": names}
    return json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "service": "s", **values})


def test_embedded_metrics_are_read_once_per_dimension_set() -> None:
    points = list(metrics.embedded(emf(Lag=3, Many=[1, 2])))
    assert [(p.name, p.value, p.dimensions) for p in points] == [
        ("Lag", 3.0, {"service": "s"}),
        ("Many", 1.0, {"service": "s"}),
        ("Many", 2.0, {"service": "s"}),
        ("Lag", 3.0, {}),
        ("Many", 1.0, {}),
        ("Many", 2.0, {}),
    ]


@pytest.mark.parametrize("line", ["plain text", '{"level":"INFO"}', '{"_aws": broken', emf(Lag="many"), emf(Lag=True)])
def test_lines_without_numbers_give_no_datapoint(line: str) -> None:
    assert list(metrics.embedded(line)) == []


def test_a_metric_filter_takes_its_value_and_dimensions_from_the_line() -> None:
    one = {
        "filterPattern": "{ $.lag > 0 }",
        "metricTransformations": [
            {"metricName": "Lag", "metricNamespace": "N", "metricValue": "$.lag", "dimensions": {"job": "$.job"}}
        ],
    }
    (point,) = metrics.filtered(one, '{"lag": 12, "job": "nightly"}')
    assert (point.value, point.dimensions) == (12.0, {"job": "nightly"})
    assert list(metrics.filtered(one, '{"lag": 0}')) == []


def test_a_default_value_counts_where_nothing_matches() -> None:
    one = {
        "filterPattern": "ERROR",
        "metricTransformations": [{"metricName": "E", "metricNamespace": "N", "metricValue": "1", "defaultValue": 0.0}],
    }
    assert [next(metrics.filtered(one, line)).value for line in ("ERROR", "fine")] == [1.0, 0.0]


def series(points: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]]) -> Any:
    def read(_namespace: str, name: str, dimensions: dict[str, str]) -> list[dict[str, float]]:
        found = points.get((name, tuple(sorted(dimensions.items()))), [])
        return [{"Timestamp": NOW - age, "Value": value} for age, value in found]

    return read


def alarm(**changed: Any) -> dict[str, Any]:
    base = {
        "Namespace": "N",
        "MetricName": "Errors",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "StateValue": "OK",
    }
    return {**base, **changed}


def state(one: dict[str, Any], points: Any) -> str:
    return alarms.state_of(one, alarms.values_of(one, series(points), NOW))


def test_an_alarm_sees_its_own_dimensions_only() -> None:
    points = {("Errors", (("FunctionName", "a"),)): [(10, 9)], ("Errors", (("FunctionName", "b"),)): [(10, 1)]}
    assert state(alarm(Dimensions=[{"Name": "FunctionName", "Value": "a"}]), points) == "ALARM"
    assert state(alarm(Dimensions=[{"Name": "FunctionName", "Value": "b"}]), points) == "OK"
    assert state(alarm(), points) == "INSUFFICIENT_DATA"


def test_m_of_n_periods_must_breach() -> None:
    points = {("Errors", ()): [(10, 9), (70, 1), (130, 9)]}
    assert state(alarm(EvaluationPeriods=3), points) == "OK"
    assert state(alarm(EvaluationPeriods=3, DatapointsToAlarm=2), points) == "ALARM"


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "OK"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_missing_data_is_treated_as_told(treatment: str, expected: str) -> None:
    assert state(alarm(TreatMissingData=treatment), {}) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("Sum", 10.0), ("Average", 2.5), ("Minimum", 1.0), ("Maximum", 4.0), ("SampleCount", 4.0), ("p99", 4.0)],
)
def test_statistics_of_a_period(name: str, value: float) -> None:
    points = [{"Timestamp": NOW, "Value": one} for one in (1, 2, 3, 4)]
    assert alarms.statistic(points, name) == value


def rate_alarm(expression: str) -> dict[str, Any]:
    def query(identifier: str, name: str) -> dict[str, Any]:
        metric = {"Namespace": "N", "MetricName": name}
        return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    queries = [query("e", "Errors"), query("i", "Invocations")]
    return alarm(Metrics=[*queries, {"Id": "r", "Expression": expression, "ReturnData": True}], Threshold=1)


@pytest.mark.parametrize(
    ("expression", "errors", "expected"),
    [
        pytest.param("100 * e / i", 3, "ALARM", id="ratio"),
        pytest.param("100 * e / i", 1, "OK", id="at-threshold"),
        pytest.param("IF(i > 1000, 100 * e / i, 0)", 3, "OK", id="if"),
        pytest.param("100 * FILL(e, 0) / MAX([i, 1])", None, "OK", id="fill-max"),
        pytest.param("e / (i - 100)", 3, "INSUFFICIENT_DATA", id="division-by-zero"),
    ],
)
def test_metric_math_is_evaluated_by_period(expression: str, errors: int | None, expected: str) -> None:
    points = {("Invocations", ()): [(10, 100)]}
    if errors is not None:
        points[("Errors", ())] = [(10, errors)]
    assert state(rate_alarm(expression), points) == expected


@pytest.mark.parametrize("expression", ["SEARCH('x')", "unknown + 1", "e +", "__import__('os')", "e if i else 1"])
def test_an_expression_that_is_not_served_is_an_error(expression: str) -> None:
    points = {("Errors", ()): [(10, 1)], ("Invocations", ()): [(10, 1)]}
    with pytest.raises(alarms.ExpressionError):
        state(rate_alarm(expression), points)
