"""Every alarm names the page that says what to do: docs/runbooks, a page an alarm or a family of alarms."""

from __future__ import annotations

from typing import Final

from components._base import Context

FAMILIES: Final = ("function-errors", "replication", "table-throttles")
"""Alarms that exist once for each function, bucket or kind of call, and share a page."""


def page(role: str) -> str:
    """File name of the runbook of the alarm with that role: `function-errors.md` for `function-errors-monitoring`."""
    return f"{next((family for family in FAMILIES if role.startswith(f'{family}-')), role)}.md"


def described(meaning: str, role: str, context: Context) -> str:
    """The alarm's description: what happened, and where the person who is woken by it reads on."""
    return f"{meaning} Runbook: {context.runbooks.rstrip('/')}/{page(role)}"
