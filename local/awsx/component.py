"""awsx.ec2.Vpc with the children, names, parents and tags of the real component (v3.11.0)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pulumi

from .layout import DEFAULT_CIDR, DEFAULT_ZONES, LayoutError, SubnetPlan, nat_for, nat_zones, subnet_plans

TYPE = "awsx:ec2:Vpc"
ANYWHERE = "0.0.0.0/0"
VPC_ARGUMENTS = (
    "assignGeneratedIpv6CidrBlock",
    "enableDnsHostnames",
    "enableDnsSupport",
    "enableNetworkAddressUsageMetrics",
    "instanceTenancy",
    "ipv4IpamPoolId",
    "ipv4NetmaskLength",
    "ipv6CidrBlock",
    "ipv6CidrBlockNetworkBorderGroup",
    "ipv6IpamPoolId",
    "ipv6NetmaskLength",
)
Properties = dict[str, Any]


class Vpc(pulumi.ComponentResource):
    """The component; its outputs are in `state`. Raises LayoutError for arguments it cannot meet."""

    def __init__(self, name: str, args: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(TYPE, name, {}, opts)
        self.name, self.args = name, args
        self.region: Properties = {"region": args["region"]} if args.get("region") else {}
        self.made: dict[str, list[pulumi.CustomResource]] = {
            key: [] for key in ("subnets", "routeTables", "routeTableAssociations", "routes", "eips", "natGateways")
        }
        self.by_type: dict[str, list[pulumi.CustomResource]] = {"Public": [], "Private": [], "Isolated": []}
        zones = self._zones()
        plans = subnet_plans(name, args, zones)
        self.nat_zones = nat_zones(args, len(zones))
        self.nats: dict[int, pulumi.CustomResource] = {}
        self.vpc = self._make_vpc()
        self.gateway = self._make(
            "internetGateway:InternetGateway", name, {"vpcId": self.vpc.id, "tags": self._tags(name)}, self.vpc
        )
        for plan in plans:
            self._make_subnet(plan)
        self.endpoints = self._make_endpoints()
        self.state = self._outputs()
        self.register_outputs(self.state)

    def _make(
        self, kind: str, name: str, properties: Properties, parent: pulumi.Resource, collect: str = ""
    ) -> pulumi.CustomResource:
        """One child, registered like a resource of the Python SDK (same version, so the same default provider)."""
        options = pulumi.ResourceOptions(parent=parent, version=version("pulumi-aws"))
        child = pulumi.CustomResource(f"aws:ec2/{kind}", name, {**self.region, **properties}, options)
        if collect:
            self.made[collect].append(child)
        return child

    def _tags(self, name: str, *more: Any) -> pulumi.Output[dict[str, Any]]:
        """Name, then the component's tags, then others; any of them may be an output."""
        return pulumi.Output.all(self.args.get("tags") or {}, *more).apply(
            lambda parts: {"Name": name} | {k: v for part in parts for k, v in (part or {}).items()}
        )

    def _zones(self) -> list[str]:
        names, count = self.args.get("availabilityZoneNames"), self.args.get("numberOfAvailabilityZones")
        if names and count:
            raise LayoutError(
                "availabilityZoneNames", "give availabilityZoneNames or numberOfAvailabilityZones, not both"
            )
        if names:
            return list(names)
        wanted = int(count or DEFAULT_ZONES)
        found = pulumi.runtime.invoke(
            "aws:index/getAvailabilityZones:getAvailabilityZones",
            {**self.region, "state": "available"},
            pulumi.InvokeOptions(parent=self, version=version("pulumi-aws")),
        ).value["names"]
        if len(found) < wanted:
            raise LayoutError("numberOfAvailabilityZones", f"the region has {len(found)} availability zones")
        return list(found[:wanted])

    def _make_vpc(self) -> pulumi.CustomResource:
        given = {key: self.args[key] for key in VPC_ARGUMENTS if self.args.get(key) is not None}
        block = {"cidrBlock": self.args.get("cidrBlock") or DEFAULT_CIDR}
        return self._make("vpc:Vpc", self.name, {**given, **block, "tags": self._tags(self.name)}, self)

    def _make_subnet(self, plan: SubnetPlan) -> None:
        """A subnet with its route table, association and default route; NAT in the first public one of a zone."""
        tags = self._tags(plan.name_tag, {"SubnetType": plan.type}, plan.tags)
        subnet = self._make(
            "subnet:Subnet",
            plan.name,
            {
                "vpcId": self.vpc.id,
                "availabilityZone": plan.zone,
                "mapPublicIpOnLaunch": plan.type == "Public",
                "cidrBlock": plan.cidr_block,
                "tags": tags,
            },
            self.vpc,
            "subnets",
        )
        self.by_type[plan.type].append(subnet)
        table = self._make(
            "routeTable:RouteTable", plan.name, {"vpcId": self.vpc.id, "tags": tags}, subnet, "routeTables"
        )
        link = {"routeTableId": table.id, "subnetId": subnet.id}
        self._make("routeTableAssociation:RouteTableAssociation", plan.name, link, table, "routeTableAssociations")
        if plan.type == "Public":
            self._make_route(plan, table, {"gatewayId": self.gateway.id})
            if plan.zone_number in self.nat_zones and plan.zone_number not in self.nats:
                self._make_nat(plan.zone_number, subnet)
        elif plan.type == "Private" and self.nats:
            nat = self.nats[nat_for(plan.zone_number, self.nat_zones)]
            self._make_route(plan, table, {"natGatewayId": nat.id})

    def _make_route(self, plan: SubnetPlan, table: pulumi.CustomResource, target: Properties) -> None:
        properties = {"routeTableId": table.id, "destinationCidrBlock": ANYWHERE, **target}
        self._make("route:Route", plan.name, properties, table, "routes")

    def _make_nat(self, zone_number: int, subnet: pulumi.CustomResource) -> None:
        name = f"{self.name}-{zone_number}"
        addresses = (self.args.get("natGateways") or {}).get("elasticIpAllocationIds")
        if addresses:
            allocation = addresses[self.nat_zones.index(zone_number)]
        else:
            allocation = self._make("eip:Eip", name, {"tags": self._tags(name)}, subnet, "eips").id
        properties = {"subnetId": subnet.id, "allocationId": allocation, "tags": self._tags(name)}
        self.nats[zone_number] = self._make("natGateway:NatGateway", name, properties, subnet, "natGateways")

    def _make_endpoints(self) -> list[pulumi.CustomResource]:
        specs = self.args.get("vpcEndpointSpecs") or []
        if specs and self.args.get("vpcEndpointStrategy") == "Auto":
            raise LayoutError("vpcEndpointStrategy", "the local awsx plugin knows the strategy Legacy only")
        made = []
        for spec in specs:
            name = str(spec["serviceName"])
            properties = {**spec, "vpcId": self.vpc.id, "tags": self._tags(name, spec.get("tags"))}
            made.append(self._make("vpcEndpoint:VpcEndpoint", name, properties, self.vpc))
        return made

    def _outputs(self) -> Properties:
        layout = [
            {key: spec[key] for key in ("type", "name", "cidrBlocks", "cidrMask", "size") if spec.get(key) is not None}
            for spec in self.args["subnetSpecs"]
        ]
        outputs: Properties = {
            "vpc": self.vpc,
            "vpcId": self.vpc.id,
            "internetGateway": self.gateway,
            "vpcEndpoints": self.endpoints,
            "subnetLayout": layout,
            **self.made,
        }
        for kind, subnets in self.by_type.items():
            outputs[f"{kind.lower()}Subnets"] = subnets
            outputs[f"{kind.lower()}SubnetIds"] = [subnet.id for subnet in subnets]
        return outputs
