"""The most that the roles of GitHub's workflows can ever do, whatever their policies say."""

from __future__ import annotations

import json
from typing import Any

from bootstrap.scope import Scope, do

_SERVICES = (
    *(
        "access-analyzer",
        "apigateway",
        "application-autoscaling",
        "chatbot",
        "cloudformation",
        "cloudfront",
        "cloudtrail",
        "cloudwatch",
        "cognito-idp",
        "config",
    ),
    *("dynamodb", "ec2", "ecr", "ecs", "elasticloadbalancing", "events", "guardduty", "iam", "kms", "lambda", "logs"),
    *("medical-imaging", "s3", "sagemaker", "secretsmanager", "sns", "sqs", "states", "wafv2", "xray"),
)


def deploy_boundary(scope: Scope, state_bucket: str) -> str:
    """The boundary as compact JSON: services in use, and no way to more rights, to patients or around the state.

    Raises ValueError when it is over IAM's limit.
    """
    own_roles = [scope.role(name) for name in ("deploy", "preview", "image-push")]
    state = f"arn:{scope.partition}:s3:::{state_bucket}"
    phi = [f"arn:{scope.partition}:s3:::{scope.prefix}-{role}-*/*" for role in ("training-data", "preprocessed")]
    statements = [
        {"Sid": "ServicesInUse", "Effect": "Allow", "Action": [f"{s}:*" for s in _SERVICES], "Resource": ["*"]},
        _deny(
            "NoRoleOutsideTheWorkloadBoundary",
            do("iam", "AttachRolePolicy", "CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy"),
            ["*"],
            {"StringNotEquals": {"iam:PermissionsBoundary": scope.workload_boundaries}},
        ),
        _deny(
            "NoOtherWayToRights",
            [
                *do("iam", "AddUserToGroup", "Attach*Group*", "AttachUserPolicy", "Create*Provider*"),
                *do("iam", "CreateAccessKey", "CreateGroup", "CreateInstanceProfile", "CreateLoginProfile"),
                *do("iam", "CreatePolicy", "CreatePolicyVersion", "CreateUser", "Delete*Provider*", "DeletePolicy*"),
                *do("iam", "DeleteRolePermissionsBoundary", "PutGroupPolicy", "PutUser*", "SetDefaultPolicyVersion"),
                *do("iam", "Update*Provider*", "UpdateLoginProfile", "UpdateAccessKey"),
            ],
            ["*"],
        ),
        _deny(
            "NoChangeOfTheseRoles",
            do("iam", "Attach*", "Delete*", "Detach*", "PassRole", "Put*", "Tag*", "Untag*", "Update*"),
            own_roles,
        ),
        _deny(
            "StateStaysProtected",
            [
                *do("s3", "BypassGovernanceRetention", "DeleteBucket*", "DeleteObjectVersion*", "PutBucket*"),
                *do("s3", "PutEncryptionConfiguration", "PutLifecycleConfiguration", "PutObjectRetention"),
            ],
            [state, f"{state}/*"],
        ),
        _deny(
            "KeysOfTheStateStay",
            do("kms", "CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource"),
            ["*"],
            {"StringEquals": {"aws:ResourceTag/stack": "bootstrap"}},
        ),
        _deny("PatientsStayUnread", do("s3", "GetObject", "GetObjectVersion"), phi),
        _deny(
            "PatientsRecordsStayUnread",
            [
                *do("dynamodb", "BatchGetItem", "ExportTable*", "GetItem", "GetRecords", "PartiQL*", "Query", "Scan"),
                *do("medical-imaging", "GetDICOM*", "GetImage*", "SearchImageSets"),
            ],
            ["*"],
        ),
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True, separators=(",", ":"))
    if len(document) > 6144:
        raise ValueError(f"the boundary has {len(document)} characters; IAM takes 6144")
    return document


def _deny(
    sid: str,
    actions: list[str],
    resources: list[str],
    conditions: dict[str, dict[str, str]] | dict[str, dict[str, list[str]]] | None = None,
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement
