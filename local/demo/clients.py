"""The API of a running local stack as one of the demo's people."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from local.cloud import Cloud


@dataclass(frozen=True)
class Person:
    """A demo user of the platform. Invented, with a password made for this run."""

    username: str
    group: str
    password: str


class Api:
    """The radiologist API as one person, with the identity token that Cognito gave them."""

    def __init__(self, url: str, token: str, ca_bundle: str | Path) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(ca_bundle)),
            timeout=60,
        )

    def get(self, path: str, **query: Any) -> Any:
        """GET, the JSON answer; raises httpx.HTTPStatusError on a refusal."""
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST JSON, the JSON answer; raises httpx.HTTPStatusError on a refusal."""
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    @cached_property
    def raw(self) -> httpx.Client:
        """The HTTP client itself, for calls whose refusal is what one wants to see."""
        return self._http


def make_person(cloud: Cloud, pool: str, group: str, username: str) -> Person:
    """Create a Cognito user with a permanent password in a group, as an administrator would; safe to repeat."""
    cognito = cloud.client("cognito-idp")
    # four classes of characters, as the pool's password policy asks
    person = Person(username, group, f"{secrets.token_urlsafe(15)}aA1!")
    with contextlib.suppress(cognito.exceptions.UsernameExistsException):  # a second run: only the password is new
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=username,
            TemporaryPassword=person.password,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": username}, {"Name": "email_verified", "Value": "true"}],
        )
    cognito.admin_set_user_password(UserPoolId=pool, Username=username, Password=person.password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=username, GroupName=group)
    return person


def subject_of(token: str) -> str:
    """The Cognito subject that a token of ours names; only to read our own, the API verifies."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


def assign(admin: Api, reader: str, patient_keys: Iterable[str]) -> int:
    """Let a reader see patients, as an administrator; answers how many."""
    wanted = sorted(set(patient_keys))
    for start in range(0, len(wanted), 100):  # the API's limit for one call
        admin.post("/assignments", {"reader": reader, "patient_keys": wanted[start : start + 100]})
    return len(wanted)


def sign_in(cloud: Cloud, client_id: str, person: Person) -> str:
    """The identity token of a person."""
    answer = cloud.client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": person.username, "PASSWORD": person.password},
    )
    return answer["AuthenticationResult"]["IdToken"]
