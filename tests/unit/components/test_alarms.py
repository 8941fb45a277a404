"""The table of alarms and the dashboards: the right bounds, and within what CloudWatch takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components import dashboards
from components.alarms import AlarmRow, Bounds, Metric, WatchedNames, rows

NAMES = WatchedNames(
    functions={role: f"p-{role}" for role in ("image-ingestion", "monitoring", "radiologist-api")},
    tables={role: f"p-{role}" for role in ("labels", "metrics", "image-tracking", "training-runs", "idempotency")},
    buckets={role: f"p-{role}" for role in ("training-data", "preprocessed", "model-artifacts")},
    pipeline="p-training",
)
BOUNDS = Bounds(
    retrieval_p99_milliseconds=1000,
    accuracy=0.85,
    data_store_errors_per_minute=5,
    function_error_percent=1,
    storage_gb=1000,
    audit_lag_minutes=15,
)
ROWS = {row.role: row for row in rows(NAMES, BOUNDS)}

# Row A9 of the requirements: bound in the metric's own unit, and the direction.
EIGHT = [
    ("retrieval-latency", 1000, "GreaterThanThreshold"),
    ("training-failed", 1, "GreaterThanOrEqualToThreshold"),
    ("model-accuracy", 0.85, "LessThanThreshold"),
    ("datastore-errors", 5, "GreaterThanThreshold"),
    ("function-errors-image-ingestion", 1, "GreaterThanThreshold"),
    ("table-throttles-read", 0, "GreaterThanThreshold"),
    ("table-throttles-write", 0, "GreaterThanThreshold"),
    ("storage-budget", 1_000_000_000_000, "GreaterThanThreshold"),
    ("audit-lag", 900, "GreaterThanThreshold"),
]


@pytest.mark.parametrize(("role", "threshold", "comparison"), EIGHT, ids=[row[0] for row in EIGHT])
def test_the_alarm_of_row_a9_has_its_bound(role: str, threshold: float, comparison: str) -> None:
    assert (ROWS[role].threshold, ROWS[role].comparison) == (threshold, comparison)


def test_there_is_one_alarm_on_errors_for_each_function_and_no_ninth_kind() -> None:
    kinds = {role for role in ROWS if not role.startswith("function-errors-")}
    assert kinds == {row[0] for row in EIGHT} - {"function-errors-image-ingestion"}
    assert {role for role in ROWS if role.startswith("function-errors-")} == {
        f"function-errors-{role}" for role in NAMES.functions
    }


def test_errors_of_a_store_are_counted_by_the_minute() -> None:
    assert ROWS["datastore-errors"].metrics["errors"].period_seconds == 60


def test_a_silent_audit_watch_is_an_alarm_and_any_other_silence_is_not() -> None:
    assert {role for role, row in ROWS.items() if row.missing == "breaching"} == {"audit-lag"}


def test_no_alarm_takes_more_metrics_than_cloudwatch_allows() -> None:
    assert len(ROWS["table-throttles-read"].metrics) == len(NAMES.tables), "reads and writes have an alarm each"
    too_many = {f"m{number}": Metric(namespace="n", name="m") for number in range(11)}
    with pytest.raises(ValueError, match="at most 10"):
        AlarmRow(role="r", meaning="m", threshold=1, unit="u", metrics=too_many, expression="m0")


def test_an_alarm_without_an_expression_watches_one_metric() -> None:
    two = {"a": Metric(namespace="n", name="a"), "b": Metric(namespace="n", name="b")}
    with pytest.raises(ValueError, match="exactly one metric"):
        AlarmRow(role="r", meaning="m", threshold=1, unit="u", metrics=two)


def test_an_expression_uses_all_of_its_operands() -> None:
    for row in ROWS.values():
        if row.expression:
            assert all(identity in row.expression for identity in row.metrics), row.role


def boards() -> dict[str, str]:
    return dashboards.bodies(
        NAMES, region="us-east-1", datastore_id="d" * 32, endpoint="p-pneumonia", training_usd_per_hour=0.5
    )


def lines(role: str, title: str) -> list[Any]:
    """Rows of the one chart whose title begins so."""
    (found,) = [w for w in json.loads(boards()[role])["widgets"] if w["properties"]["title"].startswith(title)]
    return found["properties"]["metrics"]


def test_the_approval_rate_is_calculated_from_what_was_decided() -> None:
    *operands, rate = lines("mlops", "Approved of all models")
    assert [(row[1], row[2]["id"], row[2]["visible"]) for row in operands] == [
        ("ModelApproved", "approved", False),
        ("ModelGateRefused", "refused", False),
        ("ModelRejected", "rejected", False),
    ]
    assert rate[0]["expression"] == (
        "100 * FILL(approved, 0) / (FILL(approved, 0) + FILL(rejected, 0) + FILL(refused, 0))"
    )


def test_a_training_costs_its_billed_seconds_at_the_price_of_the_stacks_data() -> None:
    billed, cost = lines("mlops", "Cost of a training")
    assert (billed[1], billed[2]["id"]) == ("TrainingBillableSeconds", "billed")
    assert cost[0]["expression"] == "billed / 3600 * 0.5"


def test_what_aws_names_after_a_run_is_searched_for() -> None:
    """A line with a wrong set of dimensions is empty and says nothing of it."""
    (cpu, *_) = lines("training", "Training machines")
    assert cpu[0]["expression"] == (
        "SEARCH('Namespace=\"/aws/sagemaker/TrainingJobs\" MetricName=\"CPUUtilization\"', 'Average', 60)"
    )
    (calls,) = lines("healthimaging", "Calls to the data store")
    assert f'MetricName="CallCount" "{"d" * 32}"' in calls[0]["expression"]
    (_, zone) = lines("healthimaging", "Imported, and the PHI zone")
    assert zone[0]["expression"].startswith("SUM(SEARCH(")
    assert zone[0]["label"] == "PHI zone"


def test_there_are_three_dashboards_whose_charts_lie_side_by_side() -> None:
    bodies = boards()
    assert set(bodies) == set(dashboards.ROLES) == {"healthimaging", "training", "mlops"}
    for role, text in bodies.items():
        widgets = json.loads(text)["widgets"]
        assert len(widgets) >= 6, role
        places = {(widget["x"], widget["y"]) for widget in widgets}
        assert len(places) == len(widgets), "two charts in one place hide each other"
        assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)
        for widget in widgets:
            assert widget["properties"]["metrics"], widget["properties"]["title"]
            assert widget["properties"]["region"] == "us-east-1"


def test_a_chart_names_its_dimensions_in_cloudwatchs_order() -> None:
    body = json.loads(boards()["mlops"])
    lines = [line for widget in body["widgets"] for line in widget["properties"]["metrics"]]
    invocations = next(line for line in lines if line[:2] == ["AWS/SageMaker", "Invocations"])
    assert invocations[2:6] == ["EndpointName", "p-pneumonia", "VariantName", "primary"]
    assert invocations[6] == {"stat": "Sum", "period": 300}
