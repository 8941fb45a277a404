"""The real program, and a queue under no key of ours with a table that cannot be restored."""

import runpy
from pathlib import Path

import pulumi_aws as aws

runpy.run_path(str(Path(__file__).resolve().parents[1] / "program.py"))["run_real_program"]()
aws.sqs.Queue("bare", name="bare")
aws.dynamodb.Table(
    "bare", name="bare", hash_key="k", attributes=[{"name": "k", "type": "S"}], billing_mode="PAY_PER_REQUEST"
)
