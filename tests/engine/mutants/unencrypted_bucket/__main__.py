"""The real program, and a bucket that somebody added by hand."""

import pulumi_aws as aws

from tests.engine.mutants.program import run_real_program

run_real_program()
aws.s3.Bucket("forgotten", bucket="a-bucket-without-anything")
