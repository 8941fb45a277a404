"""Logs, alarms and trails: encrypted, kept, watched."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, Values, at, is_off, is_set
from hipaa_pack.rule import ResourceRule, Rule

_GROUP = ("aws:cloudwatch/logGroup:LogGroup",)
_SIX_YEARS_DAYS = 2192


def _group_key(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyId")):
        yield "kmsKeyId must be set"


def _group_retention(values: Values) -> Iterator[str]:
    days = at(values, "retentionInDays")
    if days is UNKNOWN:
        return
    if not days:
        yield "retentionInDays must be set: without it logs are kept for ever"
    elif at(values, "tags.data-class") == "audit" and float(days) < _SIX_YEARS_DAYS:
        yield f"an audit log must be kept for at least {_SIX_YEARS_DAYS} days"


def _alarm(values: Values) -> Iterator[str]:
    if at(values, "actionsEnabled") is False:
        yield "actionsEnabled must not be false"
    if not any(is_set(at(values, name)) for name in ("alarmActions", "okActions", "insufficientDataActions")):
        yield "an alarm that tells nobody"


def _trail(values: Values) -> Iterator[str]:
    for name in ("enableLogFileValidation", "isMultiRegionTrail"):
        if is_off(at(values, name)):
            yield f"{name} must be true"
    for name in ("kmsKeyId", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn"):
        if not is_set(at(values, name)):
            yield f"{name} must be set"
    if at(values, "enableLogging") is False:
        yield "enableLogging must not be false"


RULES: list[Rule] = [
    ResourceRule(
        id="logs-kms",
        says="a log group is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:CloudWatchLogGroupEncrypted", "K:158"),
        remedy="Set kms_key_id.",
        types=_GROUP,
        check=_group_key,
    ),
    ResourceRule(
        id="logs-retention",
        says="logs are kept for a set time, audit logs for six years and more",
        sections=(*sections.AUDIT, *sections.RETENTION),
        sources=("N:CloudWatchLogGroupRetentionPeriod", "K:66"),
        remedy="Set retention_in_days (operations by stack data; data-class audit: 2557).",
        types=_GROUP,
        check=_group_retention,
    ),
    ResourceRule(
        id="alarm-actions",
        says="an alarm tells someone",
        sections=(*sections.AUDIT, "164.308(a)(6)(ii)"),
        sources=("N:CloudWatchAlarmAction", "K:319"),
        remedy="Set alarm_actions to the alerts topic.",
        types=("aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/compositeAlarm:CompositeAlarm"),
        check=_alarm,
    ),
    ResourceRule(
        id="trail-complete",
        says="a trail is validated, encrypted, multi-region and sent to CloudWatch Logs",
        sections=(*sections.LOGGING, *sections.INTEGRITY, *sections.ENCRYPTION),
        sources=(
            "N:CloudTrailLogFileValidationEnabled",
            "N:CloudTrailEncryptionEnabled",
            "N:CloudTrailCloudWatchLogsEnabled",
            "K:35",
            "K:36",
            "K:67",
        ),
        remedy="Set enable_log_file_validation, kms_key_id, is_multi_region_trail and the log group with its role.",
        types=("aws:cloudtrail/trail:Trail",),
        check=_trail,
    ),
]
