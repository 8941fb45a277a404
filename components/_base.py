"""What all components share: physical names, the context of a stack and the base class with its output check."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components._tags import DataClass, Tags

NAME_LIMIT = 64
"""Length that IAM roles, Lambda functions and EventBridge rules allow; other limits are given by the caller."""
BUCKET_LIMIT = 63
_HASH_LENGTH = 8


def physical_name(*parts: str, limit: int = NAME_LIMIT) -> str:
    """Joins `parts` by hyphens; a name over `limit` characters is cut and closed by a hash of the whole name.

    The hash keeps two long names apart that share a beginning, which a blind cut would not.
    """
    whole = "-".join(parts)
    if len(whole) <= limit:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{whole[: limit - _HASH_LENGTH - 1].rstrip('-')}-{digest}"


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Deterministic physical names and ARNs of one stack: other parts must know them before anything exists."""

    project: str
    stack: str
    account: str
    region: str
    partition: str = "aws"

    def name(self, role: str, limit: int = NAME_LIMIT) -> str:
        """`{project}-{stack}-{role}`, at most `limit` characters."""
        return physical_name(self.project, self.stack, role, limit=limit)

    @property
    def prefix(self) -> str:
        """What the names of everything of this stack begin with, for patterns of policies.

        Names are cut for limits of 63 and more, so a long one is as much of it as every cut leaves.
        """
        return f"{self.project}-{self.stack}-"[: BUCKET_LIMIT - _HASH_LENGTH - 1]

    def bucket(self, role: str) -> str:
        """`{project}-{stack}-{role}-{account}`: bucket names are shared by all customers of the partition."""
        return physical_name(self.project, self.stack, role, self.account, limit=BUCKET_LIMIT)

    def bucket_arn(self, role: str) -> str:
        """ARN of the bucket with that role."""
        return f"arn:{self.partition}:s3:::{self.bucket(role)}"

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """ARN of a resource in this account, e.g. `arn("lambda", "function:" + name)`; IAM is not regional."""
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.account}:{resource}"


@dataclass(frozen=True, kw_only=True)
class Context:
    """The surroundings of every component: names, tags, place, and the boundary that every role gets.

    Attributes:
        boundary_arn: permissions boundary of all roles; None only where the boundary itself is made.
        runbooks: URL or folder that alarms name for what to do.
    """

    naming: Naming
    tags: Tags
    region: str
    account: str
    partition: str = "aws"
    boundary_arn: pulumi.Input[str] | None = None
    runbooks: str = "docs/runbooks"

    def tags_for(self, component: str, data_class: DataClass | None = None) -> dict[str, str]:
        """The tag map of one component's resources."""
        return self.tags.of(component, data_class).as_dict()


class PlatformComponent(pulumi.ComponentResource):
    """Base of all components: annotated `Output` attributes and registered outputs cannot drift apart."""

    def __init__(self, token: str, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component under `token` (`imaging:<module>:<Class>`); `opts` reach this resource only."""
        super().__init__(token, name, {}, opts)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child resource: parented here, with whatever else the child alone needs."""
        return pulumi.ResourceOptions(parent=self, **options)

    @classmethod
    def output_names(cls) -> frozenset[str]:
        """Names of the public attributes annotated as `Output[...]` on the class and its bases."""
        return frozenset(
            name
            for owner in cls.__mro__
            if issubclass(owner, PlatformComponent)
            for name, kind in inspect.get_annotations(owner).items()
            if not name.startswith("_") and "Output[" in str(kind)
        )

    def register_outputs(self, outputs: Any) -> None:
        """Ends the construction. Raises TypeError when the keys are not exactly the annotated outputs."""
        given: Mapping[str, Any] = outputs
        if wrong := sorted(self.output_names() ^ given.keys()):
            raise TypeError(f"{type(self).__name__} annotates and registers different outputs: {', '.join(wrong)}")
        super().register_outputs(outputs)
