"""The resources of a stack from its state: names and ids only, no input and no output, which can hold secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource; `component` is the platform's component that it belongs to."""

    component: str
    type: str
    name: str
    id: str


def read_state(text: str) -> list[Resource]:
    """Every custom resource in a state file or in what `pulumi stack export` prints, by component.

    Raises ValueError for a text that is neither.
    """
    document = cast("Json", json.loads(text))
    state = document.get("deployment") or cast("Json", document.get("checkpoint") or {}).get("latest")
    if not state:
        raise ValueError("this is no state of a stack: give what `pulumi stack export` prints")
    rows = cast("list[Json]", cast("Json", state).get("resources") or [])
    found = [_resource(row) for row in rows if row.get("custom") and not str(row["type"]).startswith("pulumi:")]
    return sorted(found, key=lambda one: (one.component, one.type, one.name))


def by_component(resources: Sequence[Resource]) -> dict[str, list[Resource]]:
    """The resources below each component's name."""
    groups: dict[str, list[Resource]] = {}
    for one in resources:
        groups.setdefault(one.component, []).append(one)
    return groups


def _resource(row: Json) -> Resource:
    """`urn:pulumi:STACK::PROJECT::imaging:storage:Storage$aws:s3/bucket:Bucket::NAME`."""
    chain, name = str(row["urn"]).split("::", 3)[2:]
    parents = [kind for kind in chain.split("$")[:-1] if kind.startswith("imaging:")]
    component = parents[-1].rsplit(":", 1)[-1] if parents else "(the program itself)"
    return Resource(component=component, type=str(row["type"]), name=name, id=str(row.get("id", "")))
