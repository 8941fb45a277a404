"""The policies of buckets: plain transport, foreign keys and callers from outside the VPC are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components._base import Context
from components._iam import Conditions, Statement

IMPORT_ROLE = "import"
"""Role name of HealthImaging's import jobs: they come from the service's own network, not through our endpoint."""

_READ_ACTIONS = ("s3:GetObject*", "s3:ListBucket*", "s3:ListMultipartUploadParts", "s3:RestoreObject")
_WRITE_ACTIONS = ("s3:AbortMultipartUpload", "s3:DeleteObject*", "s3:PutObject*")


@dataclass(frozen=True, kw_only=True)
class Perimeter:
    """Object access through the VPC's endpoint only.

    Attributes:
        endpoint_id: gateway endpoint that callers must come through.
        direct_principals: ARN patterns (or names of roles, for `PlatformBuckets`) that may come another way: the
            deploy role, which uploads code.
        presigned_prefixes: prefixes into which a presigned URL may write from outside.
        presigned_read_prefixes: prefixes from which a presigned URL may read from outside; listing stays inside.
    """

    endpoint_id: pulumi.Input[str]
    direct_principals: Sequence[str] = ()
    presigned_prefixes: Sequence[str] = ()
    presigned_read_prefixes: Sequence[str] = ()


def refusals(arn: str, key_arn: pulumi.Input[str] | None, perimeter: Perimeter | None) -> list[Statement]:
    """What the bucket with that ARN refuses, whatever identity policies may allow.

    Args:
        arn: ARN of the bucket.
        key_arn: the only key that objects may be encrypted with; None for the target of access logs.
        perimeter: None where clients do not come through the VPC's endpoint.
    """
    both = [arn, f"{arn}/*"]
    statements = [
        _deny("DenyPlainTransport", ["s3:*"], both, {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("DenyOldTls", ["s3:*"], both, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ]
    if key_arn is not None:
        # `Null` lets through what names no key and so gets the bucket's own by default
        statements.append(
            _deny(
                "DenyForeignKeys",
                ["s3:PutObject"],
                [f"{arn}/*"],
                {
                    "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn},
                    "Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
                },
            )
        )
    if perimeter is not None:
        statements += _perimeter_statements(arn, perimeter)
    return statements


def _deny(sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Conditions) -> Statement:
    return Statement(
        sid=sid, effect="Deny", actions=actions, resources=resources, principals="*", conditions=conditions
    )


def _perimeter_statements(arn: str, perimeter: Perimeter) -> list[Statement]:
    """Denies on objects and listings alone: whoever administers the bucket can still mend its policy."""
    outside: dict[str, dict[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]] = {
        "StringNotEquals": {"aws:SourceVpce": perimeter.endpoint_id},
        "Bool": {"aws:PrincipalIsAWSService": "false"},  # access log delivery and the like
        "BoolIfExists": {"aws:ViaAWSService": "false"},  # SageMaker and HealthImaging on behalf of a role
    }
    if perimeter.direct_principals:
        outside["ArnNotLikeIfExists"] = {"aws:PrincipalArn": list(perimeter.direct_principals)}
    presigned = [f"{arn}/{prefix}*" for prefix in perimeter.presigned_prefixes]
    readable = [f"{arn}/{prefix}*" for prefix in perimeter.presigned_read_prefixes]
    statements = [
        Statement(
            sid="DenyReadsFromOutside",
            effect="Deny",
            actions=_READ_ACTIONS,
            resources=() if readable else [arn, f"{arn}/*"],
            not_resources=readable,
            principals="*",
            conditions=outside,
        ),
        Statement(
            sid="DenyWritesFromOutside",
            effect="Deny",
            actions=_WRITE_ACTIONS,
            resources=() if presigned else [f"{arn}/*"],
            not_resources=presigned,
            principals="*",
            conditions=outside,
        ),
    ]
    unsigned = {**outside, "StringNotEquals": {**outside["StringNotEquals"], "s3:authType": "REST-QUERY-STRING"}}
    if presigned:
        statements.append(_deny("DenyWritesFromOutsideWithoutPresignedUrl", _WRITE_ACTIONS, presigned, unsigned))
    if readable:
        statements.append(_deny("DenyReadsFromOutsideWithoutPresignedUrl", _READ_ACTIONS, readable, unsigned))
    return statements


def access_log_delivery(context: Context) -> Statement:
    """Lets S3 write the access logs of this account's platform buckets, and no stranger's."""
    return Statement(
        sid="AccessLogsOfOwnBuckets",
        actions=["s3:PutObject"],
        resources=[f"{context.naming.bucket_arn('logs')}/*"],
        principals={"Service": ["logging.s3.amazonaws.com"]},
        conditions={
            "StringEquals": {"aws:SourceAccount": context.account},
            "ArnLike": {"aws:SourceArn": f"arn:{context.partition}:s3:::{context.naming.project}-*"},
        },
    )


def balancer_log_delivery(context: Context) -> Statement:
    """Lets the account's application load balancers write their access logs below a folder of each.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    return Statement(
        sid="AccessLogsOfOwnBalancers",
        actions=["s3:PutObject"],
        resources=[f"{context.naming.bucket_arn('logs')}/*/AWSLogs/{context.account}/*"],
        principals={"Service": ["logdelivery.elasticloadbalancing.amazonaws.com"]},
        conditions={
            "ArnLike": {"aws:SourceArn": context.naming.arn("elasticloadbalancing", "loadbalancer/app/*")},
        },
    )


