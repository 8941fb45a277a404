"""Alarms of the frame proxy, on what it counts itself and on what its load balancer sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._runbooks import described
from components.alarms import PLATFORM

ROLE: Final = "frame-proxy"
_ALARMS: Final = (
    # role, meaning, metric, statistic of a minute, threshold
    ("errors", "The frame proxy fails: readers see no images.", "FrameProxyErrors", "Sum", 5),
    ("throttled", "HealthImaging throttles: readers wait. Ask for a higher quota.", "FrameProxyThrottled", "Sum", 100),
    ("refused", "Many reads were refused: the access audit says who asked.", "FrameProxyRefused", "Sum", 200),
    ("slow", "The frame proxy takes longer than a second at p99.", "TargetResponseTime", "p99", 1),
    ("unhealthy", "A task of the frame proxy is not healthy.", "UnHealthyHostCount", "Maximum", 0),
)


def frame_proxy_alarms(
    name: str,
    *,
    context: Context,
    topic_arn: pulumi.Input[str],
    place: Mapping[str, pulumi.Input[str]],
    tags: Mapping[str, str],
    child: pulumi.ResourceOptions,
) -> None:
    """One alarm a row; `place` are the dimensions of the load balancer's metrics."""
    for role, meaning, metric, statistic, threshold in _ALARMS:
        ours = metric.startswith("FrameProxy")
        kind: Any = {"extended_statistic": statistic} if statistic.startswith("p") else {"statistic": statistic}
        aws.cloudwatch.MetricAlarm(
            f"{name}-{role}",
            name=context.naming.name(f"{ROLE}-{role}", limit=255),
            alarm_description=described(meaning, f"{ROLE}-{role}", context),
            namespace=PLATFORM if ours else "AWS/ApplicationELB",
            metric_name=metric,
            dimensions={} if ours else dict(place),
            period=60,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            threshold=threshold,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            tags=dict(tags),
            opts=child,
            **kind,
        )
