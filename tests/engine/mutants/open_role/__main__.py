"""The real program, and a role policy that allows everything."""

import json

import pulumi_aws as aws

from tests.engine.mutants.program import run_real_program

run_real_program()
statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
aws.iam.Policy("admin", policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
