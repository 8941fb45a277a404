"""Settings of the whole account and region that no stack's resource can replace; one owner an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent

PASSWORD_LENGTH: Final = 14
PASSWORDS_REMEMBERED: Final = 24
PASSWORD_DAYS: Final = 90
"""Figures of AWS's HIPAA conformance pack (iam-password-policy); people sign in by Identity Center anyway."""


@dataclass(frozen=True, kw_only=True)
class AccountDefaultsArgs:
    """What the defaults need: the key of volumes that name none."""

    context: Context
    key_arn: pulumi.Input[str]


class AccountDefaults(PlatformComponent):
    """No bucket public, no volume plain, no short password, whatever anyone makes in this account later.

    Creates `{name}-public-access`, `{name}-volumes`, `{name}-volume-key` and `{name}-passwords`.
    """

    public_access_blocked: pulumi.Output[bool]

    def __init__(self, name: str, args: AccountDefaultsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the settings."""
        super().__init__("imaging:account_defaults:AccountDefaults", name, opts)
        blocked = aws.s3.AccountPublicAccessBlock(
            f"{name}-public-access",
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        aws.ebs.EncryptionByDefault(f"{name}-volumes", enabled=True, opts=self.child())
        aws.ebs.DefaultKmsKey(f"{name}-volume-key", key_arn=args.key_arn, opts=self.child())
        aws.iam.AccountPasswordPolicy(
            f"{name}-passwords",
            minimum_password_length=PASSWORD_LENGTH,
            password_reuse_prevention=PASSWORDS_REMEMBERED,
            max_password_age=PASSWORD_DAYS,
            require_lowercase_characters=True,
            require_uppercase_characters=True,
            require_numbers=True,
            require_symbols=True,
            allow_users_to_change_password=True,
            opts=self.child(),
        )
        self.public_access_blocked = blocked.restrict_public_buckets.apply(bool)
        self.register_outputs({"public_access_blocked": self.public_access_blocked})