def trail_delivery(context: Context, trail_arn: str) -> list[Statement]:
    """Lets CloudTrail write the files and digests of our trail into the audit bucket, and of no other trail.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    bucket = context.naming.bucket_arn("audit")
    ours: Conditions = {"StringEquals": {"aws:SourceArn": trail_arn}}
    service = {"Service": ["cloudtrail.amazonaws.com"]}
    return [
        Statement(
            sid="TrailFindsItsBucket",
            actions=["s3:GetBucketAcl"],
            resources=[bucket],
            principals=service,
            conditions=ours,
        ),
        Statement(
            sid="TrailWritesItsFiles",
            actions=["s3:PutObject"],
            resources=[f"{bucket}/AWSLogs/{context.account}/*"],
            principals=service,
            conditions={"StringEquals": {"aws:SourceArn": trail_arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
        ),
    ]


def configuration_delivery(context: Context, prefix: str) -> list[Statement]:
    """Lets AWS Config write its history and snapshots below `prefix` of the logs bucket, for this account only.

    https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-policy.html
    """
    bucket = context.naming.bucket_arn("logs")
    ours: Conditions = {"StringEquals": {"aws:SourceAccount": context.account}}
    service = {"Service": ["config.amazonaws.com"]}
    return [
        Statement(
            sid="ConfigFindsItsBucket",
            actions=["s3:GetBucketAcl", "s3:ListBucket"],
            resources=[bucket],
            principals=service,
            conditions=ours,
        ),
        Statement(
            sid="ConfigWritesItsHistory",
            actions=["s3:PutObject"],
            resources=[f"{bucket}/{prefix}/AWSLogs/{context.account}/Config/*"],
            principals=service,
            conditions={
                "StringEquals": {"aws:SourceAccount": context.account, "s3:x-amz-acl": "bucket-owner-full-control"}
            },
        ),
    ]


def reads_by(context: Context, role: str, principals: Sequence[str]) -> Statement:
    """Nobody but these roles (names or ARNs) and AWS's own services reads the bucket, whatever their rights."""
    bucket = context.naming.bucket_arn(role)
    arns = [
        one if one.startswith("arn:") else context.naming.arn("iam", f"role/{one}", regional=False)
        for one in principals
    ]
    return _deny(
        "DenyReadsButForRestore",
        ("s3:GetObject*",),
        [f"{bucket}/*"],
        {"ArnNotLike": {"aws:PrincipalArn": arns}, "Bool": {"aws:PrincipalIsAWSService": "false"}},
    )
