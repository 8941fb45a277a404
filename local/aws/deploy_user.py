"""The IAM user that deploys: nothing in this project ever calls the embedded AWS as root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME = "deployer"
POLICY = "deploy"

# IAM service prefixes of what the program and its tests create; everything else is AccessDenied, as it would be
# for the deploy role of an account.
SERVICES = (
    "acm",
    "apigateway",
    "application-autoscaling",
    "backup",
    "budgets",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "codebuild",
    "cognito-identity",
    "cognito-idp",
    "config",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "elasticloadbalancing",
    "events",
    "execute-api",
    "guardduty",
    "iam",
    "kms",
    "lambda",
    "logs",
    "medical-imaging",
    "resource-groups",
    "route53",
    "s3",
    "sagemaker",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
    "tag",
    "wafv2",
    "xray",
)


def policy_document() -> str:
    """The rights of the deploy user as IAM policy JSON."""
    statement = {"Effect": "Allow", "Action": [f"{service}:*" for service in SERVICES], "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def ensure(iam: Any, key_file: Path) -> dict[str, str]:
    """Return the deploy user's keys, made once per state folder.

    `iam` is a boto3 client with the right to make users. The keys are kept beside the state so that a restart
    answers with the same ones; they are made anew only when the state no longer knows them.
    """
    try:
        iam.get_user(UserName=NAME)
    except iam.exceptions.NoSuchEntityException:
        iam.create_user(UserName=NAME)
    known = {key["AccessKeyId"] for key in iam.list_access_keys(UserName=NAME)["AccessKeyMetadata"]}
    iam.put_user_policy(UserName=NAME, PolicyName=POLICY, PolicyDocument=policy_document())
    if key_file.is_file():
        kept: dict[str, str] = json.loads(key_file.read_text())
        if kept["AWS_ACCESS_KEY_ID"] in known:
            return kept
    for stale in known:
        iam.delete_access_key(UserName=NAME, AccessKeyId=stale)
    made = iam.create_access_key(UserName=NAME)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    key_file.touch(mode=0o600)
    key_file.write_text(json.dumps(keys))
    return keys
