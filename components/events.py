"""The platform's own event bus and the topic by which it tells people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components._alert_channels import paging_service, slack_channel
from components._base import Context, PlatformComponent
from components._configuration_alerts import SlackSettings
from components._iam import Statement, policy_document
from components._logs import LogKeeping, log_group
from components._queues import Senders, encrypted_queue
from components._rules import rule_arn

BUS_ROLE: Final = "platform"
TOPIC_ROLE: Final = "alerts"
VIOLATION_RULE: Final = "metric-violation"
FAILURE_RULE: Final = "pipeline-failure"
VERIFIED_RULE: Final = "image-verified"
ENDED_RULE: Final = "training-ended"
DRIFT_RULE: Final = "drift-check"
DRIFTED_RULE: Final = "drift-found"
TRIAL_RULE: Final = "trial-check"
DECIDED_RULE: Final = "trial-decided"
SETTLED_RULE: Final = "endpoint-settled"

Protocol = Literal["email", "https", "sqs", "lambda"]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One receiver of alerts: an address of a person or of a paging service. Alerts never hold PHI."""

    protocol: Protocol
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class PlatformEventsArgs:
    """What the bus and the topic need.

    Attributes:
        key_arn: Key of the data class "events": bus, archive, queues and topic.
        archive_retention_days: How long events can be replayed.
        logs: How logs are kept, by class.
        subscriptions: Who is told; an e-mail address must confirm before it receives anything.
        slack: Channel that alerts are written to.
        pager_url: Paging service that alerts are sent to; a secret.
        alerts_inbox: Also keep every alert in a queue that can be read without a mail account.
    """

    context: Context
    key_arn: pulumi.Input[str]
    archive_retention_days: int
    logs: LogKeeping
    subscriptions: Sequence[Subscription] = ()
    slack: SlackSettings | None = None
    pager_url: str | None = None
    alerts_inbox: bool = False


