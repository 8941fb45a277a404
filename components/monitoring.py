"""What watches the platform: dashboards, alarms, and the function that checks health and reconciles every night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import alarms, dashboards
from components._base import PlatformComponent
from components._configuration import MonitoringSettings
from components._queues import Senders, encrypted_queue
from components._rules import Rule, function_target, rule_arn
from components._runbooks import described
from components._workload import Workload, platform_function
from components.alarms import AlarmRow, Bounds, WatchedNames
from components.endpoint_guard import endpoint_rows
from components.function import FunctionSize, PlatformFunction
from components.monitoring_function import MonitoringStores, plan

HEALTH_RULE: Final = "health-check"
RECONCILE_RULE: Final = "reconcile"
OPERATIONS: Final = {HEALTH_RULE: '{"operation":"health"}', RECONCILE_RULE: '{"operation":"reconcile"}'}


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What monitoring needs.

    Attributes:
        names: physical names of what is watched.
        accuracy_threshold: smallest accuracy of a model that may serve, 0 to 1.
        topic_arn: where alarms are told.
        trail: whether the stack has its own audit trail, whose lag is measured.
        endpoint_name: SageMaker endpoint on the MLOps dashboard.
        training_usd_per_hour: list price of the training machine.
    """

    workload: Workload
    stores: MonitoringStores
    settings: MonitoringSettings
    size: FunctionSize
    names: WatchedNames
    accuracy_threshold: float
    topic_arn: pulumi.Input[str]
    trail: bool
    endpoint_name: str
    training_usd_per_hour: float


class Monitoring(PlatformComponent):
    """Three dashboards, the alarms of `components.alarms`, and the Monitoring function with its two schedules.

    Guarantees: every alarm tells the alerts topic, when it sounds and when it is over; a schedule that could not be
    delivered is kept as a dead letter.
    """

    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    dashboard_names: pulumi.Output[list[str]]
    alarm_names: pulumi.Output[list[str]]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:monitoring:Monitoring", name, opts)
        self._args = args
        self._context = args.workload.context
        self._tags = self._context.tags_for("monitoring", "operations")

        function = platform_function(
            f"{name}-function", plan(args.workload, args.stores, args.size), args.workload, self.child()
        )
        self._build_schedules(name, function)
        bounds = _bounds(args.settings, args.accuracy_threshold, args.trail)
        serving = endpoint_rows(
            args.endpoint_name,
            error_percent=args.settings.endpoint_error_percent,
            latency_milliseconds=args.settings.endpoint_latency_milliseconds,
        )
        made = [self._build_alarm(name, row) for row in (*alarms.rows(args.names, bounds), *serving)]
        boards = self._build_dashboards(name) if args.settings.dashboards else []

        self.function_name = function.function_name
        self.function_arn = function.function_arn
        self.dashboard_names = pulumi.Output.all(*(board.dashboard_name for board in boards)).apply(list)
        self.alarm_names = pulumi.Output.all(*(alarm.name for alarm in made)).apply(list)
        self.register_outputs(
            {
                "function_name": self.function_name,
                "function_arn": self.function_arn,
                "dashboard_names": self.dashboard_names,
                "alarm_names": self.alarm_names,
            }
        )

    def _build_schedules(self, name: str, function: PlatformFunction) -> None:
        dead_letters = encrypted_queue(
            f"{name}-dead-letters",
            context=self._context,
            role="schedules-dlq",  # of the schedules; the function has its own for what it could not do
            key_arn=self._args.workload.keys.events,
            tags=self._tags,
            senders=[
                Senders(
                    sid="FromSchedules",
                    service="events.amazonaws.com",
                    source_arns=[rule_arn(self._context, role) for role in OPERATIONS],
                )
            ],
            opts=self.child(),
        )
        schedules = {
            HEALTH_RULE: ("Asks the parts of the platform how they are", self._args.settings.health_schedule),
            RECONCILE_RULE: (
                "Compares what was received with what was imported",
                self._args.settings.reconcile_schedule,
            ),
        }
        for role, (description, schedule) in schedules.items():
            function_target(
                f"{name}-{role}",
                Rule(role=role, description=description, schedule=schedule),
                context=self._context,
                function_name=function.function_name,
                function_arn=function.function_arn,
                dead_letters_arn=dead_letters.arn,
                tags=self._tags,
                child=self.child(),
                constant_input=OPERATIONS[role],
            )

    def _build_alarm(self, name: str, row: AlarmRow) -> aws.cloudwatch.MetricAlarm:
        watched = next(iter(row.metrics.values())) if row.expression is None else None
        return aws.cloudwatch.MetricAlarm(
            f"{name}-{row.role}",
            name=self._context.naming.name(row.role, limit=255),
            alarm_description=described(f"{row.meaning} Bound: {row.threshold:g} {row.unit}.", row.role, self._context),
            comparison_operator=row.comparison,
            threshold=row.threshold,
            evaluation_periods=row.periods,
            datapoints_to_alarm=row.periods,
            treat_missing_data=row.missing,
            namespace=watched.namespace if watched else None,
            metric_name=watched.name if watched else None,
            dimensions=dict(watched.dimensions) if watched and watched.dimensions else None,
            statistic=watched.statistic if watched and not _is_percentile(watched.statistic) else None,
            extended_statistic=watched.statistic if watched and _is_percentile(watched.statistic) else None,
            period=watched.period_seconds if watched else None,
            metric_queries=None if watched else _queries(row),
            actions_enabled=True,
            alarm_actions=[self._args.topic_arn],
            ok_actions=[self._args.topic_arn],
            tags=self._tags,
            opts=self.child(),
        )

    def _build_dashboards(self, name: str) -> list[aws.cloudwatch.Dashboard]:
        args, region = self._args, self._context.region
        bodies = pulumi.Output.from_input(args.stores.datastore_id).apply(
            lambda datastore: dashboards.bodies(
                args.names,
                region=region,
                datastore_id=datastore,
                endpoint=args.endpoint_name,
                training_usd_per_hour=args.training_usd_per_hour,
            )
        )
        return [
            aws.cloudwatch.Dashboard(
                f"{name}-{role}",
                dashboard_name=self._context.naming.name(role, limit=255),
                dashboard_body=bodies[role],
                opts=self.child(),
            )
            for role in dashboards.ROLES
        ]


def _bounds(settings: MonitoringSettings, accuracy: float, trail: bool) -> Bounds:
    return Bounds(
        retrieval_p99_milliseconds=settings.retrieval_p99_milliseconds,
        accuracy=accuracy,
        data_store_errors_per_minute=settings.data_store_errors_per_minute,
        function_error_percent=settings.lambda_error_percent,
        storage_gb=settings.storage_budget_gb,
        audit_lag_minutes=(settings.audit_lag_minutes or None) if trail else None,
    )


def _is_percentile(statistic: str) -> bool:
    """CloudWatch takes percentiles by another field than Sum, Average, Minimum and Maximum."""
    return statistic.startswith("p")


def _queries(row: AlarmRow) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    """The operands, which return nothing, and the expression, which is what the alarm watches."""
    operands = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=identity,
            return_data=False,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=dict(metric.dimensions),
                stat=metric.statistic,
                period=metric.period_seconds,
            ),
        )
        for identity, metric in sorted(row.metrics.items())
    ]
    watched = aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="watched", expression=row.expression, label=row.unit, return_data=True
    )
    return [*operands, watched]
