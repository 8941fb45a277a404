"""Who asks: the claims that API Gateway's Cognito authorizer verified. The API trusts no header of the caller."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import Depends, Request

Group = Literal["radiologist", "admin"]


class NotSignedInError(Exception):
    """No verified identity came with the request."""


class NotAllowedError(Exception):
    """The person may not do this: by their groups, or because the patient is not assigned to them."""

    def __init__(self, subject: str, code: str = "NOT_ALLOWED", title: str = "Your groups do not allow this") -> None:
        super().__init__(code)
        self.subject = subject
        self.code = code
        self.title = title


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signed-in person: Cognito subject (an opaque id) and groups."""

    subject: str
    groups: frozenset[str]

    @property
    def sees_everything(self) -> bool:
        """Whether the person reads without assignments: administrators do, and each read is recorded all the same."""
        return "admin" in self.groups


def person_of(request: Request) -> Person:
    """The person behind a request. Raises NotSignedInError."""
    event: dict[str, Any] = request.scope.get("aws.event") or {}
    authorizer: dict[str, Any] = event.get("requestContext", {}).get("authorizer") or {}
    claims: dict[str, Any] = authorizer.get("claims") or {}
    subject = str(claims.get("sub", ""))
    if not subject or not _is_for_us(claims, request.app.state.ports.client_ids):
        raise NotSignedInError
    return Person(subject=subject, groups=parse_groups(claims.get("cognito:groups", "")))


def _is_for_us(claims: dict[str, Any], client_ids: frozenset[str]) -> bool:
    """Whether it is an ID token of one of our app clients.

    The gateway has verified signature, issuer and expiry. It takes tokens of every client of the pool, and where a
    method names scopes or an authorizer is replaced it would take access tokens too.
    """
    return claims.get("token_use") == "id" and claims.get("aud") in client_ids


def parse_groups(claim: object) -> frozenset[str]:
    """The groups of the claim, which arrives as "[a, b]", "a,b", "a b" or a list, depending on the gateway."""
    parts = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    text = ",".join(str(part) for part in parts)
    return frozenset(part for part in re.split(r"[\s,\[\]]+", text) if part)


def require(*groups: Group) -> Callable[[Person], Person]:
    """A dependency that lets members of any of the groups pass."""

    def check(person: Annotated[Person, Depends(person_of)]) -> Person:
        if not person.groups & set(groups):
            raise NotAllowedError(person.subject)
        return person

    return check


Reader = Annotated[Person, Depends(require("radiologist", "admin"))]
Radiologist = Annotated[Person, Depends(require("radiologist"))]
Administrator = Annotated[Person, Depends(require("admin"))]
