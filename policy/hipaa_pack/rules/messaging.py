"""Queues, topics and buses: encrypted by our keys, closed to strangers, TLS only."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.reads import Values, at, conditions, document, is_set, listed, principals, statements
from hipaa_pack.rule import ResourceRule, Rule

_QUEUE = ("aws:sqs/queue:Queue",)
_TOPIC = ("aws:sns/topic:Topic",)


def _queue_key(values: Values) -> Iterator[str]:
    key = at(values, "kmsMasterKeyId")
    if not is_set(key) or (isinstance(key, str) and key.endswith("alias/aws/sqs")):
        yield "kmsMasterKeyId must name a key of our own"


def _topic_key(values: Values) -> Iterator[str]:
    key = at(values, "kmsMasterKeyId")
    if not is_set(key) or (isinstance(key, str) and key.endswith("alias/aws/sns")):
        yield "kmsMasterKeyId must name a key of our own: services cannot publish under alias/aws/sns"


def _closed(values: Values) -> Iterator[str]:
    policy = at(values, "policy")
    if document(policy) is None:
        return
    tls = False
    for statement in statements(policy):
        if statement.get("Effect") == "Deny":
            tls = tls or str(conditions(statement).get("aws:securetransport", "")).lower() == "false"
            continue
        if "*" in principals(statement) and not conditions(statement):
            yield "a statement allows everybody"
        if any(str(action).endswith(":*") for action in listed(statement.get("Action"))):
            yield "a statement allows every action"
    if not tls:
        yield "requests without TLS must be denied"


def _subscription(values: Values) -> Iterator[str]:
    if at(values, "protocol") == "http":
        yield "a subscription over plain HTTP"


def _bus_key(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyIdentifier")):
        yield "kmsKeyIdentifier must be set"


def _archive(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyIdentifier")):
        yield "kmsKeyIdentifier must be set"
    if not is_set(at(values, "retentionDays")):
        yield "retentionDays must be set"


def _target(values: Values) -> Iterator[str]:
    if not is_set(at(values, "deadLetterConfig.arn")):
        yield "an event that cannot be delivered would be lost: deadLetterConfig.arn must be set"


RULES: list[Rule] = [
    ResourceRule(
        id="sqs-kms",
        says="a queue is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:27", "K2:73"),
        remedy="Set kms_master_key_id.",
        types=_QUEUE,
        check=_queue_key,
    ),
    ResourceRule(
        id="sqs-policy",
        says="a queue policy names who may send, over TLS",
        sections=(*sections.ACCESS, *sections.TRANSMISSION),
        sources=("K:72", "K:168", "K:387"),
        remedy="Name principals and actions, deny aws:SecureTransport=false.",
        types=("aws:sqs/queuePolicy:QueuePolicy", *_QUEUE),
        check=_closed,
    ),
    ResourceRule(
        id="sns-kms",
        says="a topic is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:SNSEncryptedKMS", "K:26"),
        remedy="Set kms_master_key_id to a key of the program.",
        types=_TOPIC,
        check=_topic_key,
    ),
    ResourceRule(
        id="sns-policy",
        says="a topic policy names who may publish, over TLS",
        sections=(*sections.ACCESS, *sections.TRANSMISSION),
        sources=("K:169", "K:385"),
        remedy="Name principals and actions, deny aws:SecureTransport=false.",
        types=("aws:sns/topicPolicy:TopicPolicy", *_TOPIC),
        check=_closed,
    ),
    ResourceRule(
        id="sns-subscription",
        says="no subscription goes over plain HTTP",
        sections=sections.TRANSMISSION,
        remedy="Use https, sqs, lambda or email.",
        types=("aws:sns/topicSubscription:TopicSubscription",),
        check=_subscription,
    ),
    ResourceRule(
        id="eb-bus-cmk",
        says="an event bus is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set kms_key_identifier.",
        types=("aws:cloudwatch/eventBus:EventBus",),
        check=_bus_key,
    ),
    ResourceRule(
        id="eb-archive-cmk",
        says="an event archive is encrypted and ends",
        sections=(*sections.ENCRYPTION, *sections.RETENTION),
        remedy="Set kms_key_identifier and retention_days.",
        types=("aws:cloudwatch/eventArchive:EventArchive",),
        check=_archive,
    ),
    ResourceRule(
        id="eb-target-dlq",
        says="an event that cannot be delivered is kept",
        sections=sections.AUDIT,
        remedy="Set dead_letter_config.",
        grade="medium",
        types=("aws:cloudwatch/eventTarget:EventTarget",),
        check=_target,
    ),
]
