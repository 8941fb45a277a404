"""Independent linters and an independent evaluator read every policy and state machine of the program."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components._base import Context, Naming
from components.boundary import boundary_document
from local.engine.paths import AWS_PYTHON, CHECK_PYTHON, ROOT
from tests.fixtures import platform_program as platform

pytestmark = pytest.mark.check
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
ACCOUNT, REGION = "111122223333", "us-east-1"
NAME = "healthcare-imaging-mlops-prod"

KNOWN: dict[str, str] = {
    r"s3:TlsVersion requires a value of type Numeric but given \['1\.2'\]": "1.2 is AWS's own example: no whole number",
    r"Unknown condition aws:ViaAWSService": "a global key that is younger than parliament's list",
    r"Unknown condition lambda:SourceFunctionArn": "AWS fills it for every call that a function makes",
    r"Unknown condition sts:SourceIdentity for action sts:TagSession": "one request with AssumeRole, which carries it",
    r"Unknown condition s3:TlsVersion": "AWS fills it for every call of S3",
    r"Unknown condition kms:EncryptionContext:": "a context's keys are the caller's: CloudWatch Logs documents it",
    r"ArnLike requires a value of type Arn but given String": "that context's value is the ARN of a log group",
    r"StringNotEquals requires a value of type String but given Arn": "compared as a text, as AWS's examples do",
    r"RESOURCE_MISMATCH.*'logs:DescribeLogGroups', 'required_format': '\*'": "AWS binds it to log-group ARNs by now",
    r'Field "Label" not allowed in .*EachOf': "a Distributed Map's label is younger than statelint's grammar",
    r'Field "WriterConfig" not allowed in .*ResultWriter': "the same, of 2025",
    r'Field "InputType" not allowed in .*ReaderConfig': "statelint knows MaxItems alone there",
}
"""What a linter says wrongly, each with the reason; everything else is a finding."""
ANY_RESOURCE = "RESOURCE_STAR"
# In the policy of a role, key, repository or endpoint `*` is the thing itself, or what the conditions bind; network
# interfaces have no name before they exist.
STAR_IS_MEANT = re.compile(r"^(Role|Key|RepositoryPolicy|VpcEndpoint|Policy boundary)\b|ec2:CreateNetworkInterface")
BOUNDARY_ONLY = "RESOURCE_MISMATCH"


@pytest.fixture(scope="module", autouse=True)
def linters() -> None:
    """The environment `check`, made when it is not there."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "bootstrap.py"), "check", "aws"], check=True)


@functools.cache
def documents(stack: str) -> dict[str, dict[str, Any]]:
    """Every policy and every state machine of a stack, by resource."""
    found: dict[str, dict[str, Any]] = {"policies": {"Policy boundary policy": boundary()}, "machines": {}}
    for resource in platform.recorded_program(stack).resources:
        for key, value in resource.inputs.items():
            if isinstance(value, str) and key in ("policy", "assumeRolePolicy", "policyDocument", "definition"):
                name = f"{resource.token.rsplit(':', 1)[1]} {resource.name} {key}"
                document = json.loads(value)
                # a repository's lifecycle and the mask of a log group are policies of another kind
                if "States" in document or "Effect" in (document.get("Statement") or [{}])[0]:
                    found["machines" if key == "definition" else "policies"][name] = document
    return found


