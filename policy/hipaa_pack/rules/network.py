"""VPC: flow logs, an empty default security group, no public addresses, nothing open to the world."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.reads import (
    UNKNOWN,
    Values,
    at,
    conditions,
    document,
    is_set,
    is_true,
    listed,
    plain,
    principals,
    statements,
)
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule, StackRule

_VPC = ("aws:ec2/vpc:Vpc",)
_TABLE = ("aws:ec2/routeTable:RouteTable",)
_WORLD = {"0.0.0.0/0", "::/0"}
# what every VPC endpoint policy is by default, and what this rule refuses
_BINDING = {"aws:principalaccount", "aws:principalorgid", "aws:resourceaccount", "aws:resourceorgid"}


def _all_traffic(values: Values) -> Iterator[str]:
    kind = at(values, "trafficType")
    if kind is not UNKNOWN and kind != "ALL":
        yield "trafficType must be ALL"


def _empty(values: Values) -> Iterator[str]:
    for direction in ("ingress", "egress"):
        rules = at(values, direction)
        if rules is not UNKNOWN and rules:
            yield f"{direction} of the default security group must be empty"


def _no_public_address(values: Values) -> Iterator[str]:
    if is_true(at(values, "mapPublicIpOnLaunch")) or is_true(at(values, "assignIpv6AddressOnCreation")):
        yield "instances in this subnet would get public addresses"


def _no_open_ingress(values: Values) -> Iterator[str]:
    for rule in listed(at(values, "ingress")):
        if rule is not UNKNOWN and _WORLD & set(_blocks(rule)):
            yield "an ingress rule is open to the world"


def _no_open_egress(values: Values) -> Iterator[str]:
    for rule in listed(at(values, "egress")):
        if rule is not UNKNOWN and at(rule, "protocol") in ("-1", "all") and _WORLD & set(_blocks(rule)):
            yield "an egress rule lets everything out to the world"


def _blocks(rule: Values) -> list[str]:
    return [b for name in ("cidrBlocks", "ipv6CidrBlocks") for b in listed(at(rule, name)) if isinstance(b, str)]


def _ingress_rule(values: Values) -> Iterator[str]:
    if {at(values, "cidrIpv4"), at(values, "cidrIpv6")} & _WORLD:
        yield "the rule is open to the world"


def _egress_rule(values: Values) -> Iterator[str]:
    if at(values, "ipProtocol") == "-1" and {at(values, "cidrIpv4"), at(values, "cidrIpv6")} & _WORLD:
        yield "the rule lets everything out to the world"


def _legacy_rule(values: Values) -> Iterator[str]:
    if at(values, "type") == "ingress" and _WORLD & set(_blocks(values)):
        yield "the rule is open to the world"


def _forbidden(_: Values) -> Iterator[str]:
    yield "the default VPC has public subnets: use SecureVPC"


def _no_servers(_: Values) -> Iterator[str]:
    yield "servers are not part of the platform: nobody patches, watches or backs them up"


def _endpoint_policy(values: Values) -> Iterator[str]:
    policy = at(values, "policy")
    if not is_set(policy):
        yield "the endpoint needs a policy: the default one lets any account's data through"
    if document(policy) is None:
        return
    for statement in statements(policy):
        everybody = statement.get("Effect") == "Allow" and "*" in principals(statement)
        if everybody and not _BINDING & conditions(statement).keys() and not _reads_named_objects(statement):
            yield "a statement is not bound to our account or organization"


def _reads_named_objects(statement: Values) -> bool:
    """AWS's own buckets (image layers of ECR) are read by AWS's principals: allowed when named, for reading only."""
    named = all(str(r) != "*" and not str(r).endswith(":::*") for r in listed(statement.get("Resource")))
    return named and {str(a) for a in listed(statement.get("Action"))} <= {"s3:GetObject"}


def _unrestricted(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    """A way out to everywhere belongs into public route tables, where the NAT gateways live."""
    for resource in resources:
        values = plain(resource.props)
        if resource.resource_type == "aws:ec2/route:Route":
            tables = [r for r in resource.property_dependencies.get("routeTableId", []) if r.resource_type in _TABLE]
            ways = [values]
        elif resource.resource_type in _TABLE:
            tables, ways = [resource], listed(at(values, "routes"))
        else:
            continue
        public = tables and all(at(plain(t.props), "tags.SubnetType") in ("Public", UNKNOWN) for t in tables)
        for way in ways:
            goes = {
                at(way, n) for n in ("destinationCidrBlock", "destinationIpv6CidrBlock", "cidrBlock", "ipv6CidrBlock")
            }
            if is_set(at(way, "gatewayId")) and goes & _WORLD and not public:
                yield resource, f"{resource.name} leads everywhere by an internet gateway: only a public table may"


RULES: list[Rule] = [
    StackRule(
        id="vpc-no-igw-route",
        says="only public route tables lead to the internet gateway",
        sections=("164.312(e)(1)",),
        sources=("N:VPCNoUnrestrictedRouteToIGW",),
        remedy="Route private subnets by NAT or endpoints; tag a public table SubnetType=Public.",
        grade="critical",
        types=("aws:ec2/route:Route", *_TABLE),
        find=_unrestricted,
    ),
    CompanionRule(
        id="vpc-flow-logs",
        says="every VPC records its flows",
        sections=sections.LOGGING,
        sources=("N:VPCFlowLogsEnabled", "K2:11"),
        remedy="Add an aws.ec2.FlowLog with vpc_id and traffic_type ALL.",
        types=_VPC,
        companions=("aws:ec2/flowLog:FlowLog",),
        link="vpcId",
    ),
    ResourceRule(
        id="vpc-flow-logs-all",
        says="flow logs record accepted and rejected traffic",
        sections=sections.LOGGING,
        sources=("N:VPCFlowLogsEnabled",),
        remedy="Set traffic_type to ALL.",
        types=("aws:ec2/flowLog:FlowLog",),
        check=_all_traffic,
    ),
    CompanionRule(
        id="vpc-default-sg-managed",
        says="every VPC's default security group is emptied",
        sections=("164.312(e)(1)",),
        sources=("N:VPCDefaultSecurityGroupClosed", "K2:12"),
        remedy="Add an aws.ec2.DefaultSecurityGroup without rules.",
        types=_VPC,
        companions=("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",),
        link="vpcId",
    ),
    ResourceRule(
        id="vpc-default-sg-closed",
        says="the default security group has no rules",
        sections=("164.312(e)(1)",),
        sources=("N:VPCDefaultSecurityGroupClosed", "K2:12"),
        remedy="Remove ingress and egress.",
        types=("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",),
        check=_empty,
    ),
    ResourceRule(
        id="vpc-subnet-no-public-ip",
        says="no subnet hands out public addresses",
        sections=sections.NETWORK,
        sources=("N:VPCSubnetAutoAssignPublicIpDisabled", "K:130"),
        remedy="Set map_public_ip_on_launch=False (SecureVPC transforms awsx's public subnets).",
        grade="critical",
        types=("aws:ec2/subnet:Subnet",),
        check=_no_public_address,
    ),
    ResourceRule(
        id="sg-no-open-ingress",
        says="no security group is open to the world",
        sections=sections.NETWORK,
        sources=("N:EC2RestrictedSSH", "N:EC2RestrictedCommonPorts", "K:24", "K:25", "K:260"),
        remedy="Name the CIDR blocks or security groups that may come in.",
        grade="critical",
        types=("aws:ec2/securityGroup:SecurityGroup",),
        check=_no_open_ingress,
    ),
    ResourceRule(
        id="sg-rule-no-open-ingress",
        says="no ingress rule is open to the world",
        sections=sections.NETWORK,
        sources=("N:EC2RestrictedSSH", "K:24", "K:25"),
        remedy="Name the CIDR blocks or security groups that may come in.",
        grade="critical",
        types=("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",),
        check=_ingress_rule,
    ),
    ResourceRule(
        id="sg-legacy-rule-no-open-ingress",
        says="no ingress rule of the older kind is open to the world",
        sections=sections.NETWORK,
        sources=("N:EC2RestrictedSSH", "K:24", "K:25"),
        remedy="Name the CIDR blocks or security groups that may come in.",
        grade="critical",
        types=("aws:ec2/securityGroupRule:SecurityGroupRule",),
        check=_legacy_rule,
    ),
    ResourceRule(
        id="sg-no-open-egress",
        says="no security group lets everything out to the world",
        sections=sections.NETWORK,
        sources=("K:382",),
        remedy="Let 443 out to the VPC's endpoints only.",
        types=("aws:ec2/securityGroup:SecurityGroup",),
        check=_no_open_egress,
    ),
    ResourceRule(
        id="sg-rule-no-open-egress",
        says="no egress rule lets everything out to the world",
        sections=sections.NETWORK,
        sources=("K:382",),
        remedy="Let 443 out to the VPC's endpoints only.",
        types=("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",),
        check=_egress_rule,
    ),
    ResourceRule(
        id="vpce-policy",
        says="an endpoint serves our own account's identities and data only",
        sections=sections.NETWORK,
        remedy="Give the endpoint a policy bound by aws:PrincipalAccount and aws:ResourceAccount.",
        types=("aws:ec2/vpcEndpoint:VpcEndpoint",),
        check=_endpoint_policy,
    ),
    ResourceRule(
        id="ec2-no-instances",
        says="there are no servers to patch: code runs in functions, containers and managed jobs",
        sections=(*sections.RISK, *sections.ACCESS),
        sources=(
            "N:EC2IMDSv2Enabled",
            "N:EC2EBSOptimizedInstance",
            "N:EC2InstanceDetailedMonitoringEnabled",
            "N:EC2InstanceNoPublicIp",
            "N:EC2InstanceProfileAttached",
            "N:EC2InstancesInVPC",
            "N:AutoScalingLaunchConfigPublicIpDisabled",
        ),
        remedy="Use a Lambda function, an ECS task or a SageMaker job.",
        types=(
            "aws:ec2/instance:Instance",
            "aws:ec2/launchTemplate:LaunchTemplate",
            "aws:ec2/launchConfiguration:LaunchConfiguration",
            "aws:ec2/spotInstanceRequest:SpotInstanceRequest",
        ),
        check=_no_servers,
    ),
    ResourceRule(
        id="vpc-no-default",
        says="the default VPC is not used",
        sections=("164.312(e)(1)",),
        sources=("K:148",),
        remedy="Use SecureVPC.",
        types=("aws:ec2/defaultVpc:DefaultVpc",),
        check=_forbidden,
    ),
]
