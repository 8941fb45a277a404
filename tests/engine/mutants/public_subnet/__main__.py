"""The real program, and a subnet that hands out public addresses."""

import runpy
from pathlib import Path

import pulumi_aws as aws

runpy.run_path(str(Path(__file__).resolve().parents[1] / "program.py"))["run_real_program"]()
aws.ec2.Subnet("open", vpc_id="vpc-1", cidr_block="10.0.99.0/24", map_public_ip_on_launch=True)
