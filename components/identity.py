"""Who may use the API: a Cognito user pool without self sign-up, its groups, and the client that signs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pulumi
import pulumi_aws as aws

from components._base import Context

GROUPS: Final = {
    "radiologist": "Reads assigned studies and verifies findings as ground truth",
    "admin": "Decides about models and runs the platform",
    "service": "Other systems of the hospital",
}

Mfa = Literal["ON", "OPTIONAL", "OFF"]

VIEWER_SCOPES: Final = ("openid", "profile", "email")
TOKEN_UNITS: Final[Any] = {"id_token": "minutes", "access_token": "minutes", "refresh_token": "hours"}
SESSION_MINUTES: Final = 60
REFRESH_HOURS: Final = 12
"""A shift: whoever comes back the next day signs in again (45 CFR 164.312(a)(2)(iii))."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The pool and its clients.

    Attributes:
        client: scripts and other systems sign in with it.
        viewer: the viewer's own client, None where no viewer is served; it knows the code flow and nothing else.
        sign_in_host: host name of the pool's sign-in page, "" without a viewer.
    """

    pool: aws.cognito.UserPool
    client: aws.cognito.UserPoolClient
    viewer: aws.cognito.UserPoolClient | None
    sign_in_host: pulumi.Output[str]


def identity(
    logical_name: str,
    *,
    context: Context,
    mfa: Mfa,
    viewer_origins: Sequence[str],
    deletion_protection: bool,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> Identity:
    """The user pool with its groups and clients."""
    pool = aws.cognito.UserPool(
        logical_name,
        **_pool_settings(mfa),
        name=context.naming.name("radiologists", limit=128),
        deletion_protection="ACTIVE" if deletion_protection else "INACTIVE",
        tags=dict(tags),
        opts=opts,
    )
    for precedence, (group, description) in enumerate(GROUPS.items()):
        aws.cognito.UserGroup(
            f"{logical_name}-{group}",
            name=group,
            description=description,
            precedence=precedence,
            user_pool_id=pool.id,
            opts=opts,
        )
    client = aws.cognito.UserPoolClient(
        f"{logical_name}-client",
        name=context.naming.name("radiologists", limit=128),
        user_pool_id=pool.id,
        generate_secret=False,  # a browser cannot keep one
        explicit_auth_flows=_sign_in_flows(mfa),
        prevent_user_existence_errors="ENABLED",
        enable_token_revocation=True,
        id_token_validity=SESSION_MINUTES,
        access_token_validity=SESSION_MINUTES,
        refresh_token_validity=REFRESH_HOURS,
        token_validity_units=TOKEN_UNITS,
        opts=opts,
    )
    viewer, host = None, pulumi.Output.from_input("")
    if viewer_origins:
        viewer = _viewer_client(logical_name, context, pool, viewer_origins, opts)
        domain = aws.cognito.UserPoolDomain(
            f"{logical_name}-domain",
            domain=context.naming.name("sign-in", limit=63),
            user_pool_id=pool.id,
            opts=opts,
        )
        host = domain.domain.apply(lambda prefix: f"{prefix}.auth.{context.region}.amazoncognito.com")
    return Identity(pool=pool, client=client, viewer=viewer, sign_in_host=host)


def _viewer_client(
    logical_name: str,
    context: Context,
    pool: aws.cognito.UserPool,
    origins: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> aws.cognito.UserPoolClient:
    """The viewer in the browser: code flow with PKCE only (RFC 9700 section 2.1.1), renewed by refresh tokens.

    The pool's own page asks for the password and the second factor; the viewer never sees either.
    """
    return aws.cognito.UserPoolClient(
        f"{logical_name}-viewer",
        name=context.naming.name("viewer", limit=128),
        user_pool_id=pool.id,
        generate_secret=False,  # a browser cannot keep one
        explicit_auth_flows=["ALLOW_REFRESH_TOKEN_AUTH"],
        allowed_oauth_flows_user_pool_client=True,
        allowed_oauth_flows=["code"],
        allowed_oauth_scopes=list(VIEWER_SCOPES),
        supported_identity_providers=["COGNITO"],
        callback_urls=[f"{origin}/callback" for origin in origins],
        logout_urls=[f"{origin}/" for origin in origins],
        prevent_user_existence_errors="ENABLED",
        enable_token_revocation=True,
        id_token_validity=SESSION_MINUTES,
        access_token_validity=SESSION_MINUTES,
        refresh_token_validity=REFRESH_HOURS,
        token_validity_units=TOKEN_UNITS,
        opts=opts,
    )


def _sign_in_flows(mfa: Mfa) -> list[str]:
    """SRP proves the password without sending it. Only a pool without a second factor, which is one for scripts with
    made-up people, also takes the password itself."""
    flows = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    return [*flows, "ALLOW_USER_PASSWORD_AUTH"] if mfa == "OFF" else flows


def _pool_settings(mfa: Mfa) -> dict[str, Any]:
    """What is the same in every stack but for the second factor."""
    return {
        "admin_create_user_config": {"allow_admin_create_user_only": True},
        "mfa_configuration": mfa,
        "software_token_mfa_configuration": {"enabled": True} if mfa != "OFF" else None,
        "password_policy": {
            "minimum_length": 14,
            "password_history_size": 24,
            "require_lowercase": True,
            "require_numbers": True,
            "require_symbols": True,
            "require_uppercase": True,
            "temporary_password_validity_days": 1,
        },
        "account_recovery_setting": {"recovery_mechanisms": [{"name": "admin_only", "priority": 1}]},
        "username_configuration": {"case_sensitive": False},
        "user_pool_tier": "PLUS",  # the tier that refuses leaked passwords and unlikely sign-ins
        "user_pool_add_ons": {"advanced_security_mode": "ENFORCED"},
    }
