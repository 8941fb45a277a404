"""Typed IAM documents: one statement a purpose, each with a Sid, rendered to the same JSON every time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from components._base import Context

Text = pulumi.Input[str]
Conditions = Mapping[str, Mapping[str, Text | Sequence[Text]]]
"""Operator -> condition key -> value or values, as in the IAM grammar."""
Principals = Mapping[str, Sequence[Text]] | Literal["*"]
"""Principal type (`Service`, `AWS`, `Federated`) -> principals, or `*` (in a Deny, or bound by conditions)."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One purpose of a policy.

    Attributes:
        sid: letters and digits only, as IAM demands of identity policies; says the purpose.
        principals: only in resource policies and trust policies.
        not_resources: instead of `resources`, everything but these.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[Text] = ()
    not_resources: Sequence[Text] = ()
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, Text | Sequence[Text]]])
    effect: Literal["Allow", "Deny"] = "Allow"
    principals: Principals | None = None

    def __post_init__(self) -> None:
        """Refuses what IAM would refuse, and a grant of all actions of a service or of AWS."""
        if not self.sid.isalnum():
            raise ValueError(f"the Sid {self.sid!r} must have letters and digits only")
        if not self.actions:
            raise ValueError(f"the statement {self.sid} names no action")
        if self.resources and self.not_resources:
            raise ValueError(f"the statement {self.sid} names both resources and resources to leave out")
        bound = self.principals is not None and self.conditions  # a fence such as an endpoint policy grants nothing
        if self.effect == "Allow" and not bound and any(a == "*" or a.endswith(":*") for a in self.actions):
            raise ValueError(f"the statement {self.sid} allows every action of a service: name the ones it needs")

    def document(self) -> dict[str, Any]:
        """The statement in IAM's grammar; values may still be outputs."""
        body: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect, "Action": sorted(self.actions)}
        if self.principals is not None:
            body["Principal"] = self.principals if isinstance(self.principals, str) else dict(self.principals)
        if self.resources:
            body["Resource"] = list(self.resources)
        if self.not_resources:
            body["NotResource"] = list(self.not_resources)
        if self.conditions:
            body["Condition"] = {operator: dict(keys) for operator, keys in self.conditions.items()}
        return body


def _has_output(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_output(item) for item in value.values())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return any(_has_output(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, pulumi.Output)


def _render(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def policy_document(*statements: Statement) -> pulumi.Input[str]:
    """The policy as compact JSON with sorted keys.

    A plain `str` when every value is plain, so that previews and policies read it; an Output otherwise.
    Raises ValueError when two statements share a Sid.
    """
    sids = [statement.sid for statement in statements]
    if doubled := sorted({sid for sid in sids if sids.count(sid) > 1}):
        raise ValueError(f"two statements are called {', '.join(doubled)}")
    document = {"Version": "2012-10-17", "Statement": [statement.document() for statement in statements]}
    if not _has_output(document):
        return _render(document)
    return pulumi.Output.from_input(document).apply(_render)


def trust_policy(
    context: Context, *services: str, source_arn: Text | None = None, source_is_said: bool = True
) -> pulumi.Input[str]:
    """Trust in AWS services acting for this account only.

    The source condition closes the confused-deputy hole: the service may not use the role for a stranger's resource.
    `source_is_said` is False for a service that AWS does not document to name its source: a source that is named must
    still be ours, one that is not named passes.
    """
    operator = "StringEquals" if source_is_said else "StringEqualsIfExists"
    conditions: dict[str, dict[str, Text | Sequence[Text]]] = {operator: {"aws:SourceAccount": context.account}}
    if source_arn is not None:
        conditions["ArnLike"] = {"aws:SourceArn": source_arn}
    return policy_document(
        Statement(
            sid="AssumedByServiceForThisAccount",
            actions=["sts:AssumeRole"],
            principals={"Service": sorted(services)},
            conditions=conditions,
        )
    )


@dataclass(frozen=True, kw_only=True)
class ServiceRole:
    """A role with its inline policy; wait for `policy` before a service uses the role."""

    role: aws.iam.Role
    policy: aws.iam.RolePolicy

    @property
    def arn(self) -> pulumi.Output[str]:
        """ARN of the role."""
        return self.role.arn


def service_role(
    logical_name: str,
    *,
    context: Context,
    role: str,
    services: Sequence[str],
    statements: Sequence[Statement],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
    description: str | None = None,
    source_arn: Text | None = None,
    source_is_said: bool = True,
) -> ServiceRole:
    """A role for AWS services: trust bound to this account, one inline policy, the permissions boundary.

    Args:
        logical_name: Pulumi name of the role; the policy gets the suffix `-policy`.
        role: the part of the physical name after project and stack.
        services: service principals, e.g. `lambda.amazonaws.com`.
        statements: all that the role may do.
        source_arn: resource (pattern) on whose behalf the service may assume the role.
        source_is_said: False where the service is not documented to name its source (`trust_policy`).
    """
    made = aws.iam.Role(
        logical_name,
        name=context.naming.name(role),
        description=description,
        assume_role_policy=trust_policy(context, *services, source_arn=source_arn, source_is_said=source_is_said),
        permissions_boundary=context.boundary_arn,
        max_session_duration=3600,
        tags=dict(tags),
        opts=opts,
    )
    policy = aws.iam.RolePolicy(
        f"{logical_name}-policy",
        name=context.naming.name(role),
        role=made.name,
        policy=policy_document(*statements),
        opts=opts,
    )
    return ServiceRole(role=made, policy=policy)
