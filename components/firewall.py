"""The web application firewall in front of the API: AWS's managed rule groups and a rate limit for each address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._logs import log_group
from components._workload import Workload

RATE_LIMIT: Final = 2000
"""Requests of one address in five minutes; a browser that scrolls through a worklist stays far below."""

# The managed groups in the order in which they are asked; none of them counts bytes of an image, the API has none.
MANAGED_GROUPS: Final = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)


def firewall(
    logical_name: str,
    *,
    workload: Workload,
    stage_arn: pulumi.Input[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.wafv2.WebAcl:
    """A regional web ACL on the stage; its log names no header that could carry a token."""
    naming = workload.context.naming
    acl = aws.wafv2.WebAcl(
        logical_name,
        name=naming.name("api", limit=128),
        scope="REGIONAL",
        default_action={"allow": {}},
        rules=[*(_managed(place, group) for place, group in enumerate(MANAGED_GROUPS)), _rate_limit()],
        visibility_config=_visibility("api"),
        tags=dict(tags),
        opts=opts,
    )
    aws.wafv2.WebAclAssociation(logical_name, resource_arn=stage_arn, web_acl_arn=acl.arn, opts=opts)
    logs = log_group(
        f"{logical_name}-logs",
        name=f"aws-waf-logs-{naming.name('api')}",  # WAF writes to groups with this prefix only
        log_class="audit",  # who was refused at the door, before any other log hears of it
        keeping=workload.logs,
        tags=tags,
        opts=opts,
    )
    aws.wafv2.WebAclLoggingConfiguration(
        logical_name,
        resource_arn=acl.arn,
        log_destination_configs=[logs.arn],
        redacted_fields=[{"single_header": {"name": name}} for name in ("authorization", "cookie")],
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


def _rate_limit() -> Any:
    return {
        "name": "rate-limit",
        "priority": len(MANAGED_GROUPS),
        "action": {"block": {}},
        "statement": {"rate_based_statement": {"aggregate_key_type": "IP", "limit": RATE_LIMIT}},
        "visibility_config": _visibility("rate-limit"),
    }


def _visibility(metric: str) -> Any:
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": metric,
        "sampled_requests_enabled": False,  # samples keep whole requests, tokens included, for three hours
    }
