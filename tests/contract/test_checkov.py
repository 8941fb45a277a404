"""checkov reads what the program defines: every finding is waived with a reason, and no waiver is without a finding."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest

from local.engine.paths import ROOT
from tools import checkov
from tools.terraform_plan import UNKNOWN, Resource, plan, terraform_type

pytestmark = [pytest.mark.check, pytest.mark.engine]
STACKS = ("dev", checkov.COMPLETE)
"""`complete` is all of prod, and what its data leaves out."""
GONE = {"aws_db_security_group", "aws_elasticache_security_group", "aws_redshift_security_group"}
"""Types of EC2-Classic that checkov still checks and the provider no longer has."""
Inputs = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def linters() -> None:
    """The environment `check`, made when it is not there."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "bootstrap.py"), "check"], check=True)


@functools.cache
def resources(stack: str) -> list[Resource]:
    return checkov.resources(stack)


@functools.cache
def answer(stack: str) -> dict[str, Any]:
    return checkov.read(resources(stack))


@pytest.mark.parametrize("stack", STACKS)
def test_checkov_finds_nothing_that_is_not_waived(stack: str) -> None:
    left, _ = checkov.split(stack, answer(stack)["failed"], checkov.waivers())
    assert left == []
    assert answer(stack)["checks"] > 600, "checkov has checks for some two hundred of a stack's resources"


def test_every_waiver_covers_a_finding_and_gives_its_reason() -> None:
    used = [one for stack in STACKS for one in checkov.split(stack, answer(stack)["failed"], checkov.waivers())[1]]
    assert [one for one in checkov.waivers() if one not in used] == []
    assert all(len(one.reason) > 20 for one in checkov.waivers())


def test_every_type_that_checkov_checks_has_its_pulumi_type() -> None:
    known = answer("dev")["known"]
    tokens = set(re.findall(r'"(aws:\w+/\w+:\w+)"', Path(pulumi_aws.__file__).read_text()))
    mapped: dict[str, list[str]] = {}
    for token in sorted(tokens):
        mapped.setdefault(terraform_type(token, known), []).append(token)
    assert set(answer("dev")["types"]) - set(mapped) == GONE
    assert {kind: found for kind, found in mapped.items() if len(found) > 1} == {}


def test_every_type_of_the_program_is_one_that_terraform_has() -> None:
    known = answer("dev")["known"]
    ours = {one.type: terraform_type(one.type, known) for one in resources("complete") if one.type.startswith("aws:")}
    assert {token: kind for token, kind in ours.items() if kind not in known} == {}


def _open_group(inputs: Inputs) -> None:
    inputs.update(cidrIpv4="0.0.0.0/0", fromPort=22, toPort=22, ipProtocol="tcp")


def _star(inputs: Inputs) -> None:
    inputs["policy"] = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


def _sse_s3(inputs: Inputs) -> None:
    inputs["rules"][0]["applyServerSideEncryptionByDefault"] = {"sseAlgorithm": "AES256"}


SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
MUTANTS: list[tuple[str, str, str, Callable[[Inputs], None]]] = [
    ("CKV_AWS_24", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "", _open_group),
    ("CKV_AWS_62", "aws:iam/rolePolicy:RolePolicy", "monitoring-function-role-policy", _star),
    ("CKV_AWS_145", SSE, "buckets-audit", _sse_s3),
    ("CKV_AWS_7", "aws:kms/key:Key", "", lambda i: i.update(enableKeyRotation=False)),
    ("CKV_AWS_158", "aws:cloudwatch/logGroup:LogGroup", "", lambda i: i.pop("kmsKeyId")),
    ("CKV_AWS_28", "aws:dynamodb/table:Table", "", lambda i: i.update(pointInTimeRecovery={"enabled": False})),
    ("CKV_AWS_35", "aws:cloudtrail/trail:Trail", "", lambda i: i.pop("kmsKeyId")),
    ("CKV_AWS_53", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "", lambda i: i.pop("blockPublicAcls")),
    ("CKV_AWS_117", "aws:lambda/function:Function", "", lambda i: i.pop("vpcConfig")),
    ("CKV_AWS_130", "aws:ec2/subnet:Subnet", "", lambda i: i.update(mapPublicIpOnLaunch=True)),
    ("CKV_AWS_27", "aws:sqs/queue:Queue", "", lambda i: i.pop("kmsMasterKeyId")),
    ("CKV_AWS_26", "aws:sns/topic:Topic", "", lambda i: i.pop("kmsMasterKeyId")),
]


def test_a_mistake_in_the_program_is_found() -> None:
    """All mutants in one run: the first resource of a type (or the named one) with a mistake in it.

    Without its log, the network has none: checks over links see the engine's property dependencies.
    """
    stack = checkov.COMPLETE
    changed = [one for one in resources(stack) if one.type != "aws:ec2/flowLog:FlowLog"]
    expected = {("CKV2_AWS_11", "aws_vpc.network")}
    for check, token, name, spoil in MUTANTS:
        place = next(i for i, one in enumerate(changed) if one.type == token and one.name.startswith(name))
        inputs = copy.deepcopy(dict(changed[place].inputs))
        spoil(inputs)
        changed[place] = dataclasses.replace(changed[place], inputs=inputs)
        found = changed[place].name.removesuffix("-encryption") if token == SSE else changed[place].name
        kind = "aws_s3_bucket" if token == SSE else terraform_type(token, answer(stack)["known"])
        expected.add((check, f"{kind}.{found}"))
    before = {(one["check"], one["resource"]) for one in answer(stack)["failed"]}
    after = {(one["check"], one["resource"]) for one in checkov.read(changed)["failed"]}
    assert not before & expected
    assert expected <= after


def test_blocks_and_unknown_values_are_written_as_terraform_writes_them() -> None:
    one = Resource(
        type="aws:s3/bucketVersioning:BucketVersioning",
        name="v",
        urn="u",
        parent="",
        inputs={"bucket": UNKNOWN, "rules": [{"kmsKeyId": "k"}], "tags": {"camelCase": "x"}, "a": {"bC": True}},
        links={"bucket": ["b", "elsewhere"]},
    )
    bucket = Resource(type="aws:s3/bucket:Bucket", name="b", urn="b", parent="", inputs={}, links={})
    made = plan([one, bucket], ["aws_s3_bucket", "aws_s3_bucket_versioning"])
    values = made["planned_values"]["root_module"]["resources"][0]
    assert values["address"] == "aws_s3_bucket_versioning.v"
    block = [{"kms_key_id": "k"}]
    assert values["values"] == {"rule": block, "rules": block, "tags": {"camelCase": "x"}, "a": [{"b_c": True}]}
    expressions = made["configuration"]["root_module"]["resources"][0]["expressions"]
    assert expressions == {"bucket": {"references": ["aws_s3_bucket.b.id", "aws_s3_bucket.b"]}}
    with pytest.raises(ValueError, match="one type and name"):
        plan([bucket, dataclasses.replace(bucket, urn="c")], [])


def test_a_whole_number_reaches_checkov_as_one() -> None:
    """The engine has floats only, and a check of a number says of a float that it does not know."""
    group = Resource(
        type="aws:cloudwatch/logGroup:LogGroup",
        name="short",
        urn="urn:short",
        parent="",
        inputs={"name": "g", "retentionInDays": 7.0, "kmsKeyId": "arn:aws:kms:us-east-1:1:key/k"},
        links={},
    )
    assert "CKV_AWS_338" in {finding["check"] for finding in checkov.read([group])["failed"]}
