"""The tags that every resource carries, passed explicitly so that mocks, previews and policies see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

DataClass = Literal[
    "phi", "imaging", "tracking", "research", "models", "logs", "audit", "events", "secrets", "operations"
]
"""What a resource holds. One customer-managed key belongs to each class but `operations`, which holds no data."""

LOG_CLASS = "log-class"
"""Tag of a log group: `operations` or `audit` (components/_logs.py)."""
RESERVED = frozenset({"project", "stack", "component", "owner", "data-class", LOG_CLASS, "managed-by"})


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Cost, ownership and data class of a resource. No PHI: tags are readable by anyone who may list resources."""

    project: str
    stack: str
    owner: str
    component: str = "platform"
    data_class: DataClass = "operations"
    extra: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuses extra tags that would shadow a tag the policies rely on."""
        if shadowed := sorted(RESERVED & self.extra.keys()):
            raise ValueError(f"the tags {', '.join(shadowed)} are set by the platform and cannot be given by hand")

    def of(self, component: str, data_class: DataClass | None = None) -> Tags:
        """The same tags for one component, and for what it holds when `data_class` is given."""
        return replace(self, component=component, data_class=data_class or self.data_class)

    def named(self, name: str) -> dict[str, str]:
        """The tag map with a `Name`, which is what the EC2 console shows."""
        return {**self.as_dict(), "Name": name}

    def as_dict(self) -> dict[str, str]:
        """The tag map as AWS takes it."""
        return {
            **self.extra,
            "project": self.project,
            "stack": self.stack,
            "component": self.component,
            "owner": self.owner,
            "data-class": self.data_class,
            "managed-by": "pulumi",
        }
