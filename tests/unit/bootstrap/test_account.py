"""The bootstrap: exact subjects, rights inside boundaries, a state that stays, and no way around."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pulumi
import pytest

from bootstrap.rights import AREAS
from bootstrap.roles import POLICY_LIMIT
from bootstrap.scope import Scope
from bootstrap.settings import parse
from components._base import Context, Naming
from components._tags import Tags
from components.boundary import boundary_document
from components.containers import PUSH_ROLE, repository_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # parliament asks setuptools for its own version in an old way
    import parliament

ROOT = Path(__file__).parents[3]
ACCOUNT = "111122223333"
NAME = "healthcare-imaging-mlops"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-prod-boundary"
GITHUB = {"owner": "o", "ownerId": 5, "repository": "r", "repositoryId": 7}
Request = tuple[str, str, dict[str, str]]


@pytest.fixture(scope="module")
def prod(account: Callable[..., Any]) -> Any:
    """Production's account, made."""
    return account("prod")


def _policies(recording: Any, role: str, environment: str = "prod") -> Iterator[dict[str, Any]]:
    for policy in recording.of("aws:iam/policy:Policy"):
        if policy.name.startswith(f"{environment}-{role}-") and not policy.name.endswith("boundary"):
            yield from json.loads(policy.inputs["policy"])["Statement"]


def _matches(statement: dict[str, Any], request: Request) -> bool:
    """IAM's evaluation for the operators that these policies use."""
    action, resource, keys = request
    if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in statement["Action"]):
        return False
    if not any(fnmatchcase(resource, pattern) for pattern in statement["Resource"]):
        return False
    return all(
        _holds(operator, keys.get(key), wanted if isinstance(wanted, list) else [wanted])
        for operator, tests in statement.get("Condition", {}).items()
        for key, wanted in tests.items()
    )


def _holds(operator: str, found: str | None, wanted: list[str]) -> bool:
    if operator == "StringEquals":
        return found in wanted
    if operator == "StringNotEquals":
        return found not in wanted  # holds when the key is absent, too
    assert operator in {"ArnLike", "StringLike"}, operator
    return found is not None and any(fnmatchcase(found, pattern) for pattern in wanted)


def _allowed(recording: Any, role: str, request: Request, environment: str = "prod") -> bool:
    ceiling = recording.one("aws:iam/policy:Policy", f"{environment}-deploy-boundary").inputs["policy"]
    boundary = json.loads(ceiling)["Statement"]
    own = list(_policies(recording, role, environment))
    if any(s["Effect"] == "Deny" and _matches(s, request) for s in [*own, *boundary]):
        return False
    return all(any(s["Effect"] == "Allow" and _matches(s, request) for s in group) for group in (own, boundary))


ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-prod-image-ingestion"
STATE = f"arn:aws:s3:::{NAME}-state-{ACCOUNT}"
OWN_KEY = {"aws:ResourceTag/project": NAME, "aws:ResourceTag/stack": "prod"}


