"""The stand-in registers the children of the real awsx.ec2.Vpc: names, parents, tags, public addresses."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from local.awsx.component import Vpc

ARGS: dict[str, Any] = {
    "cidrBlock": "10.0.0.0/16",
    "numberOfAvailabilityZones": 2,
    "subnetStrategy": "Auto",
    "enableDnsHostnames": True,
    "tags": {"owner": "imaging"},
    "subnetSpecs": [
        {"type": "Public", "cidrBlocks": ["10.0.1.0/24", "10.0.2.0/24"]},
        {"type": "Private", "cidrBlocks": ["10.0.10.0/24", "10.0.20.0/24"], "tags": {"tier": "workload"}},
        {"type": "Isolated", "cidrBlocks": ["10.0.50.0/24", "10.0.60.0/24"]},
    ],
}


class Recorder(mocks.Mocks):
    """Keeps what was registered."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made[(args.typ.rpartition(":")[2], args.name)] = args.inputs
        return f"{args.typ.rpartition(':')[2]}/{args.name}", args.inputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        assert args.token == "aws:index/getAvailabilityZones:getAvailabilityZones"
        return {"names": ["us-east-1a", "us-east-1b", "us-east-1c"]}


def build(**changed: Any) -> tuple[Recorder, dict[str, Any], list[str]]:
    """(what was registered, resolved outputs, the URNs of the children)"""
    recorder = Recorder()
    mocks.set_mocks(recorder, preview=False)
    outputs: dict[str, Any] = {}
    urns: list[str] = []

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        component = Vpc("net", ARGS | changed, pulumi.ResourceOptions())
        plain = {k: v for k, v in component.state.items() if k.endswith("Ids") or k in ("vpcId", "subnetLayout")}
        children = [*component.made.values(), [component.vpc, component.gateway], component.endpoints]
        known = pulumi.Output.all(*[child.urn for group in children for child in group]).apply(urns.extend)
        return pulumi.Output.all(pulumi.Output.all(**plain).apply(outputs.update), known)

    run()
    return recorder, outputs, urns


@pytest.fixture(autouse=True)
def event_loop() -> Any:
    """Pulumi's mocks want a loop in the thread; a closed one left there would fail the next file's tests."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def test_the_children_have_the_names_of_the_real_component() -> None:
    recorder, _, _ = build()
    subnets = [f"net-{kind}-{zone}" for kind in ("public", "private", "isolated") for zone in (1, 2)]
    routed = [name for name in subnets if "isolated" not in name]
    expected = {("Vpc", "net"), ("InternetGateway", "net")}
    expected |= {(kind, f"net-{zone}") for kind in ("Eip", "NatGateway") for zone in (1, 2)}
    expected |= {(kind, name) for kind in ("Subnet", "RouteTable", "RouteTableAssociation") for name in subnets}
    expected |= {("Route", name) for name in routed}
    assert recorder.made.keys() - {("Vpc", "")} == expected


def test_only_public_subnets_map_public_addresses() -> None:
    recorder, _, _ = build()
    for (kind, name), inputs in recorder.made.items():
        if kind == "Subnet":
            assert inputs["mapPublicIpOnLaunch"] is ("public" in name)


def test_tags_are_name_kind_the_components_and_the_specs() -> None:
    recorder, _, _ = build()
    workload = {"Name": "net-private-1", "owner": "imaging", "SubnetType": "Private", "tier": "workload"}
    assert recorder.made[("Subnet", "net-private-1")]["tags"] == workload
    assert recorder.made[("Vpc", "net")]["tags"] == {"Name": "net", "owner": "imaging"}


def test_children_hang_where_the_real_component_hangs_them() -> None:
    _, _, urns = build()  # URNs of the mocks show the direct parent
    parents = {urn.split("::")[2].split("$")[-1].rpartition(":")[2]: urn.split("::")[2].split("$")[0] for urn in urns}
    assert parents == {
        "Vpc": "awsx:ec2:Vpc",
        "InternetGateway": "aws:ec2/vpc:Vpc",
        "Subnet": "aws:ec2/vpc:Vpc",
        "RouteTable": "aws:ec2/subnet:Subnet",
        "RouteTableAssociation": "aws:ec2/routeTable:RouteTable",
        "Route": "aws:ec2/routeTable:RouteTable",
        "Eip": "aws:ec2/subnet:Subnet",
        "NatGateway": "aws:ec2/subnet:Subnet",
    }


def test_private_routes_go_to_the_gateway_of_their_zone_or_to_the_single_one() -> None:
    recorder, _, _ = build()
    assert recorder.made[("Route", "net-private-2")]["natGatewayId"] == "NatGateway/net-2"
    assert recorder.made[("Route", "net-public-2")]["gatewayId"] == "InternetGateway/net"
    single, _, _ = build(natGateways={"strategy": "Single"})
    assert single.made[("Route", "net-private-2")]["natGatewayId"] == "NatGateway/net-1"
    assert ("Eip", "net-2") not in single.made


def test_without_nat_private_subnets_have_no_default_route() -> None:
    recorder, _, _ = build(natGateways={"strategy": "None"})
    assert ("Route", "net-private-1") not in recorder.made
    assert ("Route", "net-public-1") in recorder.made


def test_given_addresses_are_used() -> None:
    given = {"strategy": "Single", "elasticIpAllocationIds": ["eipalloc-9"]}
    recorder, _, _ = build(natGateways=given)
    assert recorder.made[("NatGateway", "net-1")]["allocationId"] == "eipalloc-9"
    assert not [key for key in recorder.made if key[0] == "Eip"]


def test_endpoints_are_named_by_their_service() -> None:
    recorder, _, _ = build(vpcEndpointSpecs=[{"serviceName": "com.amazonaws.us-east-1.s3"}])
    assert recorder.made[("VpcEndpoint", "com.amazonaws.us-east-1.s3")]["vpcId"] == "Vpc/net"


def test_outputs_group_the_subnets_by_type() -> None:
    _, outputs, _ = build()
    assert outputs["vpcId"] == "Vpc/net"
    assert outputs["publicSubnetIds"] == ["Subnet/net-public-1", "Subnet/net-public-2"]
    assert outputs["privateSubnetIds"] == ["Subnet/net-private-1", "Subnet/net-private-2"]
    assert outputs["isolatedSubnetIds"] == ["Subnet/net-isolated-1", "Subnet/net-isolated-2"]
    assert [spec["type"] for spec in outputs["subnetLayout"]] == ["Public", "Private", "Isolated"]