def linted(given: dict[str, Any]) -> dict[str, list[str]]:
    command = [str(CHECK_PYTHON), str(FIXTURES / "document_linters.py")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def is_known(name: str, finding: str) -> bool:
    if ANY_RESOURCE in finding:
        return bool(STAR_IS_MEANT.search(f"{name} {finding}"))
    if BOUNDARY_ONLY in finding and name.startswith("Policy boundary"):
        return True  # a boundary names families of actions; those for other kinds of resources grant nothing
    return any(re.search(pattern, finding) for pattern in KNOWN)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_linters_accept_every_policy_and_state_machine(stack: str) -> None:
    given = documents(stack)
    assert len(given["policies"]) > 80
    assert given["machines"]
    found = {name: [f for f in findings if not is_known(name, f)] for name, findings in linted(given).items()}
    assert {name: findings for name, findings in found.items() if findings} == {}


def test_the_linters_find_mistakes() -> None:
    statement = {"Effect": "Allow", "Action": ["s3:GetObjekt"], "Resource": "arn:aws:s3:::b/*"}
    wrong = {
        "policies": {"p": {"Version": "2012-10-17", "Statement": [statement]}},
        "machines": {"m": {"StartAt": "A", "States": {"B": {"Type": "Succeed"}}}},
    }
    found = linted(wrong)
    assert any("policy_sentry" in finding for finding in found["p"])
    assert any("parliament" in finding for finding in found["p"])
    assert found["m"]


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{NAME}-{name}"


def bucket(name: str) -> str:
    return f"arn:aws:s3:::{NAME}-{name}-{ACCOUNT}"


def statements_of(name: str) -> list[dict[str, Any]]:
    """The statements of a role, by the name of its component."""
    policy = platform.recorded_program("prod").one("aws:iam/rolePolicy:RolePolicy", f"{name}-role-policy")
    return [json.loads(policy.inputs["policy"])]


def boundary() -> dict[str, Any]:
    """The boundary that the account's bootstrap makes for the stack's roles."""
    naming = Naming(project=NAME.removesuffix("-prod"), stack="prod", account=ACCOUNT, region=REGION)
    tags: Any = None  # a document carries none
    return json.loads(boundary_document(Context(naming=naming, tags=tags, region=REGION, account=ACCOUNT)))


def decide(cases: list[dict[str, Any]]) -> list[str]:
    """ministack's evaluator of IAM: Allow, Deny or ImplicitDeny for each case."""
    command = [str(AWS_PYTHON), str(FIXTURES / "iam_decisions.py")]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def case(name: str, action: str, resource: str, **context: Any) -> dict[str, Any]:
    return {
        "principal": role(name),
        "policies": statements_of(name),
        "boundary": boundary(),
        "action": action,
        "resource": resource,
        "context": context,
    }


IMAGES = f"arn:aws:medical-imaging:{REGION}:{ACCOUNT}:datastore/0123456789abcdef0123456789abcdef"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAME}-pseudonym-key-AbCdEf"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{NAME}-audit"
LABELS = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{NAME}-labels"
TRAINING_DATA, PREPROCESSED = bucket("training-data"), bucket("preprocessed")
API, TRAINING, SERVING = "api-function", "mlops-pipeline", "mlops-model"
INGESTION, MONITORING = "ingestion-function", "monitoring-function"
PATHS: list[tuple[str, str, str, str, bool]] = [
    ("a radiologist appends a label", API, "dynamodb:PutItem", LABELS, True),
    ("a radiologist deletes a label", API, "dynamodb:DeleteItem", LABELS, False),
    ("a radiologist deletes an image", API, "medical-imaging:DeleteImageSet", f"{IMAGES}/imageset/0", False),
    ("a radiologist changes an image", API, "medical-imaging:UpdateImageSetMetadata", f"{IMAGES}/imageset/0", False),
    ("a radiologist imports images", API, "medical-imaging:StartDICOMImportJob", IMAGES, False),
    ("a radiologist writes beside the landing zone", API, "s3:PutObject", f"{TRAINING_DATA}/verified/a", False),
    # HeadObject, by which the API learns whether an upload is complete, is a matter of GetObject
    ("the API looks after an upload", API, "s3:GetObject", f"{TRAINING_DATA}/upload/a", True),
    ("the API reads what is in quarantine", API, "s3:GetObject", f"{TRAINING_DATA}/quarantine/a", False),
    ("the API reads audit records", API, "s3:GetObject", f"{bucket('audit')}/a", False),
    ("training reads pseudonymous images", TRAINING, "s3:GetObject", f"{PREPROCESSED}/deidentified/a", True),
    ("training reads the landing zone", TRAINING, "s3:GetObject", f"{TRAINING_DATA}/upload/a", False),
    ("training reads image sets", TRAINING, "medical-imaging:GetImageSet", f"{IMAGES}/imageset/0", False),
    ("training reads the pseudonyms' key", TRAINING, "secretsmanager:GetSecretValue", SECRET, False),
    ("serving reads the landing zone", SERVING, "s3:GetObject", f"{TRAINING_DATA}/upload/a", False),
    ("a function stops the trail", MONITORING, "cloudtrail:StopLogging", TRAIL, False),
    ("a function changes the trail", MONITORING, "cloudtrail:UpdateTrail", TRAIL, False),
    ("a function deletes audit records", INGESTION, "s3:DeleteObjectVersion", f"{bucket('audit')}/a", False),
]


@pytest.mark.parametrize(("path", "name", "action", "resource", "allowed"), PATHS, ids=[p[0] for p in PATHS])
def test_who_may_do_what(path: str, name: str, action: str, resource: str, allowed: bool) -> None:
    assert (decide([case(name, action, resource)]) == ["Allow"]) is allowed, path


def test_even_full_rights_change_no_trail_under_the_boundary() -> None:
    """Whoever adds rights to a role of the platform does not get past its boundary; the deploy role is outside it."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    actions = ("cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "iam:DeleteRolePermissionsBoundary")
    base = {"principal": role("any"), "policies": [everything], "resource": TRAIL, "context": {}}
    bound = [{**base, "action": action, "boundary": boundary()} for action in actions]
    free = [{**base, "action": action, "boundary": None} for action in actions]
    assert set(decide(bound)) == {"Deny"}
    assert set(decide(free)) == {"Allow"}, "without the boundary the same rights would do it: the test can fail"


def test_a_stranger_from_outside_the_endpoint_reads_nothing_even_with_rights() -> None:
    policy = json.loads(
        platform.recorded_program("prod")
        .one("aws:s3/bucketPolicy:BucketPolicy", "buckets-preprocessed-policy")
        .inputs["policy"]
    )
    denied = {s["Sid"] for s in policy["Statement"] if s["Effect"] == "Deny"}
    assert "DenyReadsFromOutside" in denied
    ours = next(s for s in policy["Statement"] if s["Sid"] == "DenyReadsFromOutside")["Condition"]
    endpoint = ours["StringNotEquals"]["aws:SourceVpce"]
    request = {**case("mlops-pipeline", "s3:GetObject", f"{PREPROCESSED}/deidentified/a"), "resource_policy": policy}
    signs = {"aws:principalisawsservice": "false", "aws:viaawsservice": "false", "s3:tlsversion": "1.3"}
    inside = {**request, "context": {**signs, "aws:sourcevpce": endpoint}}
    outside = {**request, "context": {**signs, "aws:sourcevpce": "vpce-other"}}
    plain = {**inside, "secure": False}
    assert decide([inside, outside, plain]) == ["Allow", "Deny", "Deny"]
