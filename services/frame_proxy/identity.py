"""Who asks: Cognito access tokens, verified here on every call.

Checked are signature (RS256), issuer, expiry, `token_use`, and `client_id`, which is where an access token of Cognito
names its audience (it has no `aud`; a library that only looks at `aud` lets every client of the pool pass).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from services.frame_proxy.errors import ProxyError

READING_GROUPS: Final = frozenset({"radiologist", "admin"})
_KEEP_TOKENS: Final = 4096
_LEEWAY_SECONDS: Final = 5
# A token with an unknown key id makes one fetch, then none for this long: strangers cannot make us ask without end.
_KEYS_AGAIN_SECONDS: Final = 30.0
# Keys are looked at again after this long, so that one that was withdrawn stops to count.
_KEYS_KEPT_SECONDS: Final = 3600.0

KeySource = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signed-in person: Cognito subject (an opaque id), groups, and when the token ends (epoch seconds)."""

    subject: str
    groups: frozenset[str]
    expires: float

    @property
    def is_admin(self) -> bool:
        """Whether the person reads every patient."""
        return "admin" in self.groups


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode()).digest()


def _refused(code: str, detail: str) -> ProxyError:
    return ProxyError(401, code, detail)


class Verifier:
    """Access tokens to persons; verified tokens are remembered until they end, by their digest."""

    def __init__(
        self, issuer: str, client_ids: Iterable[str], keys: KeySource, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._clients = frozenset(client_ids)
        self._source = keys
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()
        self._known: OrderedDict[bytes, Person] = OrderedDict()

    async def person(self, authorization: str | None) -> Person:
        """The person behind an Authorization header.

        Raises:
            ProxyError: 401 for a token that is missing, expired or not ours; 403 for a person who may not read;
                503 when the pool's keys cannot be had.
        """
        known = self.remembered(authorization)
        if known is not None:
            return known
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refused("NO_TOKEN", "an access token is needed")
        person = self._check(await self._claims(token))
        if not person.groups & READING_GROUPS:
            raise ProxyError(403, "NO_READING_GROUP", "your groups do not read images")
        return self._remember(_digest(str(authorization)), person)

    def remembered(self, authorization: str | None) -> Person | None:
        """The person behind a header that was verified before and has not expired since; None says nothing."""
        known = self._known.get(_digest(authorization)) if authorization else None
        return known if known is not None and known.expires > self._clock() else None

    def _remember(self, digest: bytes, person: Person) -> Person:
        self._known[digest] = person
        if len(self._known) > _KEEP_TOKENS:
            self._known.popitem(last=False)
        return person

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
        except PyJWTError:
            raise _refused("TOKEN_UNREADABLE", "the access token cannot be read") from None
        key = await self._key(key_id)
        try:
            return jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                # an access token of Cognito has no audience: client_id is compared below
                options={"require": ["exp", "iss", "sub", "token_use", "client_id"], "verify_aud": False},
            )
        except ExpiredSignatureError:
            raise _refused("TOKEN_EXPIRED", "the access token has expired") from None
        except PyJWTError:
            raise _refused("TOKEN_INVALID", "the access token is not one of this platform") from None

    def _check(self, claims: dict[str, Any]) -> Person:
        if claims["token_use"] != "access":  # noqa: S105 - a kind of token, no secret
            raise _refused("TOKEN_USE", "an access token is needed, not another kind")
        if claims["client_id"] not in self._clients:
            raise _refused("TOKEN_CLIENT", "the access token was made for another application")
        groups: object = claims.get("cognito:groups") or []
        named = cast("list[object]", groups) if isinstance(groups, list) else [groups]
        return Person(
            subject=str(claims["sub"]),
            groups=frozenset(str(one) for one in named),
            expires=float(claims["exp"]) + _LEEWAY_SECONDS,
        )

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if self._wants_keys(key_id):
            async with self._lock:
                if self._wants_keys(key_id):
                    await self._fetch()
        try:
            return self._keys[key_id]
        except KeyError:
            raise _refused("TOKEN_KEY", "the access token is not signed by this platform's user pool") from None

    def _wants_keys(self, key_id: str) -> bool:
        age = self._clock() - self._asked
        return age >= (_KEYS_KEPT_SECONDS if key_id in self._keys else _KEYS_AGAIN_SECONDS)

    async def _fetch(self) -> None:
        """Take over the pool's keys as they are now: a rotated key comes in, a withdrawn one goes."""
        try:
            document = await self._source()
            keys = jwt.PyJWKSet.from_dict(document).keys
        except (PyJWTError, OSError, ValueError, TimeoutError) as error:
            raise ProxyError(503, "KEYS_UNAVAILABLE", "the user pool's keys cannot be had", retry_after=5) from error
        self._asked = self._clock()
        fresh = {str(key.key_id): key for key in keys if key.key_id and key.key_type == "RSA"}
        if fresh.keys() != self._keys.keys():
            self._known.clear()  # a withdrawn key withdraws the tokens that it signed
        self._keys = fresh
