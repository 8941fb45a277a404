"""The real program, and a bucket that somebody added by hand."""

import runpy
from pathlib import Path

import pulumi_aws as aws

runpy.run_path(str(Path(__file__).resolve().parents[1] / "program.py"))["run_real_program"]()
aws.s3.Bucket("forgotten", bucket="a-bucket-without-anything")
