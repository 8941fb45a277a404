"""Alarms tell people, schedules wake the function, dashboards show what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components._configuration import MonitoringSettings
from components._workload import Workload
from components.alarms import WatchedNames
from components.function import FunctionSize
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_function import MonitoringStores

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"


@pytest.fixture
def program(context: Context, workload: Workload, table: Any) -> Callable[..., dict[str, Any]]:
    """Monitoring of a stack; keywords change its settings."""

    def run(trail: bool = True, **settings: Any) -> dict[str, Any]:
        made = Monitoring(
            "monitoring",
            MonitoringArgs(
                workload=workload,
                stores=MonitoringStores(
                    training_data_bucket=context.naming.bucket("training-data"),
                    preprocessed_bucket=context.naming.bucket("preprocessed"),
                    tracking=table("image-tracking"),
                    state_machine_arn=context.naming.arn("states", "stateMachine:ingestion"),
                    import_queue_url="https://queue",
                    import_queue_arn=context.naming.arn("sqs", "import"),
                    datastore_id="d" * 32,
                    datastore_arn=context.naming.arn("medical-imaging", f"datastore/{'d' * 32}"),
                    bus_name="platform",
                    bus_arn=context.naming.arn("events", "event-bus/platform"),
                    reconcile_grace_seconds=3600,
                ),
                settings=MonitoringSettings(**settings),
                size=FunctionSize(memory_mb=512, timeout_seconds=300),
                names=WatchedNames(
                    functions={role: role for role in ("monitoring", "radiologist-api")},
                    tables={"labels": "labels"},
                    buckets={role: role for role in ("training-data", "preprocessed", "model-artifacts")},
                    pipeline="training",
                ),
                accuracy_threshold=0.85,
                topic_arn=context.naming.arn("sns", "alerts"),
                trail=trail,
                endpoint_name="pneumonia",
                training_usd_per_hour=0.7364,
            ),
        )
        return {"dashboards": made.dashboard_names, "alarms": made.alarm_names}

    return run


def test_every_alarm_tells_the_topic_when_it_sounds_and_when_it_is_over(
    record: Any, program: Any, context: Context, preview: bool
) -> None:
    alarms = record(program, preview=preview).of(ALARM)
    assert len(alarms) == 12, "eleven kinds (reads and writes of tables are two), one of them for each of two functions"
    topic = [context.naming.arn("sns", "alerts")]
    for alarm in alarms:
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == topic, alarm.name
        assert alarm.inputs["actionsEnabled"] is True


def test_a_percentile_goes_where_cloudwatch_wants_it(record: Any, program: Any) -> None:
    inputs = record(program).one(ALARM, "monitoring-retrieval-latency").inputs
    assert inputs["extendedStatistic"] == "p99"
    assert "statistic" not in inputs


def test_an_alarm_on_a_share_watches_its_expression_alone(record: Any, program: Any) -> None:
    inputs = record(program).one(ALARM, "monitoring-function-errors-monitoring").inputs
    assert "metricName" not in inputs
    watched = [query for query in inputs["metricQueries"] if query["returnData"]]
    assert [query["expression"] for query in watched] == ["IF(calls > 0, 100 * errors / calls, 0)"]
    assert {query["id"] for query in inputs["metricQueries"]} == {"errors", "calls", "watched"}


def test_the_bounds_are_the_stacks_data(record: Any, program: Any) -> None:
    recording = record(lambda: program(audit_lag_minutes=30, retrieval_p99_milliseconds=500))
    assert recording.one(ALARM, "monitoring-audit-lag").inputs["threshold"] == 1800
    assert recording.one(ALARM, "monitoring-retrieval-latency").inputs["threshold"] == 500


def test_a_stack_whose_trail_is_another_ones_has_no_alarm_on_its_lag(record: Any, program: Any) -> None:
    """It would sound for ever: nothing measures it here."""
    names = {one.name for one in record(lambda: program(trail=False)).of(ALARM)}
    assert "monitoring-audit-lag" not in names
    assert len(names) == 11


def test_where_no_trail_delivers_nothing_waits_for_it(record: Any, program: Any) -> None:
    names = {one.name for one in record(lambda: program(audit_lag_minutes=0)).of(ALARM)}
    assert "monitoring-audit-lag" not in names


SCHEDULES = [("health-check", "rate(5 minutes)", "health"), ("reconcile", "cron(0 3 * * ? *)", "reconcile")]


@pytest.mark.parametrize(("role", "schedule", "operation"), SCHEDULES, ids=[item[0] for item in SCHEDULES])
def test_a_schedule_wakes_the_function_for_one_operation(
    record: Any, program: Any, role: str, schedule: str, operation: str
) -> None:
    recording = record(program)
    rule = recording.one(RULE, f"monitoring-{role}").inputs
    assert rule["scheduleExpression"] == schedule
    assert "eventPattern" not in rule
    target = recording.one(TARGET, f"monitoring-{role}-target").inputs
    assert json.loads(target["input"]) == {"operation": operation}
    assert target["deadLetterConfig"]["arn"].endswith("schedules-dlq")


def test_a_stack_may_do_without_dashboards_but_not_without_alarms(record: Any, program: Any) -> None:
    recording = record(lambda: program(dashboards=False))
    assert recording.of(DASHBOARD) == []
    assert recording.values["dashboards"] == []
    assert recording.of(ALARM)


def test_three_dashboards_show_the_stacks_own_store(record: Any, program: Any) -> None:
    boards = {board.name: board.inputs for board in record(program).of(DASHBOARD)}
    assert set(boards) == {"monitoring-healthimaging", "monitoring-training", "monitoring-mlops"}
    assert "d" * 32 in boards["monitoring-healthimaging"]["dashboardBody"]
