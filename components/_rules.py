"""EventBridge rules and their targets, made one way: named, retried, with dead letters, and a right for each target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components._base import Context

RETRY_ATTEMPTS = 185
RETRY_AGE_SECONDS = 24 * 60 * 60
"""EventBridge's own limits: an event is tried for a day before it becomes a dead letter, never dropped.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        role: last part of the physical name.
        description: what the rule is for, in one sentence.
        pattern: event pattern as JSON, or None when `schedule` is given.
        schedule: `rate(...)` or `cron(...)` in UTC, or None when `pattern` is given.
        bus: name of a custom bus; None is the account's default bus, where AWS's own events arrive.
        enabled: whether it delivers; a disabled rule is there to be seen and switched on.
    """

    role: str
    description: str
    pattern: pulumi.Input[str] | None = None
    schedule: str | None = None
    bus: pulumi.Input[str] | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        if (self.pattern is None) == (self.schedule is None):
            raise ValueError(f"the rule {self.role} needs a pattern or a schedule, and not both")


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """What a target is told instead of the event: JSON paths by name, and a template that uses the names."""

    paths: Mapping[str, str]
    template: str


def rule_arn(context: Context, role: str, bus: str | None = None) -> str:
    """ARN of the rule with that role, known before the rule exists; a custom bus is part of it."""
    place = f"{bus}/" if bus else ""
    return context.naming.arn("events", f"rule/{place}{context.naming.name(role)}")


def event_rule(
    logical_name: str, rule: Rule, *, context: Context, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> aws.cloudwatch.EventRule:
    """The rule itself."""
    return aws.cloudwatch.EventRule(
        logical_name,
        name=context.naming.name(rule.role),
        description=rule.description,
        event_pattern=rule.pattern,
        schedule_expression=rule.schedule,
        event_bus_name=rule.bus,
        state=None if rule.enabled else "DISABLED",
        tags=dict(tags),
        opts=opts,
    )


def event_target(
    logical_name: str,
    *,
    rule: aws.cloudwatch.EventRule,
    bus: pulumi.Input[str] | None,
    arn: pulumi.Input[str],
    dead_letters_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    role_arn: pulumi.Input[str] | None = None,
    transformer: Transformer | None = None,
    constant_input: str | None = None,
) -> aws.cloudwatch.EventTarget:
    """Delivers the rule's events to `arn`; what cannot be delivered within a day goes to the dead letters."""
    return aws.cloudwatch.EventTarget(
        logical_name,
        rule=rule.name,
        event_bus_name=bus,
        target_id=logical_name,
        arn=arn,
        role_arn=role_arn,
        input=constant_input,
        input_transformer=(
            {"input_paths": dict(transformer.paths), "input_template": transformer.template} if transformer else None
        ),
        retry_policy={
            "maximum_retry_attempts": RETRY_ATTEMPTS,
            "maximum_event_age_in_seconds": RETRY_AGE_SECONDS,
        },
        dead_letter_config={"arn": dead_letters_arn},
        opts=opts,
    )


def function_target(
    logical_name: str,
    rule: Rule,
    *,
    context: Context,
    function_name: pulumi.Input[str],
    function_arn: pulumi.Input[str],
    dead_letters_arn: pulumi.Input[str],
    tags: Mapping[str, str],
    child: pulumi.ResourceOptions,
    constant_input: str | None = None,
) -> aws.cloudwatch.EventRule:
    """A rule whose target is a function, with the permission that lets this rule, and no other, invoke it."""
    made = event_rule(logical_name, rule, context=context, tags=tags, opts=child)
    aws.lambda_.Permission(
        f"{logical_name}-permission",
        statement_id=f"{logical_name}-permission",  # a random one would differ in every preview
        action="lambda:InvokeFunction",
        function=function_name,
        principal="events.amazonaws.com",
        source_arn=made.arn,
        opts=child,
    )
    event_target(
        f"{logical_name}-target",
        rule=made,
        bus=rule.bus,
        arn=function_arn,
        dead_letters_arn=dead_letters_arn,
        constant_input=constant_input,
        opts=child,
    )
    return made
