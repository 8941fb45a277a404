"""EventBridge beyond the basics: who may put events, what its logs hold, where events may go."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.checks import between, every, not_open, only, own_key, present
from hipaa_pack.reads import UNKNOWN, Values, at, is_set, is_true, listed
from hipaa_pack.rule import ResourceRule, Rule


def _permission(values: Values) -> Iterator[str]:
    if at(values, "principal") == "*" and not is_set(at(values, "condition")):
        yield "every account could put events: bind the permission to the organization"


def _pipe_log(values: Values) -> Iterator[str]:
    if listed(at(values, "logConfiguration.includeExecutionDatas")):
        yield "logConfiguration.includeExecutionDatas writes events into the log"
    if is_true(at(values, "logConfiguration.includeExecutionData")):
        yield "logConfiguration.includeExecutionData writes events into the log"


def _destination(values: Values) -> Iterator[str]:
    address = at(values, "invocationEndpoint")
    if address is not UNKNOWN and not str(address).startswith("https://"):
        yield "invocationEndpoint must be https"
    yield "events leave for another company: waive this rule by name once its business associate agreement is signed"


RULES: list[Rule] = [
    ResourceRule(
        id="eb-bus-dlq",
        says="an event that the bus cannot decrypt is kept",
        sections=sections.AUDIT,
        remedy="Set dead_letter_config of the bus.",
        level="advisory",
        types=("aws:cloudwatch/eventBus:EventBus",),
        check=present("deadLetterConfig.arn"),
    ),
    ResourceRule(
        id="eb-bus-log",
        says="a bus does not log the content of events",
        sections=sections.MINIMUM_NECESSARY,
        remedy="Set log_config.include_detail=NONE.",
        types=("aws:cloudwatch/eventBus:EventBus",),
        check=only("logConfig.includeDetail", lambda v: v != "FULL", "logConfig.includeDetail must not be FULL"),
    ),
    ResourceRule(
        id="eb-bus-policy",
        says="who may put events on a bus is named",
        sections=sections.ACCESS,
        remedy="Name the accounts, or bind by aws:PrincipalOrgID.",
        grade="critical",
        types=("aws:cloudwatch/eventBusPolicy:EventBusPolicy",),
        check=not_open(),
    ),
    ResourceRule(
        id="eb-permission",
        says="a permission to put events is bound",
        sections=sections.ACCESS,
        remedy="Name the account, or add a condition on the organization.",
        grade="critical",
        types=("aws:cloudwatch/eventPermission:EventPermission",),
        check=_permission,
    ),
    ResourceRule(
        id="eb-api-destination",
        says="events leave to named business associates over TLS only",
        sections=(*sections.TRANSMISSION, *sections.ASSOCIATES),
        remedy="Use https, and waive the rule for that destination with the agreement's date as the reason.",
        types=("aws:cloudwatch/eventApiDestination:EventApiDestination",),
        check=_destination,
    ),
    ResourceRule(
        id="eb-schedule-cmk",
        says="a schedule's input is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:297",),
        remedy="Set kms_key_arn.",
        types=("aws:scheduler/schedule:Schedule",),
        check=own_key("kmsKeyArn"),
    ),
    ResourceRule(
        id="eb-pipe",
        says="a pipe is encrypted by a key of our own and logs no events",
        sections=(*sections.ENCRYPTION, *sections.MINIMUM_NECESSARY),
        remedy="Set kms_key_identifier; leave include_execution_datas out.",
        types=("aws:pipes/pipe:Pipe",),
        check=every(own_key("kmsKeyIdentifier"), _pipe_log),
    ),
    ResourceRule(
        id="sqs-dlq",
        says="a message is kept for days, and taken out when it cannot be handled",
        sections=sections.AUDIT,
        remedy="Set redrive_policy (not on the dead-letter queue itself) and keep messages for four days and more.",
        grade="medium",
        level="advisory",
        types=("aws:sqs/queue:Queue",),
        check=between("messageRetentionSeconds", 345_600, needed=False),
    ),
]
