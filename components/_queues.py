"""Encrypted SQS queues that only the named senders may fill, and only over TLS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._iam import Statement, policy_document

QUEUE_NAME_LIMIT = 80
TWO_WEEKS_SECONDS = 14 * 24 * 60 * 60
"""SQS's limit: time to find the cause of a dead letter and to send it again."""


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """Where a message goes that was received `max_receive_count` times and never deleted."""

    dead_letters_arn: pulumi.Input[str]
    max_receive_count: int


@dataclass(frozen=True, kw_only=True)
class Senders:
    """An AWS service that may send, and the resources on whose behalf it may do so."""

    sid: str
    service: str
    source_arns: Sequence[pulumi.Input[str]]


def queue_arn(context: Context, role: str) -> str:
    """ARN of the queue with that role, known before the queue exists."""
    return context.naming.arn("sqs", context.naming.name(role, limit=QUEUE_NAME_LIMIT))


def encrypted_queue(
    logical_name: str,
    *,
    context: Context,
    role: str,
    key_arn: pulumi.Input[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
    senders: Sequence[Senders] = (),
    redrive: Redrive | None = None,
    visibility_seconds: int = 30,
    delay_seconds: int = 0,
    retention_seconds: int = TWO_WEEKS_SECONDS,
) -> aws.sqs.Queue:
    """A queue under our own key; TLS only; services send for the named resources only (no confused deputy)."""
    arn = queue_arn(context, role)
    return aws.sqs.Queue(
        logical_name,
        name=context.naming.name(role, limit=QUEUE_NAME_LIMIT),
        kms_master_key_id=key_arn,
        visibility_timeout_seconds=visibility_seconds,
        delay_seconds=delay_seconds,
        message_retention_seconds=retention_seconds,
        redrive_policy=_redrive_policy(redrive),
        policy=policy_document(
            Statement(
                sid="DenyPlainTransport",
                effect="Deny",
                actions=["sqs:*"],
                resources=[arn],
                principals="*",
                conditions={"Bool": {"aws:SecureTransport": "false"}},
            ),
            *(
                Statement(
                    sid=sender.sid,
                    actions=["sqs:SendMessage"],
                    resources=[arn],
                    principals={"Service": [sender.service]},
                    conditions={"ArnEquals": {"aws:SourceArn": list(sender.source_arns)}},
                )
                for sender in senders
            ),
        ),
        tags=dict(tags),
        opts=opts,
    )


def _redrive_policy(redrive: Redrive | None) -> pulumi.Input[str] | None:
    if redrive is None:
        return None
    count = redrive.max_receive_count
    return pulumi.Output.from_input(redrive.dead_letters_arn).apply(
        lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count}, sort_keys=True)
    )
