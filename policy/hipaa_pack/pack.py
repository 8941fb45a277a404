"""All rules of the pack."""

from __future__ import annotations

from pulumi_policy import Policy

from hipaa_pack.rule import Rule
from hipaa_pack.rules import compute, data, identity, keys, messaging, network, observability, storage


def rules() -> list[Rule]:
    """Every rule, by service."""
    return [
        *storage.RULES,
        *keys.RULES,
        *network.RULES,
        *identity.RULES,
        *data.RULES,
        *compute.RULES,
        *messaging.RULES,
        *observability.RULES,
    ]


def policies() -> list[Policy]:
    """Every rule as the SDK runs it."""
    return [rule.policy() for rule in rules()]
