"""The private network: no way in, and only the ways out that the stack's data names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from components._base import Context, PlatformComponent
from components._iam import Statement, policy_document, service_role
from components._logs import LogKeeping, log_group

AWS_CONTAINER_ACCOUNT = "763104351884"
"""Owner of the AWS deep-learning containers that SageMaker jobs pull (the same account in most regions)."""
_GATEWAY_SERVICES = ("s3", "dynamodb")
_IMAGE_PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_ENDPOINT_SERVICE_PREFIX = {
    "runtime-medical-imaging": "medical-imaging",
    "dicom-medical-imaging": "medical-imaging",
    "sagemaker.api": "sagemaker",
    "sagemaker.runtime": "sagemaker",
    "monitoring": "cloudwatch",
    "ecr.api": "ecr",
    "ecr.dkr": "ecr",
}
"""IAM action prefix of the services whose endpoint is not called by it."""


@dataclass(frozen=True, kw_only=True)
class SecureVPCArgs:
    """Addresses and ways out; one public and one private subnet an availability zone.

    Attributes:
        nat_strategy: `OnePerAz`, or `Single` where an outage of its zone is affordable.
        https_egress: `endpoints` keeps traffic inside the AWS network; `internet` also opens port 443 through NAT.
        interface_endpoints: suffixes of `com.amazonaws.<region>.<suffix>`.
        logs: how logs are kept, by class.
    """

    context: Context
    vpc_cidr: IPv4Network
    public_subnets: Sequence[IPv4Network]
    private_subnets: Sequence[IPv4Network]
    nat_strategy: Literal["Single", "OnePerAz"]
    interface_endpoints: Sequence[str]
    https_egress: Literal["endpoints", "internet"]
    logs: LogKeeping


def flow_log_group(context: Context) -> str:
    """Name of the group that flow logs go to, known before it exists."""
    return f"/aws/vpc/{context.naming.name('flow-logs')}"


def without_public_addresses(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Makes awsx's public subnets hand out no public address: only NAT gateways live there, and they have their own.

    awsx sets `mapPublicIpOnLaunch` on every public subnet and offers no argument for it.
    """
    if args.type_ != "aws:ec2/subnet:Subnet":
        return None
    props: dict[str, Any] = {**args.props, "mapPublicIpOnLaunch": False}
    return pulumi.ResourceTransformResult(props=props, opts=args.opts)


def _route_table_ids(tables: Sequence[Any]) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*[table.id for table in tables])


