"""The real program, and a queue under no key of ours with a table that cannot be restored."""

import pulumi_aws as aws

from tests.engine.mutants.program import run_real_program

run_real_program()
aws.sqs.Queue("bare", name="bare")
aws.dynamodb.Table(
    "bare", name="bare", hash_key="k", attributes=[{"name": "k", "type": "S"}], billing_mode="PAY_PER_REQUEST"
)
