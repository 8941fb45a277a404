"""Route tables, their associations and routes."""

from __future__ import annotations

import zlib
from typing import ClassVar

from ..clients import Aws
from ..kind import Values, is_gone
from ..objects import Object
from ..shapes import fit, unfit
from .ec2 import Ec2

DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


class RouteTable(Ec2):
    pulumi_type = "aws:ec2/routeTable:RouteTable"
    thing, replaces, more_local = "RouteTable", "vpcId", "routes"
    outputs = {"arn": "arn:aws:ec2:{aws.region}:{aws.account}:route-table/{id}", "ownerId": "OwnerId"}
    inline: ClassVar[dict[str, str]] = {
        "cidrBlock": "DestinationCidrBlock",
        "ipv6CidrBlock": "DestinationIpv6CidrBlock",
        "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    }

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        self.put_routes(aws, id, {}, new)

    def put_routes(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        """Inline routes: what went is deleted, what came is made."""
        before, after = old.get("routes") or [], new.get("routes") or []
        shape = aws.shape("ec2", "create_route")
        for route in [r for r in before if r not in after]:
            target = fit(shape, {k: v for k, v in route.items() if v}, self.inline)
            where = {k: v for k, v in target.items() if k in DESTINATIONS}
            self.call(aws, "delete_route", RouteTableId=id, **where)
        for route in [r for r in after if r not in before]:
            target = fit(shape, {k: v for k, v in route.items() if v}, self.inline)
            self.call(aws, "create_route", RouteTableId=id, **target)

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        if "routes" in known:
            shape = aws.shape("ec2", "create_route")
            live = [r for r in body.get("Routes") or [] if r.get("GatewayId") != "local"]
            wanted = {str(w.get("cidrBlock") or w.get("ipv6CidrBlock")): w for w in known["routes"]}
            found["routes"] = [
                unfit(shape, r, wanted.get(str(r.get("DestinationCidrBlock") or "")), self.inline) for r in live
            ]

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        self.put_routes(aws, id, old, new)


class RouteTableAssociation(Object):
    """A subnet has one association, and a new one has a new id: replaced by delete, then create."""

    pulumi_type = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    service, key, replaces, delete_first = "ec2", "AssociationId", "routeTableId subnetId gatewayId", True
    create_op, read_op, delete_op = "associate_route_table", "describe_route_tables", "disassociate_route_table"

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        filters = [{"Name": "association.route-table-association-id", "Values": [id]}]
        tables = self.call(aws, "describe_route_tables", Filters=filters)["RouteTables"]
        links = [link for table in tables for link in table["Associations"]]
        return next((link for link in links if link["RouteTableAssociationId"] == id), None)


class Route(Object):
    pulumi_type = "aws:ec2/route:Route"
    service = "ec2"
    replaces = "routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId"
    rename = {"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"}
    create_op, read_op, delete_op = "create_route", "describe_route_tables", "delete_route"
    outputs = {"origin": "Origin", "state": "State"}

    def identify(self, reply: Values, new: Values) -> str:
        return f"r-{new['routeTableId']}{zlib.crc32(self._target(new)[1].encode())}"

    @staticmethod
    def _target(state: Values) -> tuple[str, str]:
        """(parameter, value) of the destination."""
        for name in DESTINATIONS:
            if value := state.get(name[0].lower() + name[1:]):
                return name, value
        raise ValueError("a route needs one of destinationCidrBlock, destinationIpv6CidrBlock, destinationPrefixListId")

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        try:
            tables = self.call(aws, "describe_route_tables", RouteTableIds=[known["routeTableId"]])["RouteTables"]
        except Exception as error:
            if is_gone(error):
                return None
            raise
        name, value = self._target(known)
        return next((route for table in tables for route in table["Routes"] if route.get(name) == value), None)

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        self.call(aws, "replace_route", **self.create_args(aws, new))

    def key_args(self, aws: Aws, id: str, state: Values) -> Values:
        name, value = self._target(state)
        return {"RouteTableId": state["routeTableId"], name: value}