@pytest.mark.parametrize(
    "request_",
    [
        ("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:PutRolePolicy", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("s3:CreateBucket", f"arn:aws:s3:::{NAME}-prod-audit-{ACCOUNT}", {}),
        ("s3:PutObject", f"arn:aws:s3:::{NAME}-prod-model-artifacts-{ACCOUNT}/code/x", {}),
        ("lambda:CreateFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{NAME}-prod-image-ingestion", {}),
        ("cloudtrail:UpdateTrail", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{NAME}-prod-trail", {}),
        ("kms:PutKeyPolicy", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1", OWN_KEY),
        ("s3:PutObject", f"{STATE}/.pulumi/stacks/{NAME}/prod.json", {}),
        ("logs:CreateLogGroup", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{NAME}-prod-monitoring", {}),
        (  # named by API Gateway after the id of the API
            "logs:CreateLogGroup",
            f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:API-Gateway-Execution-Logs_a1b2c3/v1",
            {},
        ),
        ("ecr:CreateRepository", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{NAME}-prod-api", {}),
    ],
    ids=lambda value: value[0],
)
def test_the_deploy_role_can_make_the_platform(prod: Any, request_: Request) -> None:
    assert _allowed(prod, "deploy", request_)


@pytest.mark.parametrize(
    "request_",
    [
        ("iam:CreateRole", ROLE, {}),
        ("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/other"}),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:DeleteRolePermissionsBoundary", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:CreatePolicyVersion", BOUNDARY, {}),
        ("iam:SetDefaultPolicyVersion", BOUNDARY, {}),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-prod-deploy", {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-prod-deploy", {}),
        (
            "iam:PassRole",
            f"arn:aws:iam::{ACCOUNT}:role/{NAME}-prod-deploy",
            {"iam:PassedToService": "lambda.amazonaws.com"},
        ),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", {}),
        ("iam:CreateOpenIDConnectProvider", f"arn:aws:iam::{ACCOUNT}:oidc-provider/x", {}),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
        ("organizations:LeaveOrganization", "*", {}),
        ("s3:CreateBucket", f"arn:aws:s3:::{NAME}-dev-audit-{ACCOUNT}", {}),
        ("s3:GetObject", f"arn:aws:s3:::{NAME}-prod-training-data-{ACCOUNT}/upload/x.dcm", {}),
        ("dynamodb:Query", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{NAME}-prod-image-tracking", {}),
        ("medical-imaging:GetImageFrame", "*", {"aws:RequestedRegion": "us-east-1"}),
        ("s3:PutBucketVersioning", STATE, {}),
        ("s3:DeleteObjectVersion", f"{STATE}/.pulumi/stacks/{NAME}/prod.json", {}),
        ("s3:PutObject", f"{STATE}/.pulumi/stacks/{NAME}/dev.json", {}),
        (
            "kms:ScheduleKeyDeletion",
            f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
            OWN_KEY | {"aws:ResourceTag/stack": "bootstrap"},
        ),
        ("kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1", {"aws:ResourceTag/project": "another"}),
        ("ecr:PutImage", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{NAME}-prod-api", {}),
    ],
    ids=lambda value: f"{value[0]} {value[1].rsplit(':', 1)[-1]}",
)
def test_the_deploy_role_has_no_way_out(prod: Any, request_: Request) -> None:
    assert not _allowed(prod, "deploy", request_)


def test_nobody_else_makes_or_reads_what_matters(prod: Any) -> None:
    bucket = f"arn:aws:s3:::{NAME}-prod-audit-{ACCOUNT}"
    repository = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{NAME}-prod-api"
    lock = f"{STATE}/.pulumi/locks/organization/{NAME}/prod/1.json"
    assert _allowed(prod, "preview", ("s3:GetBucketPolicy", bucket, {}))
    assert _allowed(prod, "preview", ("s3:PutObject", lock, {}))
    assert not _allowed(prod, "preview", ("s3:PutObject", f"{STATE}/.pulumi/stacks/{NAME}/prod.json", {}))
    assert not _allowed(prod, "preview", ("s3:PutBucketPolicy", bucket, {}))
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{NAME}-prod-pseudonym-key-1"
    assert not _allowed(prod, "preview", ("secretsmanager:GetSecretValue", secret, {}))
    assert _allowed(prod, "image-push", ("ecr:PutImage", repository, {}))
    assert not _allowed(prod, "image-push", ("ecr:SetRepositoryPolicy", repository, {}))
    assert not _allowed(prod, "image-push", ("ecr:BatchDeleteImage", repository, {}))


def test_a_preview_reads_only(prod: Any) -> None:
    for statement in _policies(prod, "preview"):
        if statement["Sid"] not in ("HoldLock", "UseStateKey"):
            for action in statement["Action"]:
                assert re.match(r"[a-z0-9-]+:(Get|List|Describe)|apigateway:GET", action), action


def test_a_pull_requests_code_decrypts_secrets_of_dev_alone(account: Callable[..., Any], prod: Any) -> None:
    def decrypts(recording: Any, environment: str) -> bool:
        policy = recording.one("aws:iam/policy:Policy", f"{environment}-preview-state").inputs["policy"]
        return "UseSecretsKey" in policy

    assert not decrypts(prod, "prod")
    assert decrypts(account("dev"), "dev")


@pytest.mark.parametrize(
    ("form", "subjects"),
    [
        ("ids", ["repo:o@5/r@7:environment:prod"]),
        ("names", ["repo:o/r:environment:prod"]),
        ("both", ["repo:o@5/r@7:environment:prod", "repo:o/r:environment:prod"]),
    ],
)
def test_trust_names_the_audience_and_the_whole_subject(
    account: Callable[..., Any], form: str, subjects: list[str]
) -> None:
    recording = account("prod", github=GITHUB | {"subjects": form})
    (statement,) = json.loads(recording.one("aws:iam/role:Role", "prod-deploy").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subjects,
        }
    }


def test_each_role_has_its_own_github_environment_and_an_hour_at_most(prod: Any) -> None:
    found = {}
    for role in prod.of("aws:iam/role:Role"):
        found[role.name] = json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]["Condition"]["StringEquals"][
            "token.actions.githubusercontent.com:sub"
        ][0].rsplit(":", 1)[1]
        assert role.inputs["maxSessionDuration"] == 3600
        assert role.inputs["permissionsBoundary"].endswith("prod-deploy-boundary")
    assert found == {"prod-deploy": "prod", "prod-preview": "prod-preview", "prod-image-push": "prod-images"}


WAIVED = {
    ("RESOURCE_STAR", "MakeNetwork"): "what is being made has no name yet; the region bounds it",
    ("RESOURCE_STAR", "RemoveOwnNetwork"): "the tag of the project bounds it",
    ("RESOURCE_STAR", "ReadNetwork"): "describing tells no content",
    ("RESOURCE_STAR", "ReadReadNetwork"): "describing tells no content",
    ("RESOURCE_STAR", "WatchTheAccount"): "one detector, recorder and analyzer an account, named by AWS",
    ("RESOURCE_STAR", "ReadWatchTheAccount"): "one detector, recorder and analyzer an account, named by AWS",
    ("RESOURCE_STAR", "Respond"): "a boundary grants nothing; a finding may name any resource of the account",
    (
        "UNKNOWN_ACTION",
        "ProtectLogs",
    ): "deletion protection of log groups is newer than parliament's list; boto3 has it",
    ("RESOURCE_MISMATCH", "Aliases"): "the other half of the right is the statement AliasesOfKeys",
    ("RESOURCE_MISMATCH", "AliasesOfKeys"): "the other half of the right is the statement Aliases",
    ("RESOURCE_POLICY_PRIVILEGE_ESCALATION", "Buckets"): "setting bucket policies is its work; the boundary denies PHI",
    ("MISMATCHED_TYPE_BUT_USABLE", "MakeRolesInsideTheBoundary"): "AWS's own examples compare this key as a string",
    ("MISMATCHED_TYPE_BUT_USABLE", "NoRoleOutsideTheWorkloadBoundary"): "AWS's own examples do",
}
"""(what parliament says, statement) -> why it stays."""


def test_parliament_finds_nothing_that_has_no_reason(prod: Any) -> None:
    found: set[tuple[str, str]] = set()
    details: list[str] = []
    for policy in prod.of("aws:iam/policy:Policy"):
        assert len(policy.inputs["policy"]) <= POLICY_LIMIT, policy.name
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            if "*" in statement["Resource"] and any(a.endswith(":*") for a in statement["Action"]):
                continue  # a boundary's Allow: it names services, and grants nothing
            if policy.name.endswith("workload-boundary"):
                continue  # the platform's own, judged by its own tests
            text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            for finding in parliament.analyze_policy_string(text).findings:
                found.add((finding.issue, statement["Sid"]))
                details.append(f"{policy.name} {statement['Sid']}: {finding.issue} {finding.detail}")
    unexplained = found - WAIVED.keys()
    assert not unexplained, "\n".join(line for line in details if any(f"{s}: {i}" in line for i, s in unexplained))
    assert not WAIVED.keys() - found, "a waiver that waives nothing"


def test_the_boundary_of_workloads_is_the_platforms_own(prod: Any) -> None:
    naming = Naming(project=NAME, stack="prod", account=ACCOUNT, region="us-east-1")
    context = Context(
        naming=naming, tags=Tags(project=NAME, stack="prod", owner="x"), region="us-east-1", account=ACCOUNT
    )
    policy = prod.one("aws:iam/policy:Policy", "prod-workload-boundary").inputs
    assert policy["policy"] == boundary_document(context)
    assert policy["name"] == naming.name("boundary", limit=128)
    scope = Scope(environment="prod", account=ACCOUNT, region="us-east-1")
    assert scope.role(PUSH_ROLE).endswith(naming.name(PUSH_ROLE)), "the repositories' policy names this role"
    assert repository_name(context, "api").startswith(scope.prefix)


def test_the_state_is_versioned_encrypted_logged_and_stays(prod: Any) -> None:
    buckets = {one.name: one for one in prod.of("aws:s3/bucket:Bucket")}
    assert buckets["state-bucket"].protect
    assert len(prod.of("aws:s3/bucketVersioning:BucketVersioning")) == 2
    policy = prod.policy("aws:s3/bucketPolicy:BucketPolicy", "state-bucket-policy")
    assert {"DenyPlainTransport", "DenyOldTls", "DenyForeignKeys"} <= set(policy)
    assert prod.one("aws:s3/bucketLogging:BucketLogging").inputs["targetBucket"].startswith(f"{NAME}-state-logs-")
    for key in prod.of("aws:kms/key:Key"):
        assert (key.inputs["enableKeyRotation"], key.protect) == (True, True)


def test_sagemakers_job_logs_have_a_key_of_their_own_and_an_end(account: Callable[..., Any], prod: Any) -> None:
    groups = {group.inputs["name"]: group.inputs for group in prod.of("aws:cloudwatch/logGroup:LogGroup")}
    assert set(groups) == {f"/aws/sagemaker/{kind}" for kind in ("ProcessingJobs", "TrainingJobs", "TransformJobs")}
    assert {group["retentionInDays"] for group in groups.values()} == {30}
    assert {group["tags"]["log-class"] for group in groups.values()} == {"operations"}
    key = prod.one("aws:kms/key:Key", "job-logs-key")
    assert all("job-logs-key" in group["kmsKeyId"] for group in groups.values())
    use = next(one for one in json.loads(key.inputs["policy"])["Statement"] if "LogGroups" in one["Sid"])
    arns = {f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}" for name in groups}
    assert set(use["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]) == arns, "and no stack's groups"
    longer = account("prod", jobLogs={"days": 365}).of("aws:cloudwatch/logGroup:LogGroup")
    assert {group.inputs["retentionInDays"] for group in longer} == {365}
    for role in ("deploy", "preview", "image-push"):
        arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/TrainingJobs"
        for action in ("logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:DisassociateKmsKey"):
            assert not _allowed(prod, role, (action, arn, {}))


def test_the_lock_of_the_state_is_a_matter_of_data(account: Callable[..., Any]) -> None:
    locked = account("prod", state={"objectLockDays": 30})
    assert locked.one("aws:s3/bucket:Bucket", "state-bucket").inputs["objectLockEnabled"] is True
    retention = locked.one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs["rule"]
    assert retention == {"defaultRetention": {"mode": "GOVERNANCE", "days": 30}}
    recording = account("dev")
    assert not recording.of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    assert recording.one("aws:s3/bucket:Bucket", "state-bucket").inputs["objectLockEnabled"] is False


def test_policies_are_readable_before_anything_exists(account: Callable[..., Any]) -> None:
    recording = account("prod", preview=True)
    for area in AREAS:
        assert isinstance(recording.one("aws:iam/policy:Policy", f"prod-deploy-{area}").inputs["policy"], str)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"environments": ["prod", "prod"]}, "name every environment once"),
        ({"environments": ["prod", "prod-eu"]}, "not be the beginning of another environment's name"),
        ({"environments": ["Prod*"]}, "be the name of a stack"),
        ({"environments": ["state"]}, "not be called as the state bucket is"),
        ({"github": GITHUB | {"owner": "*"}}, "no star"),
        ({"github": GITHUB | {"repository": "a/b"}}, "no slash"),
        ({"state": {"objectLockDays": 300, "noncurrentVersionDays": 30}}, "be at most noncurrentVersionDays"),
        ({"unheard": 1}, "not permitted"),
    ],
)
def test_bad_settings_are_refused_in_words(changed: dict[str, Any], words: str) -> None:
    good = {"environments": ["prod"], "github": GITHUB, "tags": {"owner": "o", "costCenter": "c"}}
    assert parse(good).environments == ("prod",)
    with pytest.raises(pulumi.RunError, match=re.escape(words)):
        parse(good | changed)


