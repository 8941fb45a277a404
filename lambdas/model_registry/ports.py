"""What ModelRegistry needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Approval = Literal["Approved", "Rejected", "PendingManualApproval"]
Step = Literal[
    "gate-refused",
    "approved",
    "rejected",
    "deployed",
    "deployment-undone",
    "rolled-back",
    "withdrawn",
    "trial-started",
    "trial-ended",
]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of the model package group."""

    arn: str
    number: int
    approval: Approval
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One entry of the record.

    Attributes:
        version: 0 where nothing was registered.
        actor: a Cognito subject, a role's name, "automatic" or "pipeline".
    """

    step: Step
    version: int
    actor: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What the endpoint answers with.

    Attributes:
        number: the version that it serves alone; None in a trial.
        settled: no update is under way.
        reason: what SageMaker says of the last failure; may be empty.
        trouble: "failed" answers nobody; "mixed" has servers of two versions, since going back failed too.
    """

    number: int | None
    settled: bool
    reason: str
    trouble: Literal["", "failed", "mixed"] = ""


class Decisions(Protocol):
    """The record of decisions, which is added to only."""

    def record(self, decision: Decision) -> None:
        """Add an entry."""
        ...

    def last(self, step: Step) -> int | None:
        """The version of the newest entry of that step."""
        ...

    def newest(self) -> tuple[str, int] | None:
        """Step and version of the newest entry."""
        ...


class Packages(Protocol):
    """The model package group."""

    def version(self, number: int) -> Version:
        """A version by number. Raises NotFoundError."""
        ...

    def by_arn(self, arn: str) -> Version:
        """A version by ARN. Raises NotFoundError; InvalidEventError for a package of another group."""
        ...

    def approved_after(self, number: int) -> list[Version]:
        """The approved versions with a higher number, oldest first."""
        ...

    def decide(self, version: Version, approval: Approval, reason: str) -> None:
        """Set the approval state."""
        ...


class Hosting(Protocol):
    """SageMaker's models, endpoint configurations and the endpoint."""

    def deploy(self, version: Version, *, guarded: bool) -> Literal["created", "updated", "unchanged"]:
        """Bring the endpoint to that version; guarded: alarms take it back. Raises TransientError while it changes."""
        ...

    def serving(self) -> Serving | None:
        """What the endpoint answers with; None where there is no endpoint."""
        ...

    def scale(self) -> None:
        """Let what the endpoint serves scale, where that is asked for; nothing while it changes."""
        ...

    def trial(self) -> tuple[int, int] | None:
        """Numbers of champion and challenger, where the endpoint is in a trial."""
        ...

    def try_out(self, champion: Version, challenger: Version) -> Literal["created", "updated", "unchanged"]:
        """Serve both, the challenger for its share. Raises TransientError while the endpoint is changing."""
        ...


class Humans(Protocol):
    """The alerts topic."""

    def tell(self, subject: str, message: str) -> None:
        """Publish a message for people; at most 100 characters of ASCII in the subject (SNS)."""
        ...
