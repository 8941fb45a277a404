"""Where API Gateway's Cognito authorizer finds the pool's public keys when the endpoint speaks TLS.

ministack asks its own JWKS path over plain http: under TLS nobody answers there, and every token is refused with 401.
"""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

from typing import Any

from ministack.services import apigateway, apigateway_v1


def install() -> None:
    """Ask over https, as everything else here is served; the certificate is trusted by SSL_CERT_FILE."""
    resolve = apigateway._resolve_jwks_url

    async def over_tls(authorizer: dict[str, Any]) -> str | None:
        found = await resolve(authorizer)
        own = f"http://{apigateway._HOST}:{apigateway._PORT}/"
        return (
            f"https://127.0.0.1:{apigateway._PORT}/{found.removeprefix(own)}"
            if found and found.startswith(own)
            else found
        )

    apigateway._resolve_jwks_url = over_tls
    apigateway_v1._resolve_jwks_url = over_tls
