"""What BreachResponse is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_shared import settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names are the environment variables in lower case.

    Attributes:
        audit_bucket: evidence and reports, below `incidents/`, under Object Lock.
        quarantine_group_id: security group without a rule.
        key_arns: keys whose grants are looked through, separated by commas.
        role_prefix: beginning of the names of the roles that may be shut by themselves.
        protected_roles: roles that are never shut by themselves, separated by commas: those that respond.
        dry_run: write down what would be done, and change nothing.
        quarantine_hours: how long sessions of a shut role stay refused; 0 refuses those that exist, not new ones.
        notify_hours: within which the compliance list must know.
    """

    audit_bucket: str
    compliance_topic_arn: str
    quarantine_group_id: str
    key_arns: str
    role_prefix: str
    protected_roles: str
    dry_run: bool
    quarantine_hours: int
    notify_hours: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming every variable that is wrong."""
        return settings.load(cls, os.environ if environ is None else environ)
