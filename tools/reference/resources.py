"""docs/reference/RESOURCES.md: what each component makes, of which type, and in which stack."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.reference.programs import COMPLETE, STACKS, recorded, recorded_account, table

HEAD = """\
# Resources

<!-- Written by `make reference` from the program: change the components, not this file. -->

What the program registers for each stack, by component. `all` is production with everything that a stack may leave
out: images by digest, the second region, a domain of its own, channels of alerts. Numbers count resources; a name in
**bold** is protected in production: the engine refuses to delete it. The children of `awsx:ec2:Vpc` (subnets, route
tables, gateways) are made by awsx and counted as that one resource.

![Components and what they need of each other](../pictures/components.svg)

An arrow goes from what is made first to what takes its outputs; arrows that a longer way says as well are left out, and
so are components that nothing of another one goes into or out of.
"""
COLUMNS = (*STACKS, COMPLETE)


def document() -> str:
    """The whole page."""
    programs = {stack: recorded(stack) for stack in COLUMNS}
    totals = table(
        ("", *STACKS, "all"),
        [["resources", *(str(sum(one.custom for one in programs[stack].resources)) for stack in COLUMNS)]],
    )
    parts = [HEAD, totals]
    parts += _sections(programs)
    parts += ["## Bootstrap of an account\n", "What an account of production gets once, before its first stack.\n"]
    account = recorded_account()
    parts.append(_table({"prod": account}, [one for one in account.resources if one.custom], ("count",)))
    return "\n".join(parts)


def _sections(programs: Mapping[str, Any]) -> Iterator[str]:
    """A section a top component, by name: their order is not the program's own, for what waits registers later."""
    whole = programs[COMPLETE]
    tops = [one for one in whole.resources if not one.custom and one.parent.endswith(f"::{_stack_name(whole)}")]
    for top in sorted(tops, key=lambda one: one.name):
        yield f"## {top.name}\n"
        yield f"`{_place(top.token)}`: {_purpose(top.token)}\n"
        below = _below_anywhere(programs, top.name)
        yield _table(programs, below, (*STACKS, "all"), top.name) if below else "No resource in these stacks.\n"
    alone = [one for one in whole.resources if one.custom and one.parent.endswith(f"::{_stack_name(whole)}")]
    if alone:
        yield "## Beside the components\n"
        yield _table(programs, alone, (*STACKS, "all"))


def _stack_name(program: Any) -> str:
    """The last part of the URN that top components have as their parent."""
    return next(one.parent.rsplit("::", 1)[1] for one in program.resources if "pulumi:pulumi:Stack::" in one.parent)


def _below_anywhere(programs: Mapping[str, Any], name: str) -> list[Any]:
    """What a top component makes in any of the stacks."""
    found: dict[tuple[str, str], Any] = {}
    for program in programs.values():
        for top in [one for one in program.resources if not one.custom and one.name == name]:
            found |= {(one.token, one.name): one for one in _below(program, top.urn)}
    return list(found.values())


def _below(program: Any, urn: str) -> list[Any]:
    """Every resource under a component, however deep."""
    found: list[Any] = []
    for one in program.resources:
        if one.parent == urn:
            found += [one] if one.custom else _below(program, one.urn)
            if not one.custom and one.token.startswith("awsx:"):
                found.append(one)
    return found


def _table(programs: Mapping[str, Any], made: Sequence[Any], head: Sequence[str], prefix: str = "") -> str:
    present = {stack: {(one.token, one.name) for one in program.resources} for stack, program in programs.items()}
    guarded = {(one.token, one.name) for one in programs["prod"].resources if one.protect}
    rows: list[list[str]] = []
    for token in sorted({one.token for one in made}):
        names = sorted({one.name for one in made if one.token == token})
        counts = [str(sum((token, name) in present[stack] for name in names) or "-") for stack in programs]
        shown = [_name(name, prefix, protected=(token, name) in guarded) for name in names]
        rows.append([f"`{_short(token)}`", *counts, ", ".join(shown)])
    return table(("type", *head, "names"), rows)


def _name(name: str, prefix: str, *, protected: bool) -> str:
    short = name.removeprefix(f"{prefix}-")
    return f"**{short}**" if protected else short


def _short(token: str) -> str:
    """`aws:s3/bucket:Bucket` as `aws.s3.Bucket`, the class that the program calls."""
    package, module, kind = token.split(":")
    return f"{package}.{module.split('/', maxsplit=1)[0]}.{kind}"


def _place(token: str) -> str:
    return f"components/{token.split(':')[1]}.py"


def _purpose(token: str) -> str:
    """The first sentence of the component's class. Raises TypeError for a component without one."""
    _, module, name = token.split(":")
    text = inspect.getdoc(getattr(importlib.import_module(f"components.{module}"), name))
    if not text:
        raise TypeError(f"{token} has no docstring: its purpose stands in the reference")
    return " ".join(text.partition("\n\n")[0].split())
