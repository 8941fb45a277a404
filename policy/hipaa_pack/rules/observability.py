"""Logs, alarms and trails: encrypted, kept, watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.checks import not_open, on
from hipaa_pack.reads import UNKNOWN, Values, at, document, is_set, listed, plain, principals, statements
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule, StackRule

_GROUP = ("aws:cloudwatch/logGroup:LogGroup",)
_MASK = "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy"
_SIX_YEARS_DAYS = 2192
_PHI = ("phi", "imaging", "tracking")
_AUDIT_WRITERS: Final[Mapping[str, str]] = {
    "aws:apigateway/stage:Stage": "accessLogSettings",
    "aws:apigatewayv2/stage:Stage": "accessLogSettings",
    "aws:cloudtrail/trail:Trail": "cloudWatchLogsGroupArn",
    "aws:ec2/flowLog:FlowLog": "logDestination",
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": "logDestinationConfigs",
}
"""What writes audit records by its nature, and the property that names the group."""


def _group_key(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyId")):
        yield "kmsKeyId must be set"


def _group_retention(values: Values) -> Iterator[str]:
    days = at(values, "retentionInDays")
    if days is UNKNOWN:
        return
    if not days:
        yield "retentionInDays must be set: without it logs are kept for ever"
    elif not _is_operations(values) and float(days) < _SIX_YEARS_DAYS:
        yield f"a log group that is not tagged log-class: operations must be kept for at least {_SIX_YEARS_DAYS} days"


def _is_operations(values: Values) -> bool:
    """Known to be no audit record. What says nothing, or cannot be known yet, counts as one."""
    said, holds = at(values, "tags.log-class"), at(values, "tags.data-class")
    return said is not UNKNOWN and said == "operations" and (holds is UNKNOWN or holds != "audit")


def _audit_writers(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    """A group that a trail, a flow log, an access log or a firewall writes into, and that says it is of operations."""
    for writer in resources:
        link = _AUDIT_WRITERS.get(writer.resource_type)
        for group in writer.property_dependencies.get(link, []) if link else ():
            if group.resource_type in _GROUP and _is_operations(plain(group.props)):
                yield group, f"{writer.name} writes who did what into {group.name}: its log-class must be audit"


def _unmasked(values: Values) -> bool:
    """Groups that need no mask: audit records, and logs of what never touches PHI."""
    holds = at(values, "tags.data-class")
    return not _is_operations(values) or (holds is not UNKNOWN and holds not in _PHI)


def _mask(values: Values) -> Iterator[str]:
    said = document(at(values, "policyDocument"))
    if said is None:
        return
    found: dict[str, Any] = {}
    for one in listed(said.get("Statement")):
        found.update(dict.fromkeys(at(one, "Operation") or {}, at(one, "DataIdentifier")))
    if not found.get("Deidentify") or found.get("Audit") != found["Deidentify"]:
        yield "policyDocument must count (Audit) and mask (Deidentify) the same identifiers"


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
        says="logs have an end, audit logs not before six years; a group that does not say its class is one of them",
        sections=(*sections.AUDIT, *sections.RETENTION),
        sources=("N:CloudWatchLogGroupRetentionPeriod", "K:66", "K:338"),
        remedy="Set retention_in_days, and the tag log-class: operations, or audit with 2557 days.",
        types=_GROUP,
        check=_group_retention,
    ),
    StackRule(
        id="logs-audit-class",
        says="what a trail, flow log, access log or firewall writes is kept as an audit log",
        sections=(*sections.AUDIT, *sections.RETENTION),
        remedy="Tag the group log-class: audit and keep it for 2557 days.",
        find=_audit_writers,
        types=_GROUP,
    ),
    CompanionRule(
        id="logs-mask-phi",
        says="what looks like a patient is masked in the operations logs of what touches PHI",
        sections=sections.MINIMUM_NECESSARY,
        remedy="Add an aws.cloudwatch.LogDataProtectionPolicy on the group (logs.maskPatients).",
        level="advisory",
        types=_GROUP,
        companions=(_MASK,),
        link="logGroupName",
        identity=("id", "name"),
        exempt=_unmasked,
    ),
    ResourceRule(
        id="logs-mask-whole",
        says="a data protection policy masks what it counts",
        sections=sections.MINIMUM_NECESSARY,
        remedy="Give it two statements over the same DataIdentifier: Audit and Deidentify.",
        types=(_MASK,),
        check=_mask,
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
            if at(values, "tags.log-class") == "audit" and at(values, "deletionProtectionEnabled") is not True
            else ()
        ),
    ),
]
