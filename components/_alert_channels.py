"""Who hears alerts beside those with an e-mail address: a Slack channel, a paging service. Alerts never hold PHI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._iam import trust_policy

SLACK_ROLE: Final = "alerts-slack"
NAME_LIMIT: Final = 128


def slack_channel(
    logical_name: str,
    *,
    context: Context,
    team_id: str,
    channel_id: str,
    topic_arn: pulumi.Input[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.chatbot.SlackChannelConfiguration:
    """The channel that AWS's chat application tells: it reads the topic, and nobody in the channel can do anything.

    The role that commands from the channel would run under has no right at all, and AWSDenyAll bounds it. The
    application's own log is off: it would be made outside of the stack, without our key.
    """
    role = aws.iam.Role(
        f"{logical_name}-role",
        name=context.naming.name(SLACK_ROLE),
        description="What people of the alerts channel may do by chat: nothing",
        assume_role_policy=trust_policy(context, "chatbot.amazonaws.com", source_is_said=False),
        permissions_boundary=context.boundary_arn,
        max_session_duration=3600,
        tags=dict(tags),
        opts=opts,
    )
    return aws.chatbot.SlackChannelConfiguration(
        logical_name,
        configuration_name=context.naming.name("alerts", limit=NAME_LIMIT),
        iam_role_arn=role.arn,
        slack_team_id=team_id,
        slack_channel_id=channel_id,
        sns_topic_arns=[topic_arn],
        guardrail_policy_arns=["arn:aws:iam::aws:policy/AWSDenyAll"],
        user_authorization_required=True,
        logging_level="NONE",
        tags=dict(tags),
        opts=opts,
    )


def paging_service(
    logical_name: str, *, url: str, topic_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> aws.sns.TopicSubscription:
    """PagerDuty, or whoever confirms a subscription by itself; its address is a key to it, so a secret in the state."""
    return aws.sns.TopicSubscription(
        logical_name,
        topic=topic_arn,
        protocol="https",
        endpoint=pulumi.Output.secret(url),
        endpoint_auto_confirms=True,
        opts=opts,
    )
