"""The names of one environment in one account and region, as IAM patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components._iam import Conditions, Statement, Text

PROJECT: Final = "healthcare-imaging-mlops"
"""Project of the platform, with which all its names begin."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The names of one environment in one account and region.

    Attributes:
        numbered: the environment has many stacks, ENVIRONMENT-NUMBER, whose names all begin with its own.
    """

    environment: str
    account: str
    region: str
    partition: str = "aws"
    project: str = PROJECT
    numbered: bool = False

    @property
    def stacks(self) -> str:
        """The environment's stack, or a pattern of its stacks."""
        return f"{self.environment}-*" if self.numbered else self.environment

    @property
    def prefix(self) -> str:
        """What all physical names of the environment begin with."""
        return f"{self.project}-{self.environment}"

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """ARN of a resource (pattern) of this account."""
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.account}:{resource}"

    def named(self, service: str, *kinds: str, regional: bool = True) -> list[str]:
        """ARNs of everything of these kinds whose name begins with the prefix; a kind ends in its separator."""
        return [self.arn(service, f"{kind}{self.prefix}-*", regional=regional) for kind in kinds]

    def role(self, name: str) -> str:
        """ARN of a role of the environment."""
        return self.arn("iam", f"role/{self.prefix}-{name}", regional=False)

    @property
    def workload_boundaries(self) -> list[str]:
        """ARNs of the boundaries of the platform's roles: everybody's, and that of breach response."""
        names = ("boundary", "responder-boundary")
        return [self.arn("iam", f"policy/{self.prefix}-{name}", regional=False) for name in names]

    @property
    def tagged(self) -> Conditions:
        """The resource belongs to the environment."""
        return self._tags("aws:ResourceTag")

    @property
    def tagging(self) -> Conditions:
        """The resource will belong to the environment."""
        return self._tags("aws:RequestTag")

    def _tags(self, where: str) -> Conditions:
        project, stack = {f"{where}/project": self.project}, {f"{where}/stack": self.stacks}
        if self.numbered:
            return {"StringEquals": project, "StringLike": stack}
        return {"StringEquals": {**project, **stack}}


def do(service: str, *verbs: str) -> list[str]:
    """`service:verb` of each verb."""
    return [f"{service}:{verb}" for verb in verbs]


def grant(
    sid: str, actions: Sequence[str], resources: Sequence[Text], conditions: Conditions | None = None
) -> Statement:
    """An Allow of one purpose."""
    return Statement(sid=sid, actions=actions, resources=resources, conditions=conditions or {})
