"""An independent evaluator reads the program's rights, and independent linters its documents."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components._base import Context, Naming
from components.boundary import boundary_document
from local.engine.paths import AWS_PYTHON, CHECK_PYTHON, ROOT

pytestmark = pytest.mark.check
platform = importlib.import_module("tests_fixtures_platform_program")  # loaded by conftest
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
ACCOUNT, REGION = "111122223333", "us-east-1"
NAME = "healthcare-imaging-mlops-prod"


@pytest.fixture(scope="module", autouse=True)
def linters() -> None:
    """The environment `check`, made when it is not there."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "bootstrap.py"), "check", "aws"], check=True)


def linted(given: dict[str, Any]) -> dict[str, list[str]]:
    command = [str(CHECK_PYTHON), str(FIXTURES / "document_linters.py")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


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
