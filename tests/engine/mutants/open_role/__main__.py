"""The real program, and a role policy that allows everything."""

import json
import runpy
from pathlib import Path

import pulumi_aws as aws

runpy.run_path(str(Path(__file__).resolve().parents[1] / "program.py"))["run_real_program"]()
statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
aws.iam.Policy("admin", policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