class SecureVPC(PlatformComponent):
    """VPC on `awsx.ec2.Vpc` with private subnets for everything and public ones for NAT gateways alone.

    Creates the VPC (subnets, routes, NAT), an emptied default security group, the private security group (443 in from
    the VPC, 443 out to it and to the gateway endpoints), gateway endpoints for S3 and DynamoDB, interface endpoints,
    and encrypted flow logs. Endpoint policies let only this account's principals reach only this account's resources,
    so that a foreign credential smuggled into the VPC carries nothing out (45 CFR 164.312(e)(1)).
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[Sequence[str]]
    private_subnet_ids: pulumi.Output[Sequence[str]]
    private_security_group_id: pulumi.Output[str]
    s3_endpoint_id: pulumi.Output[str]
    dynamodb_endpoint_id: pulumi.Output[str]
    flow_log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: SecureVPCArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the network; see `SecureVPCArgs` for what it takes."""
        super().__init__("imaging:network:SecureVPC", name, opts)
        self._context = args.context
        self._tags = args.context.tags.of("network")
        vpc = self._build_vpc(name, args)
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",  # without rules: what is put into no group of ours can talk to nobody
            vpc_id=vpc.vpc_id,
            tags=self._tags.named(f"{args.context.naming.name('default')}-closed"),
            opts=self.child(),
        )
        gateways = {service: self._build_gateway_endpoint(name, vpc, service) for service in _GATEWAY_SERVICES}
        group = self._build_security_group(name, args, vpc, gateways)
        for service in args.interface_endpoints:
            self._build_interface_endpoint(name, vpc, group, service)
        flow_logs = self._build_flow_logs(name, args, vpc)

        self.vpc_id = vpc.vpc_id
        self.public_subnet_ids = vpc.public_subnet_ids
        self.private_subnet_ids = vpc.private_subnet_ids
        self.private_security_group_id = group.id
        self.s3_endpoint_id = gateways["s3"].id
        self.dynamodb_endpoint_id = gateways["dynamodb"].id
        self.flow_log_group_name = flow_logs.name
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "private_security_group_id": self.private_security_group_id,
                "s3_endpoint_id": self.s3_endpoint_id,
                "dynamodb_endpoint_id": self.dynamodb_endpoint_id,
                "flow_log_group_name": self.flow_log_group_name,
            }
        )

    def _build_vpc(self, name: str, args: SecureVPCArgs) -> awsx.ec2.Vpc:
        return awsx.ec2.Vpc(
            name,
            cidr_block=str(args.vpc_cidr),
            number_of_availability_zones=len(args.private_subnets),
            enable_dns_hostnames=True,  # private names of the interface endpoints need both
            enable_dns_support=True,
            nat_gateways={"strategy": awsx.ec2.NatGatewayStrategy(args.nat_strategy)},
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,  # EXACT refuses gaps between the subnets
            subnet_specs=[
                {
                    "type": awsx.ec2.SubnetType.PUBLIC,
                    "name": "public",
                    "cidr_blocks": [str(subnet) for subnet in args.public_subnets],
                },
                {
                    "type": awsx.ec2.SubnetType.PRIVATE,
                    "name": "private",
                    "cidr_blocks": [str(subnet) for subnet in args.private_subnets],
                },
            ],
            tags=self._tags.named(self._context.naming.name("vpc")),
            opts=self.child(transforms=[without_public_addresses]),
        )

    def _own_account(self, sid: str, service: str) -> Statement:
        """Our principals on our resources, and nothing else, whatever identity policies may say."""
        account = self._context.account
        return Statement(
            sid=sid,
            actions=[f"{service}:*"],
            resources=["*"],
            principals="*",
            conditions={"StringEquals": {"aws:PrincipalAccount": account, "aws:ResourceAccount": account}},
        )

    def _endpoint_policy(self, service: str) -> pulumi.Input[str]:
        statements = [self._own_account("OwnPrincipalsOnOwnResources", _ENDPOINT_SERVICE_PREFIX.get(service, service))]
        partition, region = self._context.partition, self._context.region
        if service == "s3":
            statements.append(
                Statement(
                    sid="ContainerLayersFromEcr",  # ECR keeps image layers in a bucket of AWS's own account
                    actions=["s3:GetObject"],
                    resources=[f"arn:{partition}:s3:::prod-{region}-starport-layer-bucket/*"],
                    principals="*",
                )
            )
        if service.startswith("ecr."):
            statements.append(
                Statement(
                    sid="DeepLearningContainersOfAws",
                    actions=_IMAGE_PULL_ACTIONS,
                    resources=[f"arn:{partition}:ecr:{region}:{AWS_CONTAINER_ACCOUNT}:repository/*"],
                    principals="*",
                    conditions={"StringEquals": {"aws:PrincipalAccount": self._context.account}},
                )
            )
        return policy_document(*statements)

    def _build_gateway_endpoint(self, name: str, vpc: awsx.ec2.Vpc, service: str) -> aws.ec2.VpcEndpoint:
        return aws.ec2.VpcEndpoint(
            f"{name}-{service}",
            vpc_id=vpc.vpc_id,
            service_name=f"com.amazonaws.{self._context.region}.{service}",
            vpc_endpoint_type="Gateway",
            route_table_ids=vpc.route_tables.apply(_route_table_ids),
            policy=self._endpoint_policy(service),
            tags=self._tags.named(self._context.naming.name(service)),
            opts=self.child(),
        )

    def _build_interface_endpoint(
        self, name: str, vpc: awsx.ec2.Vpc, group: aws.ec2.SecurityGroup, service: str
    ) -> aws.ec2.VpcEndpoint:
        role = service.replace(".", "-")
        return aws.ec2.VpcEndpoint(
            f"{name}-{role}",
            vpc_id=vpc.vpc_id,
            service_name=f"com.amazonaws.{self._context.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,  # the SDKs keep their ordinary addresses, and cannot miss the endpoint
            subnet_ids=vpc.private_subnet_ids,
            security_group_ids=[group.id],
            policy=self._endpoint_policy(service),
            tags=self._tags.named(self._context.naming.name(role)),
            opts=self.child(),
        )

    def _build_security_group(
        self, name: str, args: SecureVPCArgs, vpc: awsx.ec2.Vpc, gateways: dict[str, aws.ec2.VpcEndpoint]
    ) -> aws.ec2.SecurityGroup:
        group_name = self._context.naming.name("private", limit=255)
        group = aws.ec2.SecurityGroup(
            f"{name}-private",
            name=group_name,
            description="HTTPS inside the VPC and to the AWS endpoints",
            vpc_id=vpc.vpc_id,
            tags=self._tags.named(group_name),
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-https-in",
            security_group_id=group.id,
            description="HTTPS from inside the VPC",
            cidr_ipv4=str(args.vpc_cidr),
            from_port=443,
            to_port=443,
            ip_protocol="tcp",
            tags=self._tags.as_dict(),
            opts=self.child(),
        )
        self._allow_https_out(f"{name}-https-out", group, "HTTPS to interface endpoints", cidr=str(args.vpc_cidr))
        for service, endpoint in gateways.items():
            # gateway endpoints keep the services' public addresses: the prefix list names them
            self._allow_https_out(
                f"{name}-{service}-out",
                group,
                f"HTTPS to the {service} gateway endpoint",
                prefix_list_id=endpoint.prefix_list_id,
            )
        if args.https_egress == "internet":
            self._allow_https_out(
                f"{name}-internet-out", group, "HTTPS through NAT to services without endpoint", cidr="0.0.0.0/0"
            )
        return group

    def _allow_https_out(
        self,
        name: str,
        group: aws.ec2.SecurityGroup,
        description: str,
        *,
        cidr: str | None = None,
        prefix_list_id: pulumi.Input[str] | None = None,
    ) -> None:
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=group.id,
            description=description,
            cidr_ipv4=cidr,
            prefix_list_id=prefix_list_id,
            from_port=443,
            to_port=443,
            ip_protocol="tcp",
            tags=self._tags.as_dict(),
            opts=self.child(),
        )

    def _build_flow_logs(self, name: str, args: SecureVPCArgs, vpc: awsx.ec2.Vpc) -> aws.cloudwatch.LogGroup:
        naming = self._context.naming
        group_name = flow_log_group(self._context)
        group = log_group(
            f"{name}-flow-logs",
            name=group_name,
            log_class="audit",  # where data went and what was refused: an incident is found months after it began
            keeping=args.logs,
            tags=self._tags.as_dict(),
            opts=self.child(),
        )
        role = service_role(
            f"{name}-flow-logs-role",
            context=self._context,
            role="flow-logs",
            services=["vpc-flow-logs.amazonaws.com"],
            statements=[
                Statement(
                    sid="WriteFlowLogs",
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[naming.arn("logs", f"log-group:{group_name}:*")],
                ),
                Statement(
                    sid="FindTheLogGroup",  # DescribeLogGroups has no narrower resource
                    actions=["logs:DescribeLogGroups"],
                    resources=[naming.arn("logs", "log-group:*")],
                ),
            ],
            tags=self._tags.as_dict(),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=vpc.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,  # seconds; the shortest, so that an incident shows within minutes
            tags=self._tags.named(naming.name("flow-log")),
            opts=self.child(depends_on=[role.policy]),
        )
        return group
