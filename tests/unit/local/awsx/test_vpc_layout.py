"""Which subnets and NAT gateways the stand-in of awsx.ec2.Vpc makes."""

from __future__ import annotations

from typing import Any

import pytest

from local.awsx.layout import LayoutError, nat_for, nat_zones, subnet_plans

ZONES = ["us-east-1a", "us-east-1b"]
PUBLIC = {"type": "Public", "cidrBlocks": ["10.0.1.0/24", "10.0.2.0/24"]}
PRIVATE = {"type": "Private", "name": "workload", "cidrBlocks": ["10.0.10.0/24", "10.0.20.0/24"], "tags": {"t": "p"}}
ARGS: dict[str, Any] = {"cidrBlock": "10.0.0.0/16", "subnetStrategy": "Auto", "subnetSpecs": [PRIVATE, PUBLIC]}


def test_subnets_come_zone_by_zone_and_public_first() -> None:
    plans = subnet_plans("net", ARGS, ZONES)
    assert [(p.name, p.zone, p.cidr_block) for p in plans] == [
        ("net-public-1", "us-east-1a", "10.0.1.0/24"),
        ("net-workload-1", "us-east-1a", "10.0.10.0/24"),
        ("net-public-2", "us-east-1b", "10.0.2.0/24"),
        ("net-workload-2", "us-east-1b", "10.0.20.0/24"),
    ]
    assert plans[1].tags == {"t": "p"}
    assert all(p.name_tag == p.name for p in plans)


def test_name_tags_may_end_with_the_zone_but_logical_names_do_not() -> None:
    plan = subnet_plans("net", {**ARGS, "subnetNameTagStrategy": "AvailabilityZone"}, ZONES)[0]
    assert (plan.name, plan.name_tag) == ("net-public-1", "net-public-1a")


def test_unused_ranges_make_no_subnet() -> None:
    unused = {"type": "Unused", "name": "later", "cidrBlocks": ["10.0.30.0/24", "10.0.40.0/24"]}
    assert len(subnet_plans("net", {**ARGS, "subnetSpecs": [PUBLIC, unused]}, ZONES)) == 2


@pytest.mark.parametrize(
    ("changed", "path", "why"),
    [
        ({"subnetSpecs": []}, "subnetSpecs", "explicit"),
        ({"subnetSpecs": [{"type": "Public", "cidrMask": 24}]}, "subnetSpecs[0].cidrBlocks", "explicit"),
        ({"subnetSpecs": [{**PUBLIC, "type": "Open"}]}, "subnetSpecs[0].type", "Open"),
        ({"subnetSpecs": [{**PUBLIC, "cidrBlocks": ["10.0.1.0/24"]}]}, "subnetSpecs[0].cidrBlocks", "2 availability"),
        ({"subnetSpecs": [PUBLIC, PUBLIC]}, "subnetSpecs", "public"),
        (
            {"subnetSpecs": [PUBLIC, {**PRIVATE, "cidrBlocks": ["10.0.1.0/25", "10.0.20.0/24"]}]},
            "subnetSpecs",
            "overlap",
        ),
        ({"cidrBlock": "10.1.0.0/16"}, "subnetSpecs", "outside"),
        ({"subnetStrategy": "Exact"}, "subnetStrategy", "gaps"),
        ({"subnetStrategy": "AutoMerge"}, "subnetStrategy", "AutoMerge"),
    ],
)
def test_what_cannot_be_met_is_refused_by_name(changed: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(LayoutError, match=why) as caught:
        subnet_plans("net", ARGS | changed, ZONES)
    assert caught.value.path == path


@pytest.mark.parametrize(("strategy", "zones"), [("None", []), ("Single", [1]), ("OnePerAz", [1, 2]), (None, [1, 2])])
def test_nat_gateways_follow_the_strategy(strategy: str | None, zones: list[int]) -> None:
    assert nat_zones({**ARGS, "natGateways": {"strategy": strategy}}, 2) == zones


def test_nat_needs_a_public_subnet_and_fitting_addresses() -> None:
    with pytest.raises(LayoutError, match="public subnet"):
        nat_zones({"subnetSpecs": [PRIVATE]}, 2)
    with pytest.raises(LayoutError, match="1 addresses for 2"):
        nat_zones({**ARGS, "natGateways": {"elasticIpAllocationIds": ["eipalloc-1"]}}, 2)
    with pytest.raises(LayoutError, match="Twice"):
        nat_zones({**ARGS, "natGateways": {"strategy": "Twice"}}, 2)


def test_a_single_nat_gateway_serves_all_zones() -> None:
    assert nat_for(2, [1]) == 1
    assert nat_for(2, [1, 2]) == 2