def test_the_deploy_role_knows_every_service_that_the_platform_uses() -> None:
    """A new service in the program needs its rights in bootstrap/rights.py in the same commit."""
    sources = "\n".join(path.read_text() for path in (ROOT / "components").glob("*.py"))
    used = set(re.findall(r"\baws\.([a-z0-9_]+)\.[A-Z]", sources))
    scope = Scope(environment="prod", account=ACCOUNT, region="us-east-1")
    granted = {action.split(":")[0] for make in AREAS.values() for s in make(scope) for action in s.actions}
    prefixes = {
        "cfg": "config", "cloudcontrol": "cloudformation", "cognito": "cognito-idp", "ebs": "ec2", "lambda_": "lambda",
        "sfn": "states", "vpc": "ec2", "accessanalyzer": "access-analyzer", "lb": "elasticloadbalancing",
        "appautoscaling": "application-autoscaling", "macie": "macie2", "inspector2": "inspector2",
    }  # fmt: skip
    assert {prefixes.get(name, name) for name in used} <= granted


REVIEW = f"{NAME}-review"
REVIEW_TAGS = {"aws:ResourceTag/project": NAME, "aws:ResourceTag/stack": "review-12"}


@pytest.mark.parametrize(
    ("request_", "may"),
    [
        (("s3:CreateBucket", f"arn:aws:s3:::{REVIEW}-12-audit-{ACCOUNT}", {}), True),
        (("kms:PutKeyPolicy", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1", REVIEW_TAGS), True),
        (("s3:PutObject", f"{STATE}/.pulumi/stacks/{NAME}/review-12.json", {}), True),
        (("s3:PutObject", f"{STATE}/.pulumi/locks/organization/{NAME}/review-12/1.json", {}), True),
        (("s3:CreateBucket", f"arn:aws:s3:::{NAME}-dev-audit-{ACCOUNT}", {}), False),
        (
            (
                "kms:PutKeyPolicy",
                f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
                REVIEW_TAGS | {"aws:ResourceTag/stack": "dev"},
            ),
            False,
        ),
        (("s3:PutObject", f"{STATE}/.pulumi/stacks/{NAME}/dev.json", {}), False),
        (("s3:PutObject", f"{STATE}/.pulumi/locks/organization/{NAME}/dev/1.json", {}), False),
        (("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{REVIEW}-deploy", {}), False),
    ],
    ids=lambda value: f"{value[0]} {value[1].rsplit(':', 1)[-1]}" if isinstance(value, tuple) else str(value),
)
def test_the_review_role_reaches_every_review_stack_and_no_stage(
    account: Callable[..., Any], request_: Request, may: bool
) -> None:
    assert _allowed(account("dev"), "deploy", request_, environment="review") is may


def test_only_an_account_that_asks_for_it_has_the_review_environment(prod: Any) -> None:
    assert not [one.name for one in prod.of("aws:iam/role:Role") if one.name.startswith("review")]
