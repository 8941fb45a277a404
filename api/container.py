"""The same application in a container: ``python -m api.container``, behind a load balancer that ends TLS.

No API Gateway stands in front here, so the ID token is verified in this process: signature (RS256), issuer, expiry and
audience; `api.identity` then asks the same questions as in Lambda.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Protocol

import jwt
from jwt.exceptions import PyJWTError
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.lambda_handler import build_ports
from api.ports import Ports
from api.settings import Settings
from lambda_shared.errors import ConfigurationError

LEEWAY_SECONDS = 5


class SigningKeys(Protocol):
    """The pool's public keys."""

    def get_signing_key_from_jwt(self, token: str) -> jwt.PyJWK:
        """The key that a token names. Raises PyJWTError."""
        ...


class VerifiedClaims:
    """Puts the claims of a verified ID token where API Gateway's authorizer would put them, and nothing else there."""

    def __init__(self, app: ASGIApp, ports: Ports, keys: SigningKeys, issuer: str) -> None:
        self._app = app
        self._ports = ports
        self._keys = keys
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on as the person's; without a good token, as nobody's, and recorded if one was shown."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
        claims = await asyncio.to_thread(self._claims, shown.removeprefix("Bearer ").strip()) if shown else {}
        if not claims and scope["path"] != "/health":
            self._ports.audit.record("nobody", "signIn", [], "denied")
        event = {"requestContext": {"authorizer": {"claims": claims}}}
        await self._app({**scope, "aws.event": event}, receive, send)

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims; empty for a token that is not one of ours or no longer good."""
        try:
            return jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                issuer=self._issuer,
                audience=sorted(self._ports.client_ids),
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub", "token_use"]},
            )
        except PyJWTError:
            return {}


def application(environ: Mapping[str, str] | None = None) -> ASGIApp:
    """The application from its environment: that of the function, and ISSUER. Raises ConfigurationError."""
    found = os.environ if environ is None else environ
    issuer = found.get("ISSUER", "")
    if not issuer.startswith("https://"):
        raise ConfigurationError("CONFIGURATION", "ISSUER is the https address of the user pool")
    values = Settings.from_env(found)
    ports = build_ports(values)
    keys = jwt.PyJWKClient(found.get("JWKS_URL") or f"{issuer}/.well-known/jwks.json", lifespan=3600, timeout=5)
    return VerifiedClaims(create_app(ports, values.origins()), ports, keys, issuer)


def main() -> None:
    """Serve until SIGTERM; no access log: paths hold pseudonyms, and the audit record says who read what."""
    import uvicorn

    uvicorn.run(
        application(),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8080")),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
