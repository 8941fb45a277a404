"""The boundary: the most that any role can do."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from components._base import Context
from components.boundary import WorkloadBoundary, WorkloadBoundaryArgs, boundary_document


def _effects(context: Context, action: str) -> set[str]:
    statements = json.loads(boundary_document(context))["Statement"]
    return {s["Effect"] for s in statements if any(fnmatchcase(action, pattern) for pattern in s["Action"])}


@pytest.mark.parametrize(
    "action",
    [
        "cloudtrail:StopLogging",
        "kms:ScheduleKeyDeletion",
        "kms:PutKeyPolicy",
        "s3:BypassGovernanceRetention",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketPolicy",
        "iam:CreateAccessKey",
        "iam:DeleteRolePermissionsBoundary",
        "logs:DeleteLogGroup",
        "guardduty:DeleteDetector",
    ],
)
def test_no_role_may_ever_blind_or_weaken_the_platform(context: Context, action: str) -> None:
    assert "Deny" in _effects(context, action)


@pytest.mark.parametrize(
    "action",
    [
        "s3:GetObject",
        "dynamodb:UpdateItem",
        "kms:Decrypt",
        "medical-imaging:StartDICOMImportJob",
        "sagemaker:StartPipelineExecution",
        "states:StartExecution",
        "sqs:SendMessage",
        "events:PutEvents",
        "secretsmanager:GetSecretValue",
        "ec2:CreateNetworkInterface",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
    ],
)
def test_what_functions_and_training_need_is_inside(context: Context, action: str) -> None:
    assert _effects(context, action) == {"Allow"}


def test_nothing_is_allowed_as_a_whole_service(context: Context) -> None:
    for statement in json.loads(boundary_document(context))["Statement"]:
        if statement["Effect"] == "Allow":
            assert not [action for action in statement["Action"] if action.endswith(":*") or action == "*"]


def test_buckets_of_other_stacks_are_out_of_reach(context: Context) -> None:
    statements = {s["Sid"]: s for s in json.loads(boundary_document(context))["Statement"]}
    assert statements["OwnBuckets"]["Resource"] == ["arn:aws:s3:::healthcare-imaging-mlops-test-*"]


def test_a_boundary_that_iam_would_refuse_for_its_length_is_refused_here(context: Context) -> None:
    long = replace(context, naming=replace(context.naming, account="1" * 3000))
    with pytest.raises(ValueError, match="6144"):
        boundary_document(long)


def test_the_bootstraps_boundary_is_taken_by_name(record: Any, context: Context, preview: bool) -> None:
    args = WorkloadBoundaryArgs(context=context, existing="given")
    recording = record(lambda: {"arn": WorkloadBoundary("boundary", args).boundary_arn}, preview=preview)
    assert not recording.of("aws:iam/policy:Policy")
    assert recording.values["arn"] == "arn:aws:iam::111122223333:policy/given", "known in the first preview"


def test_the_boundary_is_readable_before_anything_exists(record: Any, context: Context, preview: bool) -> None:
    recording = record(
        lambda: {"arn": WorkloadBoundary("boundary", WorkloadBoundaryArgs(context=context)).boundary_arn},
        preview=preview,
    )
    assert recording.one("aws:iam/policy:Policy", "boundary").inputs["policy"] == boundary_document(context)
    assert recording.known["arn"] is not preview
