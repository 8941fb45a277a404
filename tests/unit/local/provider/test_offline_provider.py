"""Without network and credentials the plugin previews everything and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from local.provider import wire
from local.provider.clients import Aws, OfflineError, connect
from local.provider.server import Provider
from local.provider.types import load

pytestmark = pytest.mark.usefixtures("offline_environment")
URN = "urn:pulumi:s::p::{}::thing"
BUCKET = "aws:s3/bucket:Bucket"


@pytest.fixture
def provider(call: Any) -> Provider:
    made = Provider()
    settings = {"region": "eu-west-1", "defaultTags": json.dumps({"tags": {"project": "imaging"}})}
    made.Configure(pb.ConfigureRequest(args=wire.encode_map(settings)), call)
    return made


def check(provider: Provider, call: Any, token: str, inputs: dict[str, Any], **more: Any) -> Any:
    news = wire.encode_map(inputs, more.pop("secrets", set()))
    request = pb.CheckRequest(urn=URN.format(token), news=news, randomSeed=b"seed" * 8, **more)
    return provider.Check(request, call)


def test_check_names_the_object_and_completes_its_inputs(provider: Provider, call: Any) -> None:
    result = check(provider, call, BUCKET, {"tags": {"a": "b"}})
    inputs = wire.decode_map(result.inputs)
    assert inputs["bucket"].startswith("thing-")
    assert inputs["__defaults"] == ["bucket", "forceDestroy"]
    assert "tagsAll" not in inputs, "tagsAll is an output"
    again = wire.decode_map(check(provider, call, BUCKET, {"tags": {"a": "b"}}, olds=result.inputs).inputs)
    assert again["bucket"] == inputs["bucket"]


def test_a_prefix_makes_the_beginning_of_the_name(provider: Provider, call: Any) -> None:
    inputs = wire.decode_map(check(provider, call, BUCKET, {"bucketPrefix": "scans-"}).inputs)
    assert inputs["bucket"].startswith("scans-")
    assert len(inputs["bucket"]) == len("scans-") + 26


def test_check_keeps_secrets_as_they_came(provider: Provider, call: Any) -> None:
    token = "aws:secretsmanager/secretVersion:SecretVersion"
    inputs = {"secretId": "s", "secretString": "hush"}
    result = check(provider, call, token, inputs, secrets={"secretString"})
    assert wire.secret_keys(result.inputs) == {"secretString"}


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (BUCKET, {"acl": "public-read", "colour": "red"}, "colour"),
        ("aws:sqs/queue:Queue", {"redrivePolicy": "{"}, "redrivePolicy"),
        ("aws:iam/role:Role", {"assumeRolePolicy": "{not json"}, "assumeRolePolicy"),
        ("aws:sfn/stateMachine:StateMachine", {"definition": '{"StartAt":"A","States":{}}'}, "definition"),
        ("aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"protocol": "tcp", "colour": 1}]}, "ingress.colour"),
        ("aws:lambda/function:Function", {"timeout": "soon"}, "timeout"),
    ],
)
def test_bad_inputs_are_refused_by_name(
    provider: Provider, call: Any, token: str, inputs: dict[str, Any], path: str
) -> None:
    failures = check(provider, call, token, inputs).failures
    assert path in {failure.property for failure in failures}


def test_an_unknown_type_is_an_error_that_names_it(provider: Provider, call: Any) -> None:
    with pytest.raises(Exception, match="aws:ec2/instance:Instance") as caught:
        check(provider, call, "aws:ec2/instance:Instance", {})
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("token", sorted(load()))
def test_every_type_previews_its_creation(provider: Provider, call: Any, token: str) -> None:
    inputs = check(provider, call, token, {}).inputs
    reply = provider.Create(pb.CreateRequest(urn=URN.format(token), properties=inputs, preview=True), call)
    found = wire.decode_map(reply.properties)
    assert wire.decode_map(inputs).items() <= found.items()
    assert found.get("tagsAll") == ({"project": "imaging"} if load()[token].taggable else None)


@pytest.mark.parametrize("token", sorted(load()))
def test_no_type_changes_anything(provider: Provider, call: Any, token: str) -> None:
    urn, properties = URN.format(token), wire.encode_map({"name": "x"})
    steps = {
        "creating": lambda: provider.Create(pb.CreateRequest(urn=urn, properties=properties), call),
        "reading": lambda: provider.Read(pb.ReadRequest(urn=urn, id="x", properties=properties), call),
        "updating": lambda: provider.Update(pb.UpdateRequest(urn=urn, id="x", news=properties), call),
        "deleting": lambda: provider.Delete(pb.DeleteRequest(urn=urn, id="x", properties=properties), call),
    }
    for doing, step in steps.items():
        with pytest.raises(Exception, match=f"previews only: {doing} thing") as caught:
            step()
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_the_client_itself_refuses_to_speak() -> None:
    with pytest.raises(OfflineError, match="s3:ListBuckets"):
        connect("us-east-1").client("s3").list_buckets()


def invoke(provider: Provider, call: Any, token: str, args: dict[str, Any]) -> dict[str, Any]:
    reply = provider.Invoke(pb.InvokeRequest(tok=token, args=wire.encode_map(args)), call)
    return wire.decode_map(getattr(reply, "return"))


def test_the_account_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AWS_ACCOUNT", "999988887777")
    assert Aws("us-east-1").account == "999988887777"


def test_functions_answer(provider: Provider, call: Any) -> None:
    me = invoke(provider, call, "aws:index/getCallerIdentity:getCallerIdentity", {})
    assert me["accountId"] == "111122223333"
    assert invoke(provider, call, "aws:index/getRegion:getRegion", {})["region"] == "eu-west-1"
    assert invoke(provider, call, "aws:index/getPartition:getPartition", {})["partition"] == "aws"
    zones = invoke(provider, call, "aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert zones["zoneIds"] == ["euw1-az1", "euw1-az2", "euw1-az3"]


def test_a_policy_document_is_made_of_its_statements(provider: Provider, call: Any) -> None:
    statement = {
        "sid": "Tls",
        "effect": "Deny",
        "actions": ["s3:*"],
        "resources": ["b", "a"],
        "principals": [{"type": "*", "identifiers": ["*"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }
    document = json.loads(
        invoke(provider, call, "aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})["json"]
    )
    assert document["Statement"] == [
        {
            "Sid": "Tls",
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": ["a", "b"],
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_an_update_preview_keeps_old_outputs_and_new_inputs(provider: Provider, call: Any) -> None:
    old = {"bucket": "b", "tags": {"a": "1"}}
    request = pb.UpdateRequest(
        urn=URN.format(BUCKET),
        id="b",
        preview=True,
        old_inputs=wire.encode_map(old),
        olds=wire.encode_map({**old, "arn": "arn:aws:s3:::b", "tagsAll": {"a": "1"}}),
        news=wire.encode_map({"bucket": "b", "tags": {"a": "2"}}),
    )
    found = wire.decode_map(provider.Update(request, call).properties)
    assert found["arn"] == "arn:aws:s3:::b"
    assert found["tagsAll"] == {"project": "imaging", "a": "2"}
