"""Rules about every resource: known services, known regions, tags that say what data lies there, no way around."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, at, is_set, plain
from hipaa_pack.rule import AnyRule, Rule, StackRule
from hipaa_pack.waivers import WAIVERS

SERVICES = frozenset(
    {
        "accessanalyzer",
        "acm",
        "apigateway",
        "apigatewayv2",
        "appautoscaling",
        "athena",
        "backup",
        "budgets",
        "cfg",
        "chatbot",
        "cloudcontrol",
        "cloudfront",
        "cloudtrail",
        "cloudwatch",
        "cognito",
        "dynamodb",
        "ebs",
        "ec2",
        "ecr",
        "ecs",
        "efs",
        "glue",
        "guardduty",
        "iam",
        "inspector2",
        "kinesis",
        "kms",
        "lambda",
        "lb",
        "macie2",
        "pipes",
        "route53",
        "s3",
        "sagemaker",
        "scheduler",
        "secretsmanager",
        "securityhub",
        "servicediscovery",
        "sfn",
        "signer",
        "sns",
        "sqs",
        "ssm",
        "synthetics",
        "vpc",
        "wafv2",
        "xray",
    }
)
"""Services of AWS that the platform may use: HIPAA eligible, or without any patient's data (docs/COMPLIANCE.md)."""
_OTHERS = ("imaging:", "awsx:ec2:", "pulumi:pulumi:", "pulumi:providers:", "random:", "tls:")
_NATIVE = ("aws-native:healthimaging:Datastore",)
# twins with tokens of their own: a rule that names the present type would never see them
TWINS = re.compile(r"aws:s3/bucket\w*V2:|aws:s3/bucketObject:|aws:alb/|aws:elb/|aws:applicationloadbalancing/")
_ESCAPES = ("aws:cloudformation/", "command:", "pulumi-python:dynamic", "pulumi-nodejs:dynamic")
_CLOUD_CONTROL = "aws:cloudcontrol/resource:Resource"
_CLOUD_CONTROL_TYPES = ("AWS::HealthImaging::Datastore",)
_STORES = frozenset(
    {
        "aws:s3/bucket:Bucket",
        "aws:dynamodb/table:Table",
        "aws:kms/key:Key",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:sqs/queue:Queue",
        "aws:sns/topic:Topic",
        "aws:secretsmanager/secret:Secret",
        "aws:lambda/function:Function",
        "aws:sfn/stateMachine:StateMachine",
        "aws:sagemaker/pipeline:Pipeline",
        "aws:cognito/userPool:UserPool",
        "aws:ecr/repository:Repository",
        "aws:cloudtrail/trail:Trail",
        "aws:ecs/service:Service",
        "aws:ecs/taskDefinition:TaskDefinition",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:cloudfront/distribution:Distribution",
    }
)
_TAGS = ("data-class", "owner", "stack")
_GUARDED = frozenset(
    {
        "policy",
        "kmsKeyId",
        "kmsKeyArn",
        "kmsMasterKeyId",
        "assumeRolePolicy",
        "permissionsBoundary",
        "serverSideEncryption",
        "serverSideEncryptionConfiguration",
        "pointInTimeRecovery",
        "loggingConfiguration",
        "encryptionConfiguration",
        "ingress",
        "egress",
        "tags",
        "*",
    }
)


def _allowed(kind: str) -> bool:
    if kind.startswith("aws:"):
        return kind.split(":")[1].split("/", maxsplit=1)[0] in SERVICES and not TWINS.match(kind)
    return kind.startswith(_OTHERS) or kind in _NATIVE


def _known_type(args: ResourceValidationArgs) -> Iterator[str]:
    if TWINS.match(args.resource_type):
        yield "a deprecated twin of a type: the rules for the present one would not see it"
    elif not _allowed(args.resource_type):
        yield "a type of a service that nobody has looked at: is it HIPAA eligible, and which rules does it need?"


def _no_escape(args: ResourceValidationArgs) -> Iterator[str]:
    if args.resource_type.startswith(_ESCAPES):
        yield "what this makes is not visible to any rule"
    elif args.resource_type == _CLOUD_CONTROL:
        name = at(plain(args.props), "typeName")
        if name is not UNKNOWN and name not in _CLOUD_CONTROL_TYPES:
            yield "Cloud Control makes types that no rule sees: only a HealthImaging data store is known"


def _region(args: ResourceValidationArgs) -> Iterator[str]:
    if not args.resource_type.startswith("aws:"):
        return
    provider: Any = args.provider.props if args.provider else {}
    for region in (at(plain(args.props), "region"), at(plain(provider), "region")):
        if isinstance(region, str) and not region.startswith("us-"):
            yield "patients' data stays in the United States"


def _tagged(args: ResourceValidationArgs) -> Iterator[str]:
    if args.resource_type not in _STORES:
        return
    values = plain(args.props)
    tags = at(values, "tags")
    if tags is UNKNOWN:
        return
    for tag in _TAGS:
        if not is_set(at(tags, tag)):
            yield f"the tag {tag} is missing: rules about audit and patient data hang on it"


def _no_ignoring(args: ResourceValidationArgs) -> Iterator[str]:
    for name in args.opts.ignore_changes if args.opts else []:
        if re.split(r"[.\[]", name)[0] in _GUARDED:
            yield "ignore_changes would let a security setting drift unseen"


def _stale_waivers(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    if resources:
        root = resources[0]
        yield from ((root, sentence) for sentence in WAIVERS.stale(root.urn))


RULES: list[Rule] = [
    AnyRule(
        id="meta-type-allow-list",
        says="every type belongs to a service that was looked at; deprecated twins are refused",
        sections=sections.ASSOCIATES,
        remedy="Use the present type; or add the service to SERVICES with its rules.",
        find=_known_type,
    ),
    AnyRule(
        id="meta-no-escape-hatch",
        says="nothing is made where no rule can see it",
        sections=(*sections.ASSOCIATES, *sections.EVALUATION),
        remedy="Use a resource of the provider.",
        find=_no_escape,
    ),
    AnyRule(
        id="meta-region",
        says="data stays in regions of the United States",
        sections=(*sections.ASSOCIATES, *sections.RISK),
        remedy="Set aws:region to one of the allowed regions.",
        find=_region,
    ),
    AnyRule(
        id="meta-tags",
        says="whatever holds or moves data says whose it is and of which class",
        sections=sections.DEVICES,
        remedy="Pass context.tags_for(...).",
        grade="medium",
        find=_tagged,
    ),
    AnyRule(
        id="meta-no-ignore",
        says="no security setting may drift unseen",
        sections=sections.EVALUATION,
        remedy="Take the property out of ignore_changes.",
        find=_no_ignoring,
    ),
]
LAST: list[Rule] = [
    StackRule(
        id="meta-waivers-current",
        says="a waiver has an end, and covers something",
        sections=sections.EVALUATION,
        remedy="Remove the waiver from policy/waivers.yaml, or look at it again and give it a new end.",
        find=_stale_waivers,
    ),
]
"""Rules that look back at what the others found."""
