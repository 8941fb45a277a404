"""Security groups: rules to a prefix list, and moving a network interface into another group.

Plain ministack parses prefix lists away, so that two such rules would be one, and has no
ModifyNetworkInterfaceAttribute, by which breach response cuts an instance off.
"""

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

    def modify_interface(params: dict[str, Any]) -> Any:
        interface = ec2._network_interfaces.get(ec2._p(params, "NetworkInterfaceId"))
        if interface is None:
            return ec2._error("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID does not exist", 400)
        groups = ec2._parse_member_list(params, "SecurityGroupId")
        if unknown := [group for group in groups if group not in ec2._security_groups]:
            return ec2._error("InvalidGroup.NotFound", f"The security group '{unknown[0]}' does not exist", 400)
        interface["Groups"] = [
            {"GroupId": group, "GroupName": ec2._security_groups[group]["GroupName"]} for group in groups
        ]
        return ec2._xml(200, "ModifyNetworkInterfaceAttributeResponse", "<return>true</return>")

    ec2._ACTION_MAP["ModifyNetworkInterfaceAttribute"] = modify_interface


def _prefix_lists(ec2: Any, params: dict[str, Any], prefix: str) -> Any:
    number = 1
    while identity := ec2._p(params, f"{prefix}.{number}.PrefixListId"):
        description = ec2._p(params, f"{prefix}.{number}.Description")
        yield {"PrefixListId": identity, **({"Description": description} if description else {})}
        number += 1
