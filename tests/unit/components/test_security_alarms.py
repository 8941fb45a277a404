"""Each watch catches its event in the trail and leaves daily work alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components._base import Context
from components.break_glass import break_glass_arn
from components.security_alarms import NAMESPACE, SecurityAlarms, SecurityAlarmsArgs, watches
from local.aws.filter_pattern import compile_pattern

USER = {"type": "IAMUser"}


def event(source: str, name: str, **more: Any) -> dict[str, Any]:
    """A CloudTrail event of a user."""
    base = {"eventSource": f"{source}.amazonaws.com", "eventName": name, "userIdentity": USER}
    return {**base, "eventType": "AwsApiCall", **more}


CASES: dict[str, dict[str, Any]] = {
    "root-use": event("s3", "ListBuckets", userIdentity={"type": "Root"}),
    "trail-change": event("cloudtrail", "StopLogging"),
    "detection-change": event("guardduty", "DeleteDetector"),
    "key-change": event("kms", "ScheduleKeyDeletion"),
    "record-retention-change": event("s3", "PutBucketObjectLockConfiguration"),
    "bucket-access-change": event("s3", "PutBucketPolicy"),
    "rights-change": event("iam", "DeleteRolePermissionsBoundary"),
    "network-change": event("ec2", "AuthorizeSecurityGroupIngress"),
    "sign-in-without-second-factor": event(
        "signin",
        "ConsoleLogin",
        additionalEventData={"MFAUsed": "No"},
        responseElements={"ConsoleLogin": "Success"},
    ),
    "sign-in-failures": event("signin", "ConsoleLogin", errorMessage="Failed authentication"),
    "refused-calls": event("dynamodb", "GetItem", errorCode="AccessDeniedException"),
}
DAILY = [
    event("s3", "GetObject"),
    event("kms", "Decrypt"),
    event("sts", "AssumeRole", requestParameters={"roleArn": "arn:aws:iam::111122223333:role/other"}),
    event(
        "signin", "ConsoleLogin", additionalEventData={"MFAUsed": "Yes"}, responseElements={"ConsoleLogin": "Success"}
    ),
]


def matching(context: Context, occurrence: dict[str, Any]) -> set[str]:
    """Roles of the watches that an event sets off."""
    line = json.dumps(occurrence)
    return {watch.role for watch in watches(context) if compile_pattern(watch.pattern)(line)}


@pytest.mark.parametrize("role", sorted(CASES))
def test_a_watch_catches_its_event_and_no_other_watch_does(context: Context, role: str) -> None:
    assert matching(context, CASES[role]) == {role}


def test_breaking_the_glass_is_caught(context: Context) -> None:
    taken = event("sts", "AssumeRole", requestParameters={"roleArn": break_glass_arn(context)})
    assert matching(context, taken) == {"break-glass-use"}


@pytest.mark.parametrize("occurrence", DAILY, ids=lambda item: f"{item['eventSource']}-{item['eventName']}")
def test_daily_work_sets_off_nothing(context: Context, occurrence: dict[str, Any]) -> None:
    assert matching(context, occurrence) == set()


def test_every_watch_has_a_case_here(context: Context) -> None:
    assert {watch.role for watch in watches(context)} == {*CASES, "break-glass-use"}


def test_every_filter_feeds_an_alarm_that_tells_the_topic(record: Any, context: Context, preview: bool) -> None:
    args = SecurityAlarmsArgs(context=context, log_group_name="/aws/cloudtrail/x", topic_arn="arn:topic")
    recording = record(lambda: {"names": SecurityAlarms("alarms", args).alarm_names}, preview=preview)
    counted = {
        one.inputs["metricTransformation"]["name"]: one.inputs["metricTransformation"]["namespace"]
        for one in recording.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    }
    alarms = recording.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert len(alarms) == len(watches(context))
    for alarm in alarms:
        assert counted[alarm.inputs["metricName"]] == NAMESPACE == alarm.inputs["namespace"]
        assert alarm.inputs["alarmActions"] == ["arn:topic"]
        assert "patient" not in alarm.inputs["alarmDescription"]
