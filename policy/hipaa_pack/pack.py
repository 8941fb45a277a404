"""All rules of the pack."""

from __future__ import annotations

from pulumi_policy import Policy

from hipaa_pack.rule import Rule
from hipaa_pack.rules import (
    buckets,
    compute,
    containers,
    data,
    edge,
    events,
    functions,
    governance,
    identity,
    keys,
    learning,
    messaging,
    network,
    observability,
    people,
    storage,
    trails,
)

SERVICES = {
    "Everything": governance.RULES,
    "S3": [*storage.RULES, *buckets.RULES],
    "KMS and Secrets Manager": keys.RULES,
    "VPC": network.RULES,
    "IAM and Cognito": [*identity.RULES, *people.RULES],
    "HealthImaging and DynamoDB": data.RULES,
    "Lambda, Step Functions, API Gateway": [*compute.RULES, *functions.RULES],
    "SageMaker": learning.RULES,
    "SQS, SNS, EventBridge": [*messaging.RULES, *events.RULES],
    "ECS and ECR": containers.RULES,
    "Load balancers, CloudFront, firewall, HTTP APIs": edge.RULES,
    "CloudWatch": observability.RULES,
    "CloudTrail, GuardDuty, Config, backups": trails.RULES,
    "Waivers": governance.LAST,
}
"""Rules by service; the last one looks back at what the others found."""


def rules() -> list[Rule]:
    """Every rule, by service."""
    return [rule for group in SERVICES.values() for rule in group]


def policies() -> list[Policy]:
    """Every rule as the SDK runs it."""
    return [rule.policy() for rule in rules()]
