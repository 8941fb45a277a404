"""Why an action is denied: what IAM's simulator says, and the statements of the role and its boundary that decide it.

The rule: an explicit Deny wins; else the role's own policies and its boundary must both allow. Conditions are shown and
not evaluated; policies of resources (buckets, keys, queues) and VPC endpoints are not part of it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, cast

from operations.stack import prefix

Clients = Callable[[str], Any]
Json = dict[str, Any]
BOUNDARY: Final = "permissions boundary"


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A statement that names the action; `covers` tells whether it also names the resource."""

    policy: str
    sid: str
    effect: str
    covers: bool
    resources: Sequence[str]
    conditions: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`simulated` is IAM's word: allowed, implicitDeny, explicitDeny; `reason` is a sentence."""

    simulated: str
    reason: str
    statements: Sequence[Matched]


def roles(clients: Clients, stack: str) -> list[str]:
    """Names of the stack's roles."""
    pages = clients("iam").get_paginator("list_roles").paginate()
    return sorted(role["RoleName"] for page in pages for role in page["Roles"] if _own(role["RoleName"], stack))


def why(clients: Clients, stack: str, role: str, action: str, resource: str) -> Decision:
    """Asks IAM and reads the policies. Raises ValueError for a role of another stack."""
    if not _own(role, stack):
        raise ValueError(f"{role} is no role of {stack}")
    iam = clients("iam")
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    asked = {"PolicySourceArn": arn, "ActionNames": [action], "ResourceArns": [resource or "*"]}
    simulated = iam.simulate_principal_policy(**asked)["EvaluationResults"][0]["EvalDecision"]
    policies = list(_policies(iam, role))
    found = [one for name, document in policies for one in _naming(name, document, action, resource or "*")]
    bounded = any(name == BOUNDARY for name, _ in policies)
    return Decision(simulated=simulated, reason=_reason(action, found, bounded=bounded), statements=found)


def _own(role: str, stack: str) -> bool:
    return role.startswith(f"{prefix(stack)}-")


def _reason(action: str, found: Sequence[Matched], *, bounded: bool) -> str:
    denies = [one for one in found if one.effect == "Deny" and one.covers]
    if certain := [one for one in denies if not one.conditions]:
        return f"Denied by the statement {certain[0].sid} of {certain[0].policy}: an explicit Deny wins."
    allows = [one for one in found if one.effect == "Allow"]
    sides = [("the role's policies", [one for one in allows if one.policy != BOUNDARY])]
    sides += [("its permissions boundary", [one for one in allows if one.policy == BOUNDARY])] if bounded else []
    for side, own in sides:
        if not own:
            return f"Denied: no statement of {side} allows {action}."
        if not any(one.covers for one in own):
            return f"Denied: {side} allow{'' if side.endswith('policies') else 's'} {action}, but on other resources."
    allowing = [one for one in sides[0][1] if one.covers]
    free = next((one for one in allowing if not one.conditions), None)
    said = f"Allowed by the statement {free.sid}" if free else f"Allowed where this holds: {allowing[0].conditions}"
    return f"{said}; denied all the same where this does: {denies[0].conditions}." if denies else f"{said}."


def _policies(iam: Any, role: str) -> Iterator[tuple[str, Json]]:
    """(name, document) of the role's inline and attached policies, and of its boundary."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield name, _document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        yield one["PolicyName"], _managed(iam, one["PolicyArn"])
    boundary = iam.get_role(RoleName=role)["Role"].get("PermissionsBoundary")
    if boundary:
        yield BOUNDARY, _managed(iam, boundary["PermissionsBoundaryArn"])


def _managed(iam: Any, arn: str) -> Json:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return _document(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


def _document(given: Any) -> Json:
    """boto3 decodes policies, some stand-ins answer the text."""
    return cast("Json", json.loads(given) if isinstance(given, str) else given)


def _naming(policy: str, document: Json, action: str, resource: str) -> Iterator[Matched]:
    for number, statement in enumerate(cast("list[Json]", _many(document["Statement"])), 1):
        if not _names(statement, "Action", action.lower(), lower=True):
            continue
        conditions = cast("Json", statement.get("Condition") or {})
        yield Matched(
            policy=policy,
            sid=str(statement.get("Sid") or f"number {number}"),
            effect=str(statement["Effect"]),
            covers=_names(statement, "Resource", resource, lower=False),
            resources=[str(one) for one in _many(statement.get("Resource") or statement.get("NotResource"))],
            conditions="; ".join(
                f"{key} {operator} {', '.join(str(one) for one in _many(wanted))}"
                for operator, tests in conditions.items()
                for key, wanted in cast("Json", tests).items()
            ),
        )


def _names(statement: Json, key: str, wanted: str, *, lower: bool) -> bool:
    """`Action` and `Resource` by their patterns, `NotAction` and `NotResource` by what they leave out."""
    listed = statement.get(key, statement.get(f"Not{key}", []))
    patterns = [str(one).lower() if lower else str(one) for one in _many(listed)]
    return any(fnmatchcase(wanted, pattern) for pattern in patterns) is (key in statement)


def _many(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]
