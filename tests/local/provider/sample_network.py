"""A network of every EC2 type the plugin serves, on the stand-in of awsx.ec2.Vpc."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx


def closed(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """No subnet gives out public addresses: reaches the children of the remote component."""
    if args.type_ != "aws:ec2/subnet:Subnet":
        return None
    return pulumi.ResourceTransformResult(props={**args.props, "mapPublicIpOnLaunch": False}, opts=args.opts)


def build(trust: Any) -> dict[str, Any]:
    """VPC, endpoints, groups with inline and with separate rules, flow log."""
    vpc = awsx.ec2.Vpc(
        "net",
        awsx.ec2.VpcArgs(
            cidr_block="10.0.0.0/16",
            number_of_availability_zones=2,
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            nat_gateways={"strategy": awsx.ec2.NatGatewayStrategy.SINGLE},
            enable_dns_hostnames=True,
            subnet_specs=[
                {"type": "Public", "cidr_blocks": ["10.0.1.0/24", "10.0.2.0/24"]},
                {"type": "Private", "cidr_blocks": ["10.0.10.0/24", "10.0.20.0/24"]},
            ],
        ),
        opts=pulumi.ResourceOptions(transforms=[closed]),
    )
    aws.ec2.DefaultSecurityGroup("default", vpc_id=vpc.vpc_id, tags={"Name": "closed"})
    group = aws.ec2.SecurityGroup("app", vpc_id=vpc.vpc_id, description="application", tags={"Name": "app"})
    inline = aws.ec2.SecurityGroup(
        "inline",
        vpc_id=vpc.vpc_id,
        ingress=[
            {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["10.0.0.0/16"]},
            {"protocol": "-1", "from_port": 0, "to_port": 0, "self": True},
        ],
    )
    aws.vpc.SecurityGroupIngressRule(
        "https",
        security_group_id=group.id,
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        referenced_security_group_id=inline.id,
        description="https",
    )
    aws.vpc.SecurityGroupEgressRule("out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="10.0.0.0/16")
    table = aws.ec2.RouteTable("extra", vpc_id=vpc.vpc_id)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    aws.ec2.VpcEndpoint(
        "s3",
        vpc_id=vpc.vpc_id,
        service_name="com.amazonaws.us-east-1.s3",
        route_table_ids=[table.id],
        policy=json.dumps({"Version": "2012-10-17", "Statement": [everyone]}),
    )
    aws.ec2.VpcEndpoint(
        "sqs",
        vpc_id=vpc.vpc_id,
        service_name="com.amazonaws.us-east-1.sqs",
        vpc_endpoint_type="Interface",
        subnet_ids=vpc.private_subnet_ids,
        security_group_ids=[group.id],
        private_dns_enabled=True,
    )
    logs = aws.cloudwatch.LogGroup("flow", retention_in_days=30)
    role = aws.iam.Role("flow", assume_role_policy=trust("vpc-flow-logs.amazonaws.com"))
    aws.ec2.FlowLog("flow", vpc_id=vpc.vpc_id, traffic_type="ALL", log_destination=logs.arn, iam_role_arn=role.arn)
    return {"subnets": vpc.private_subnet_ids, "group": group.id}
