"""SecureVPC: row A1's figures, and no way in or out that is not named."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._configuration import NetworkSettings
from components._workload import Workload
from components.network import SecureVPC, SecureVPCArgs, without_public_addresses

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


@pytest.fixture
def program(context: Context, workload: Workload) -> Callable[..., Callable[[], dict[str, Any]]]:
    """Makes a program with the default network of the platform, changed by keyword."""

    def make(**changes: Any) -> Callable[[], dict[str, Any]]:
        settings = NetworkSettings()
        args = SecureVPCArgs(
            **{
                "context": context,
                "vpc_cidr": settings.vpc_cidr,
                "public_subnets": settings.public_subnets,
                "private_subnets": settings.private_subnets,
                "nat_strategy": settings.nat_strategy,
                "interface_endpoints": settings.interface_endpoints,
                "https_egress": settings.https_egress,
                "logs": workload.logs,
                **changes,
            }
        )

        def run() -> dict[str, Any]:
            vpc = SecureVPC("network", args)
            return {"private_subnet_ids": vpc.private_subnet_ids, "s3_endpoint_id": vpc.s3_endpoint_id}

        return run

    return make


def test_the_addresses_are_those_of_the_requirements(record: Any, program: Any, preview: bool) -> None:
    vpc = record(program(), preview=preview).one("awsx:ec2:Vpc").inputs
    assert vpc["cidrBlock"] == "10.0.0.0/16"
    assert vpc["numberOfAvailabilityZones"] == 2
    assert vpc["subnetStrategy"] == "Auto", "Exact refuses the gaps between the subnets"
    assert [(spec["type"], spec["cidrBlocks"]) for spec in vpc["subnetSpecs"]] == [
        ("Public", ["10.0.1.0/24", "10.0.2.0/24"]),
        ("Private", ["10.0.10.0/24", "10.0.20.0/24"]),
    ]


@pytest.mark.parametrize("strategy", ["Single", "OnePerAz"])
def test_the_number_of_gateways_is_data(record: Any, program: Any, strategy: str) -> None:
    assert record(program(nat_strategy=strategy)).one("awsx:ec2:Vpc").inputs["natGateways"] == {"strategy": strategy}


def test_the_transform_keeps_public_subnets_from_handing_out_addresses(record: Any, program: Any) -> None:
    (transform,) = record(program()).one("awsx:ec2:Vpc").transforms
    assert transform is without_public_addresses


@pytest.mark.parametrize(
    ("token", "changed"),
    [("aws:ec2/subnet:Subnet", True), ("aws:ec2/routeTable:RouteTable", False)],
    ids=["a subnet", "anything else"],
)
def test_the_transform_changes_subnets_and_nothing_else(token: str, changed: bool) -> None:
    args = pulumi.ResourceTransformArgs(
        type_=token,
        name="n",
        custom=True,
        props={"mapPublicIpOnLaunch": True, "cidrBlock": "10.0.1.0/24"},
        opts=pulumi.ResourceOptions(),
    )
    result = without_public_addresses(args)
    assert (result is not None) == changed
    if result is not None:
        assert result.props == {"mapPublicIpOnLaunch": False, "cidrBlock": "10.0.1.0/24"}


def test_the_default_security_group_is_emptied(record: Any, program: Any) -> None:
    group = record(program()).one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert "ingress" not in group, "what is put into no group of ours must reach nobody"
    assert "egress" not in group


def test_only_https_from_inside_the_vpc_comes_in(record: Any, program: Any) -> None:
    rule = record(program()).one(INGRESS).inputs
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"], rule["ipProtocol"]) == ("10.0.0.0/16", 443, 443, "tcp")


def test_https_goes_out_to_the_endpoints_only(record: Any, program: Any) -> None:
    rules = record(program()).of(EGRESS)
    targets = {rule.inputs.get("cidrIpv4") or rule.inputs.get("prefixListId") for rule in rules}
    assert targets == {"10.0.0.0/16", "pl-network-s3", "pl-network-dynamodb"}, "PHI has no way to the internet"
    assert {rule.inputs["fromPort"] for rule in rules} == {443}


def test_a_stack_that_saves_endpoints_opens_https_alone(record: Any, program: Any) -> None:
    recording = record(program(https_egress="internet", interface_endpoints=["kms"]))
    rule = recording.one(EGRESS, "network-internet-out").inputs
    assert (rule["cidrIpv4"], rule["fromPort"], rule["ipProtocol"]) == ("0.0.0.0/0", 443, "tcp")


def test_gateway_endpoints_stand_in_every_route_table(record: Any, program: Any) -> None:
    recording = record(program())
    for name in ("network-s3", "network-dynamodb"):
        endpoint = recording.one(ENDPOINT, name).inputs
        assert endpoint["vpcEndpointType"] == "Gateway"
        assert endpoint["routeTableIds"] == ["rtb-public-1", "rtb-private-1"]


def test_every_interface_endpoint_is_private_and_behind_the_private_group(record: Any, program: Any) -> None:
    recording = record(program())
    interfaces = [e.inputs for e in recording.of(ENDPOINT) if e.inputs["vpcEndpointType"] == "Interface"]
    services = {endpoint["serviceName"].removeprefix("com.amazonaws.us-east-1.") for endpoint in interfaces}
    assert services >= {"medical-imaging", "runtime-medical-imaging", "dicom-medical-imaging", "kms", "sagemaker.api"}
    for endpoint in interfaces:
        assert endpoint["privateDnsEnabled"], "else the SDK would go round the endpoint"
        assert endpoint["subnetIds"] == ["subnet-0private1", "subnet-0private2"]
        assert endpoint["securityGroupIds"] == ["sg-networkprivate"]


def test_every_endpoint_lets_own_principals_reach_own_resources_only(record: Any, program: Any, preview: bool) -> None:
    for endpoint in record(program(), preview=preview).of(ENDPOINT):
        statements = {s["Sid"]: s for s in json.loads(endpoint.inputs["policy"])["Statement"]}
        own = statements.pop("OwnPrincipalsOnOwnResources")
        bound = {"aws:PrincipalAccount": "111122223333", "aws:ResourceAccount": "111122223333"}
        assert own["Condition"] == {"StringEquals": bound}, "a smuggled credential must carry nothing out"
        assert own["Action"] != ["*"]
        assert set(statements) <= {"ContainerLayersFromEcr", "DeepLearningContainersOfAws"}
        for extra in statements.values():
            assert extra["Resource"] != ["*"], "exceptions name AWS's own buckets and repositories"


@pytest.mark.parametrize(
    ("service", "prefix"),
    [("runtime-medical-imaging", "medical-imaging:*"), ("monitoring", "cloudwatch:*"), ("kms", "kms:*")],
)
def test_an_endpoint_policy_names_the_actions_of_its_service(
    record: Any, program: Any, service: str, prefix: str
) -> None:
    statements = record(program()).policy(ENDPOINT, f"network-{service}")
    assert statements["OwnPrincipalsOnOwnResources"]["Action"] == [prefix]


def test_all_traffic_is_logged_under_our_key(record: Any, program: Any) -> None:
    recording = record(program())
    log = recording.one("aws:ec2/flowLog:FlowLog")
    group = recording.one("aws:cloudwatch/logGroup:LogGroup").inputs
    assert log.inputs["trafficType"] == "ALL", "refused traffic is what an incident is found by"
    assert group["kmsKeyId"].endswith("key/audit")
    assert group["retentionInDays"] == 2557
    assert any("RolePolicy" in urn for urn in log.dependencies), "delivery fails while the role cannot write"


def test_other_addresses_are_data(record: Any, program: Any) -> None:
    vpc = record(program(vpc_cidr=IPv4Network("10.8.0.0/16"))).one("awsx:ec2:Vpc").inputs
    assert vpc["cidrBlock"] == "10.8.0.0/16"


def test_outputs_are_known_after_an_update_and_unknown_before(record: Any, program: Any, preview: bool) -> None:
    recording = record(program(), preview=preview)
    assert recording.known == {"private_subnet_ids": not preview, "s3_endpoint_id": not preview}
