"""Configuration of who else hears an alert: a Slack channel, a paging service."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from components._configuration_base import Group, WrittenAs, refusal

TeamId = Annotated[str, WrittenAs(r"[TE][A-Z0-9]{6,19}", "be the ID of a Slack workspace, such as T0123ABCD")]
ChannelId = Annotated[str, WrittenAs(r"[CDG][A-Z0-9]{6,19}", "be the ID of a Slack channel, such as C0123ABCD")]
PagerUrl = Annotated[
    str,
    WrittenAs(
        r"https://[A-Za-z0-9.-]+(:\d{1,5})?/[\w./-]+",
        "be the https address that the paging service gave, best as a secret (`pulumi config set --secret`)",
        secret=True,
    ),
]


class SlackSettings(Group):
    """A channel of a workspace where AWS's chat application is installed and authorised by hand, once an account."""

    team_id: TeamId | None = None
    """ID of the workspace; null: no channel is told."""
    channel_id: ChannelId | None = None
    """ID of the channel; in a private one the application must be a member."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.team_id is None) != (self.channel_id is None):
            raise refusal("teamId" if self.team_id is None else "channelId", None, "stand beside the other one")
        return self