class PlatformEvents(PlatformComponent):
    """Custom bus with archive and dead letters, alerts topic with its receivers, log group for failed trainings.

    Everything is encrypted with our own key; the topic takes messages only from our rules and alarms, over TLS.
    Event sources and detail types are not encrypted by the bus, so they say nothing about a patient.
    """

    bus_name: pulumi.Output[str]
    bus_arn: pulumi.Output[str]
    topic_arn: pulumi.Output[str]
    dead_letters_arn: pulumi.Output[str]
    error_log_group_arn: pulumi.Output[str]
    alerts_inbox_url: pulumi.Output[str | None]

    def __init__(self, name: str, args: PlatformEventsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:events:PlatformEvents", name, opts)
        self._tags = args.context.tags_for("events", "events")
        naming = args.context.naming
        bus_arn = naming.arn("events", f"event-bus/{naming.name(BUS_ROLE)}")

        dead_letters = encrypted_queue(
            f"{name}-dead-letters",
            context=args.context,
            role="events-dlq",
            key_arn=args.key_arn,
            tags=self._tags,
            senders=[
                Senders(
                    sid="FromOurRulesAndBus",
                    service="events.amazonaws.com",
                    source_arns=[bus_arn, *routed_rule_arns(args.context)],
                )
            ],
            opts=self.child(),
        )
        bus = self._build_bus(name, args, dead_letters)
        topic = self._build_topic(name, args)
        inbox = self._build_inbox(name, args, topic) if args.alerts_inbox else None
        for number, receiver in enumerate(args.subscriptions):
            aws.sns.TopicSubscription(
                f"{name}-alerts-{number}",
                topic=topic.arn,
                protocol=receiver.protocol,
                endpoint=receiver.endpoint,
                opts=self.child(),
            )
        if args.slack and args.slack.team_id and args.slack.channel_id:
            slack_channel(
                f"{name}-alerts-slack",
                context=args.context,
                team_id=args.slack.team_id,
                channel_id=args.slack.channel_id,
                topic_arn=topic.arn,
                tags=self._tags,
                opts=self.child(),
            )
        if args.pager_url:
            paging_service(f"{name}-alerts-pager", url=args.pager_url, topic_arn=topic.arn, opts=self.child())
        log_group = self._build_error_log(name, args)

        self.bus_name = bus.name
        self.bus_arn = bus.arn
        self.topic_arn = topic.arn
        self.dead_letters_arn = dead_letters.arn
        self.error_log_group_arn = log_group.arn
        self.alerts_inbox_url = inbox.url if inbox else pulumi.Output.from_input(None)
        self.register_outputs(
            {
                "bus_name": self.bus_name,
                "bus_arn": self.bus_arn,
                "topic_arn": self.topic_arn,
                "dead_letters_arn": self.dead_letters_arn,
                "error_log_group_arn": self.error_log_group_arn,
                "alerts_inbox_url": self.alerts_inbox_url,
            }
        )

    def _build_bus(self, name: str, args: PlatformEventsArgs, dead_letters: aws.sqs.Queue) -> aws.cloudwatch.EventBus:
        bus = aws.cloudwatch.EventBus(
            f"{name}-bus",
            name=args.context.naming.name(BUS_ROLE),
            description="What the platform's parts tell each other; pseudonyms only",
            kms_key_identifier=args.key_arn,
            dead_letter_config={"arn": dead_letters.arn},
            tags=self._tags,
            opts=self.child(),
        )
        aws.cloudwatch.EventArchive(
            f"{name}-archive",
            name=args.context.naming.name("platform", limit=48),
            description="Every event of the platform's bus, to be replayed after a fault",
            event_source_arn=bus.arn,
            kms_key_identifier=args.key_arn,
            retention_days=args.archive_retention_days,
            opts=self.child(),
        )
        return bus

    def _build_topic(self, name: str, args: PlatformEventsArgs) -> aws.sns.Topic:
        naming = args.context.naming
        topic_name = naming.name(TOPIC_ROLE, limit=256)
        topic_arn = naming.arn("sns", topic_name)
        rules = [
            rule_arn(args.context, VIOLATION_RULE, naming.name(BUS_ROLE)),
            rule_arn(args.context, FAILURE_RULE),
        ]
        return aws.sns.Topic(
            f"{name}-alerts",
            name=topic_name,
            kms_master_key_id=args.key_arn,
            policy=policy_document(
                Statement(
                    sid="DenyPlainTransport",
                    effect="Deny",
                    actions=["sns:Publish"],
                    resources=[topic_arn],
                    principals="*",
                    conditions={"Bool": {"aws:SecureTransport": "false"}},
                ),
                Statement(
                    sid="RulesTellPeople",
                    actions=["sns:Publish"],
                    resources=[topic_arn],
                    principals={"Service": ["events.amazonaws.com"]},
                    conditions={"ArnEquals": {"aws:SourceArn": rules}},
                ),
                Statement(
                    sid="AlarmsTellPeople",
                    actions=["sns:Publish"],
                    resources=[topic_arn],
                    principals={"Service": ["cloudwatch.amazonaws.com"]},
                    conditions={"ArnLike": {"aws:SourceArn": naming.arn("cloudwatch", f"alarm:{naming.prefix}*")}},
                ),
            ),
            tags=self._tags,
            opts=self.child(),
        )

    def _build_inbox(self, name: str, args: PlatformEventsArgs, topic: aws.sns.Topic) -> aws.sqs.Queue:
        """A queue that shows what a person would be told, for stacks where nobody has a mail account."""
        inbox = encrypted_queue(
            f"{name}-alerts-inbox",
            context=args.context,
            role="alerts-inbox",
            key_arn=args.key_arn,
            tags=self._tags,
            senders=[Senders(sid="FromAlerts", service="sns.amazonaws.com", source_arns=[topic.arn])],
            opts=self.child(),
        )
        aws.sns.TopicSubscription(
            f"{name}-alerts-inbox",
            topic=topic.arn,
            protocol="sqs",
            endpoint=inbox.arn,
            opts=self.child(),
        )
        return inbox

    def _build_error_log(self, name: str, args: PlatformEventsArgs) -> aws.cloudwatch.LogGroup:
        """EventBridge writes only to groups under /aws/events/, and only with a resource policy of CloudWatch Logs."""
        naming = args.context.naming
        group_name = f"/aws/events/{naming.name('pipeline-errors')}"
        streams = naming.arn("logs", f"log-group:{group_name}:*")
        services = ["delivery.logs.amazonaws.com", "events.amazonaws.com"]
        group = log_group(
            f"{name}-pipeline-errors",
            name=group_name,
            log_class="operations",
            keeping=args.logs,
            tags=self._tags,
            opts=self.child(),
        )
        aws.cloudwatch.LogResourcePolicy(
            f"{name}-pipeline-errors",
            policy_name=naming.name("pipeline-errors"),
            policy_document=policy_document(
                Statement(
                    sid="RuleOpensStreams",
                    actions=["logs:CreateLogStream"],
                    resources=[streams],
                    principals={"Service": services},
                    conditions={"StringEquals": {"aws:SourceAccount": args.context.account}},
                ),
                Statement(
                    sid="RuleWritesErrors",
                    actions=["logs:PutLogEvents"],
                    resources=[streams],
                    principals={"Service": services},
                    conditions={"ArnEquals": {"aws:SourceArn": rule_arn(args.context, FAILURE_RULE)}},
                ),
            ),
            opts=self.child(),
        )
        return group


def routed_rule_arns(context: Context) -> list[str]:
    """ARNs of the rules whose dead letters the events queue keeps: known before the rules exist."""
    bus = context.naming.name(BUS_ROLE)
    on_bus = (VERIFIED_RULE, "model-evaluation-passed", DECIDED_RULE, VIOLATION_RULE, DRIFTED_RULE)
    on_default = ("training-complete", ENDED_RULE, FAILURE_RULE, DRIFT_RULE, TRIAL_RULE, SETTLED_RULE)
    return [rule_arn(context, role, bus) for role in on_bus] + [rule_arn(context, role) for role in on_default]
