"""Rights of the deploy role over the way in from the browser: load balancers, firewall, CloudFront."""

from __future__ import annotations

from bootstrap.scope import Scope, do, grant
from components._iam import Statement


def edge(scope: Scope) -> list[Statement]:
    """Load balancers, web firewall, CloudFront."""
    return [
        grant(
            "LoadBalancers",
            [
                *do("elasticloadbalancing", "AddTags", "CreateListener", "CreateLoadBalancer", "CreateTargetGroup"),
                *do("elasticloadbalancing", "DeleteListener", "DeleteLoadBalancer", "DeleteTargetGroup"),
                *do("elasticloadbalancing", "ModifyListener", "ModifyLoadBalancerAttributes", "ModifyTargetGroup"),
                *do("elasticloadbalancing", "ModifyTargetGroupAttributes", "RemoveTags", "SetSecurityGroups"),
            ],
            [scope.arn("elasticloadbalancing", f"{kind}/*") for kind in ("loadbalancer", "targetgroup", "listener")],
            {"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        grant("ReadLoadBalancers", do("elasticloadbalancing", "Describe*"), ["*"]),
        grant(
            "WebFirewall",
            [
                *do("wafv2", "AssociateWebACL", "CreateWebACL", "DeleteLoggingConfiguration", "DeleteWebACL"),
                *do("wafv2", "DisassociateWebACL", "GetLoggingConfiguration", "GetWebACL", "GetWebACLForResource"),
                *do("wafv2", "ListTagsForResource", "PutLoggingConfiguration", "TagResource", "UntagResource"),
                *do("wafv2", "UpdateWebACL"),
            ],
            [
                *(
                    scope.arn("wafv2", f"{place}/{kind}/*")
                    for place in ("regional", "global")
                    for kind in ("webacl", "managedruleset")
                ),
                f"arn:{scope.partition}:apigateway:{scope.region}::/restapis/*",
                scope.arn("elasticloadbalancing", "loadbalancer/app/*"),
            ],
        ),
        grant(  # CloudFront makes these names itself, and none but a distribution can carry the project's tags
            "Distributions",
            [
                *do("cloudfront", "CreateDistribution", "DeleteDistribution"),
                *do("cloudfront", "GetDistribution", "GetDistributionConfig", "ListTagsForResource", "TagResource"),
                *do("cloudfront", "UntagResource", "UpdateDistribution"),
            ],
            [scope.arn("cloudfront", "distribution/*", regional=False)],
        ),
        grant(
            "EdgeFunctions",
            [
                *do("cloudfront", "CreateFunction", "DeleteFunction", "DescribeFunction", "GetFunction"),
                *do("cloudfront", "PublishFunction", "UpdateFunction"),
            ],
            scope.named("cloudfront", "function/", regional=False),
        ),
        grant(  # IAM knows no resource for what has no id yet
            "MakeWaysToOrigins",
            do("cloudfront", "CreateOriginAccessControl", "CreateVpcOrigin"),
            ["*"],
        ),
        grant(
            "WaysToOrigins",
            [
                *do("cloudfront", "DeleteOriginAccessControl", "GetOriginAccessControl"),
                *do("cloudfront", "GetOriginAccessControlConfig", "UpdateOriginAccessControl"),
                *do("cloudfront", "CreateResponseHeadersPolicy", "DeleteResponseHeadersPolicy"),
                *do("cloudfront", "GetResponseHeadersPolicy", "GetResponseHeadersPolicyConfig"),
                *do("cloudfront", "UpdateResponseHeadersPolicy"),
                *do("cloudfront", "DeleteVpcOrigin", "GetVpcOrigin", "UpdateVpcOrigin"),
            ],
            [
                scope.arn("cloudfront", f"{kind}/*", regional=False)
                for kind in ("origin-access-control", "response-headers-policy", "vpcorigin")
            ],
        ),
    ]
