"""The real program, and a subnet that hands out public addresses."""

import pulumi_aws as aws

from tests.engine.mutants.program import run_real_program

run_real_program()
aws.ec2.Subnet("open", vpc_id="vpc-1", cidr_block="10.0.99.0/24", map_public_ip_on_launch=True)
