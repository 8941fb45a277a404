"""Security group rules to a prefix list, which plain ministack parses away: two such rules would be one."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

from typing import Any


def install() -> None:
    """Patch ministack's reading of IpPermissions; rule ids are made of what it reads, and so become distinct."""
    from ministack.services import ec2

    parse = ec2._parse_ip_permissions

    def with_prefix_lists(params: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
        rules = parse(params, prefix)
        for number, rule in enumerate(rules, start=1):
            rule["PrefixListIds"] = list(_prefix_lists(ec2, params, f"{prefix}.{number}.PrefixListIds"))
        return rules

    ec2._parse_ip_permissions = with_prefix_lists


def _prefix_lists(ec2: Any, params: dict[str, Any], prefix: str) -> Any:
    number = 1
    while identity := ec2._p(params, f"{prefix}.{number}.PrefixListId"):
        description = ec2._p(params, f"{prefix}.{number}.Description")
        yield {"PrefixListId": identity, **({"Description": description} if description else {})}
        number += 1
