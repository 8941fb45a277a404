"""docs/reference/IAM.md: who may do what, to which resource, under which condition, and why."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.reference.programs import COMPLETE, code, neutral, recorded, recorded_account, role_of, table

HEAD = """\
# Rights

<!-- Written by `make reference` from the program: change the statements, not this file. -->

Every statement that the program gives to a role, and every policy that a resource carries. What is not marked
**denied** is allowed. "Why" is the statement's
Sid, which names its purpose. STACK stands for project and stack, ACCOUNT and REGION for the stack's own. No role may do
more than its permissions boundary allows (docs/BOOTSTRAP.md), which is the limit of all of them together.

A `*` as resource is there where IAM knows no narrower one (`ecr:GetAuthorizationToken`, network interfaces that do not
exist yet); `tests/contract/test_documents.py` holds the list of those, and an independent evaluator decides who may.
"""
RESOURCE_POLICIES = re.compile(r"^(policy|accessPolicy|resourcePolicy)$")
IDENTITY = frozenset({"aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"})
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def document() -> str:
    """The whole page."""
    platform, account = recorded(COMPLETE), recorded_account()
    parts = [HEAD, "## Roles of the platform\n"]
    parts += _roles(platform)
    parts += ["## Roles of delivery\n", "Made by the bootstrap; GitHub's jobs take them by OIDC, nobody by a key.\n"]
    parts += _roles(account)
    parts += ["## Policies of resources\n", "Statements that are alike but for their resource share a row.\n"]
    parts += [_resource_policies(platform)]
    return "\n".join(parts)


def why(sid: str) -> str:
    """`ReadOwnDEKs` as `read own DEKs`: a Sid is a purpose without its spaces."""
    words = _WORD.sub(" ", sid).split()
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)


def _roles(program: Any) -> Iterator[str]:
    for role in sorted(program.of("aws:iam/role:Role"), key=lambda one: str(one.inputs["name"])):
        name = str(role.inputs["name"])
        yield f"### {role_of(name)}\n"
        yield f"{role.inputs.get('description') or 'Made for one service.'} Taken by {_taken_by(role.inputs)}.\n"
        statements = list(_statements(program, name))
        yield (
            table(
                ("why", "actions", "resources", "only if"),
                [[_purpose(one), code(_list(one["Action"])), _resources(one), _conditions(one)] for one in statements],
            )
            if statements
            else "It has no right of its own.\n"
        )


def _purpose(statement: Mapping[str, Any]) -> str:
    """Why, with a Deny in bold: the rest of the matrix allows."""
    said = why(statement["Sid"])
    return said if statement["Effect"] == "Allow" else f"**denied**: {said}"


def _taken_by(inputs: Mapping[str, Any]) -> str:
    who: list[str] = []
    for statement in json.loads(inputs["assumeRolePolicy"])["Statement"]:
        who += [f"`{one}`" for one in _principals(statement)]
    return neutral(", ".join(dict.fromkeys(who)))


def _statements(program: Any, role: str) -> Iterator[Mapping[str, Any]]:
    """The role's inline policies, and those that the program makes and attaches to it."""
    attached = {
        str(one.inputs["policyArn"])
        for one in program.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if one.inputs["role"] == role
    }
    named = [one for one in program.of("aws:iam/policy:Policy") if _arn_ends(attached, str(one.inputs["name"]))]
    inline = [one for one in program.of("aws:iam/rolePolicy:RolePolicy") if one.inputs["role"] == role]
    for policy in sorted([*inline, *named], key=lambda one: str(one.inputs["name"])):
        yield from json.loads(policy.inputs["policy"])["Statement"]


def _arn_ends(arns: set[str], name: str) -> bool:
    return any(arn.rsplit("/", 1)[-1] == name for arn in arns)


def _resource_policies(program: Any) -> str:
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in program.resources:
        for key, value in one.inputs.items():
            if one.token in IDENTITY or not RESOURCE_POLICIES.match(key) or not isinstance(value, str):
                continue
            for statement in json.loads(value).get("Statement", []):
                kind = one.token.rsplit(":", 1)[1].removesuffix("Policy")
                row = (
                    kind,
                    statement["Effect"],
                    neutral(code(_principals(statement))),
                    why(statement.get("Sid", "")),
                    code(_list(statement.get("Action", statement.get("NotAction", [])))),
                    _conditions(statement),
                )
                rows[row].append(one.name.removesuffix("-policy"))
    return table(
        ("on", "effect", "who", "why", "actions", "only if", "resources"),
        [[*row, ", ".join(sorted(set(names)))] for row, names in sorted(rows.items())],
    )


def _principals(statement: Mapping[str, Any]) -> list[str]:
    given = statement.get("Principal", statement.get("NotPrincipal", []))
    if isinstance(given, str):
        return [given]
    return [one for kind in sorted(given) for one in _list(given[kind])] if isinstance(given, Mapping) else []


def _resources(statement: Mapping[str, Any]) -> str:
    if "NotResource" in statement:
        return "all but " + neutral(code(_list(statement["NotResource"])))
    return neutral(code(_list(statement.get("Resource", []))))


def _conditions(statement: Mapping[str, Any]) -> str:
    lines = [
        f"`{key}` {operator} {', '.join(map(str, _list(value)))}"
        for operator, keys in sorted(statement.get("Condition", {}).items())
        for key, value in sorted(keys.items())
    ]
    return neutral("<br>".join(lines)) or "-"


def _list(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value)
