"""The incident as it is written down when it is opened, and read again by every later step."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

RoleOutcome = Literal["to-do", "none", "dry-run", "left-to-people"]


class Incident(BaseModel):
    """What was decided at the first sight of the finding; a renewal of the finding changes nothing of it.

    Attributes:
        discovered_at: when the finding was first made: from then on the breach was known or would have been known by
            diligence (45 CFR 164.404(a)(2)).
        opened_at: when this workflow began.
        release_at: sessions issued before are refused.
        role: what happens to the role of the finding: `to-do` is the state machine's part.
    """

    model_config = ConfigDict(frozen=True)

    incident_id: str
    finding_type: str
    severity: float
    resource_type: str
    account_id: str
    region: str
    discovered_at: datetime
    opened_at: datetime
    release_at: datetime
    role: RoleOutcome
    role_name: str | None
    interface_ids: tuple[str, ...]
    dry_run: bool


class Step(BaseModel):
    """How one containment step ended; `count` is the number of things it changed, or in a dry run would have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Literal["network", "identity", "grants"]
    outcome: Literal["done", "none", "dry-run", "left-to-people", "failed"]
    count: int = 0

    @property
    def needs_people(self) -> bool:
        """True when somebody must finish it by hand."""
        return self.outcome in {"failed", "left-to-people"}
