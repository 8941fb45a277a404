"""What BreachResponse needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A grant on one of the platform's keys."""

    key_arn: str
    grant_id: str
    operations: tuple[str, ...]


class Records(Protocol):
    """Write-once files of an incident, under Object Lock."""

    def add(self, incident_id: str, name: str, content: bytes) -> bool:
        """Write a file once; False when it is there already, and then nothing changes."""
        ...

    def read(self, incident_id: str, name: str) -> bytes:
        """A file. Raises NotFoundError."""
        ...

    def address(self, incident_id: str, name: str) -> str:
        """Where people find the file."""
        ...


class Network(Protocol):
    """Network interfaces and their security groups."""

    def describe(self, interface_ids: tuple[str, ...]) -> list[dict[str, Any]]:
        """What the interfaces are attached to; one that is gone is left out."""
        ...

    def quarantine(self, interface_id: str) -> None:
        """Leave the interface with the quarantine group alone."""
        ...


class Grants(Protocol):
    """Grants on the platform's keys."""

    def of_principal(self, principal_arn: str) -> list[Grant]:
        """All grants that let the principal use a key."""
        ...

    def revoke(self, grant: Grant) -> None:
        """End a grant; one that is gone is no error."""
        ...


class Trail(Protocol):
    """The record of API calls."""

    def events(self, attribute: str, value: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Management events by an attribute, newest first, at most as many as the adapter's limit."""
        ...


class Compliance(Protocol):
    """The compliance list."""

    def tell(self, subject: str, message: str) -> None:
        """One message; it never holds PHI."""
        ...
