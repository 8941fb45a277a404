"""Which subnets and NAT gateways awsx.ec2.Vpc makes for given arguments: pure, so that it can be tested alone.

Only explicit `cidrBlocks` are supported (one per zone in every spec, as SecureVPC gives them); what the real component
would compute from masks and sizes is refused in a sentence instead of being guessed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

ORDER = {"Public": 0, "Private": 1, "Isolated": 2, "Unused": 3}
NAT_STRATEGIES = ("None", "Single", "OnePerAz")
DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_ZONES = 3


class LayoutError(ValueError):
    """An argument that cannot be met; `path` names it as the program wrote it (camelCase)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True, kw_only=True)
class SubnetPlan:
    """One subnet: `name` is the logical name, `name_tag` the value of its Name tag."""

    name: str
    name_tag: str
    type: str
    zone: str
    zone_number: int  # 1-based, as in the names
    cidr_block: str
    tags: Mapping[str, Any]


def subnet_plans(name: str, args: Mapping[str, Any], zones: Sequence[str]) -> list[SubnetPlan]:
    """Subnets in the order in which they are made: zone by zone, in each zone public before private before isolated."""
    specs = args.get("subnetSpecs") or []
    if not specs:
        raise LayoutError("subnetSpecs", "the local awsx plugin needs subnetSpecs with explicit cidrBlocks")
    for number, spec in enumerate(specs):
        _check_spec(number, spec, len(zones))
    _check_names(specs)
    _check_ranges(str(args.get("cidrBlock") or DEFAULT_CIDR), specs, str(args.get("subnetStrategy") or "Legacy"))
    by_zone_tag = args.get("subnetNameTagStrategy") == "AvailabilityZone"
    plans = []
    for number, zone in enumerate(zones, 1):
        for spec in sorted(specs, key=lambda s: ORDER[s["type"]]):
            if spec["type"] == "Unused":
                continue
            base = f"{name}-{spec.get('name') or spec['type'].lower()}"
            suffix = zone[len(zone.rstrip("abcdefghijklmnopqrstuvwxyz")) - 1 :] if by_zone_tag else str(number)
            plans.append(
                SubnetPlan(
                    name=f"{base}-{number}",
                    name_tag=f"{base}-{suffix}",
                    type=spec["type"],
                    zone=zone,
                    zone_number=number,
                    cidr_block=spec["cidrBlocks"][number - 1],
                    tags=spec.get("tags") or {},
                )
            )
    return plans


def nat_zones(args: Mapping[str, Any], zone_count: int) -> list[int]:
    """The 1-based zones that get a NAT gateway."""
    settings = args.get("natGateways") or {}
    strategy = settings.get("strategy") or "OnePerAz"
    if strategy not in NAT_STRATEGIES:
        raise LayoutError("natGateways.strategy", f"{strategy!r} is not one of {', '.join(NAT_STRATEGIES)}")
    types = {spec["type"] for spec in args.get("subnetSpecs") or []}
    if strategy == "None":
        zones = []
    elif "Public" not in types:
        raise LayoutError("natGateways.strategy", "NAT gateways need at least one public subnet: give one, or None")
    else:
        zones = [1] if strategy == "Single" else list(range(1, zone_count + 1))
    addresses = settings.get("elasticIpAllocationIds") or []
    if addresses and len(addresses) != len(zones):
        reason = f"{len(addresses)} addresses for {len(zones)} NAT gateways"
        raise LayoutError("natGateways.elasticIpAllocationIds", reason)
    return zones


def nat_for(zone_number: int, zones: Sequence[int]) -> int:
    """The zone whose NAT gateway serves a private subnet of `zone_number`."""
    return zone_number if zone_number in zones else zones[0]


def _check_spec(number: int, spec: Mapping[str, Any], zone_count: int) -> None:
    path = f"subnetSpecs[{number}]"
    if spec.get("type") not in ORDER:
        raise LayoutError(f"{path}.type", f"{spec.get('type')!r} is not one of {', '.join(ORDER)}")
    blocks = spec.get("cidrBlocks")
    if not blocks:
        raise LayoutError(f"{path}.cidrBlocks", "the local awsx plugin supports explicit cidrBlocks only")
    if len(blocks) != zone_count:
        raise LayoutError(f"{path}.cidrBlocks", f"{len(blocks)} blocks for {zone_count} availability zones")


def _check_names(specs: Sequence[Mapping[str, Any]]) -> None:
    names = [spec.get("name") or str(spec["type"]).lower() for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LayoutError("subnetSpecs", f"two specs are called {twice[0]!r}: give each a name of its own")


def _check_ranges(cidr_block: str, specs: Sequence[Mapping[str, Any]], strategy: str) -> None:
    """Blocks lie in the VPC and do not overlap; the strategy Exact also forbids gaps."""
    whole = ipaddress.ip_network(cidr_block)
    blocks = sorted(ipaddress.ip_network(block) for spec in specs for block in spec["cidrBlocks"])
    for block in blocks:
        if block.version != whole.version or not block.subnet_of(whole):  # type: ignore[arg-type]
            raise LayoutError("subnetSpecs", f"{block} lies outside the VPC's {whole}")
    for before, after in pairwise(blocks):
        if before.overlaps(after):
            raise LayoutError("subnetSpecs", f"{before} and {after} overlap")
    if strategy == "Exact" and sum(block.num_addresses for block in blocks) != whole.num_addresses:
        raise LayoutError("subnetStrategy", f"Exact demands that the subnets fill {whole} without gaps")
    if strategy not in ("Legacy", "Auto", "Exact"):
        raise LayoutError("subnetStrategy", f"the local awsx plugin does not know the strategy {strategy!r}")
