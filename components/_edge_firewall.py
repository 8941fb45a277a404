"""The web application firewall in front of CloudFront: AWS's managed rule groups and a rate limit for each address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._logs import LogKeeping, log_group

EDGE_REGION: Final = "us-east-1"
"""Where CloudFront's web ACLs, certificates and their logs live, whatever the stack's region."""
RATE_LIMIT: Final = 1_000_000
"""Requests of one address in five minutes. Behind the address of a hospital two hundred readers may scroll at once, and
each asks for some ten frames a second; who sends more is no reader."""
_MANAGED_GROUPS: Final = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")


def edge_firewall(
    logical_name: str,
    *,
    context: Context,
    keeping: LogKeeping,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.wafv2.WebAcl:
    """A web ACL of CloudFront; its log names neither tokens nor what was asked for."""
    rules = [_managed(place, group) for place, group in enumerate(_MANAGED_GROUPS)]
    acl = aws.wafv2.WebAcl(
        logical_name,
        name=context.naming.name("viewer", limit=128),
        region=EDGE_REGION,
        scope="CLOUDFRONT",
        default_action={"allow": {}},
        rules=[*rules, _rate_limit(len(rules))],
        visibility_config=_visibility("viewer"),
        tags=dict(tags),
        opts=opts,
    )
    logs = log_group(
        f"{logical_name}-logs",
        name=f"aws-waf-logs-{context.naming.name('viewer')}",  # WAF writes to groups with this prefix only
        log_class="audit",  # who was refused at the door, before any other log hears of it
        # a key of another region cannot encrypt it: CloudWatch's own does, and no PHI is in it
        keeping=keeping if context.region == EDGE_REGION else replace(keeping, audit_key=None),
        region=EDGE_REGION,
        tags=tags,
        opts=opts,
    )
    aws.wafv2.WebAclLoggingConfiguration(
        logical_name,
        region=EDGE_REGION,
        resource_arn=acl.arn,
        log_destination_configs=[logs.arn],
        redacted_fields=[
            {"single_header": {"name": "authorization"}},
            {"single_header": {"name": "cookie"}},
            {"uri_path": {}},
            {"query_string": {}},
        ],
        opts=opts,
    )
    return acl


def _managed(place: int, group: str) -> Any:
    return {
        "name": group,
        "priority": place,
        "override_action": {"none": {}},
        "statement": {"managed_rule_group_statement": {"name": group, "vendor_name": "AWS"}},
        "visibility_config": _visibility(group),
    }


def _rate_limit(place: int) -> Any:
    return {
        "name": "rate-limit",
        "priority": place,
        "action": {"block": {}},
        "statement": {"rate_based_statement": {"aggregate_key_type": "IP", "limit": RATE_LIMIT}},
        "visibility_config": _visibility("rate-limit"),
    }


def _visibility(metric: str) -> Any:
    return {"cloudwatch_metrics_enabled": True, "metric_name": metric, "sampled_requests_enabled": False}
