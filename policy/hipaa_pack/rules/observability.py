"""Logs, alarms and trails: encrypted, kept, watched."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.checks import not_open, on
from hipaa_pack.reads import UNKNOWN, Values, at, is_set, principals, statements
from hipaa_pack.rule import ResourceRule, Rule

_GROUP = ("aws:cloudwatch/logGroup:LogGroup",)
_SIX_YEARS_DAYS = 2192
_YEAR_DAYS = 365


def _group_key(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyId")):
        yield "kmsKeyId must be set"


def _group_retention(values: Values) -> Iterator[str]:
    days = at(values, "retentionInDays")
    if days is UNKNOWN:
        return
    if not days:
        yield "retentionInDays must be set: without it logs are kept for ever"
    elif float(days) < _YEAR_DAYS:
        yield f"retentionInDays must be at least {_YEAR_DAYS}"
    elif at(values, "tags.data-class") == "audit" and float(days) < _SIX_YEARS_DAYS:
        yield f"an audit log must be kept for at least {_SIX_YEARS_DAYS} days"


def _services_bound(values: Values) -> Iterator[str]:
    for statement in statements(at(values, "policyDocument")):
        services = [p for p in principals(statement) if p.endswith(".amazonaws.com")]
        if statement.get("Effect") == "Allow" and services and not statement.get("Condition"):
            yield "a service may write for any account: bind it by aws:SourceAccount or aws:SourceArn"


def _alarm(values: Values) -> Iterator[str]:
    if at(values, "actionsEnabled") is False:
        yield "actionsEnabled must not be false"
    if not any(is_set(at(values, name)) for name in ("alarmActions", "okActions", "insufficientDataActions")):
        yield "an alarm that tells nobody"


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
        says="logs are kept for a year and more, audit logs for six years and more",
        sections=(*sections.AUDIT, *sections.RETENTION),
        sources=("N:CloudWatchLogGroupRetentionPeriod", "K:66", "K:338"),
        remedy="Set retention_in_days: 365 and more (data-class audit: 2557).",
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
        id="logs-resource-policy",
        says="a service writes logs for this account only",
        sections=sections.ACCESS,
        remedy="Bind the statement by aws:SourceAccount or aws:SourceArn.",
        types=("aws:cloudwatch/logResourcePolicy:LogResourcePolicy",),
        check=lambda values: [*not_open("policyDocument")(values), *_services_bound(values)],
    ),
    ResourceRule(
        id="logs-no-delete",
        says="an audit log cannot be deleted by a mistake in the program",
        sections=sections.RETENTION,
        remedy="Set deletion_protection_enabled=True or skip_destroy=True.",
        level="advisory",
        types=_GROUP,
        check=lambda values: (
            on("skipDestroy")(values)
            if at(values, "tags.data-class") == "audit" and at(values, "deletionProtectionEnabled") is not True
            else ()
        ),
    ),
]
