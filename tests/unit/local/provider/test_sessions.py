"""Provider settings and errors without secrets."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from local.provider.kind import is_gone
from local.provider.sessions import configure, redacted, sentence, short


def test_settings_arrive_as_json_text() -> None:
    session = configure({"region": "eu-central-1", "defaultTags": json.dumps({"tags": {"a": "b"}})})
    assert session.aws.region == "eu-central-1"
    assert session.default_tags == {"a": "b"}
    assert session.aws.at("us-east-1").region == "us-east-1"
    assert session.aws.at(None) is session.aws


def test_errors_do_not_repeat_secrets() -> None:
    secret = [{"secretString": "hush-hush", "list": ["also this"]}]
    assert redacted("Invalid value hush-hush / also this", secret) == "Invalid value [secret] / [secret]"


def test_own_errors_carry_their_kind() -> None:
    assert sentence(KeyError("arn")) == "KeyError: 'arn'"
    assert sentence(RuntimeError("made it half way")) == "made it half way"
    assert short("urn:pulumi:s::p::a$aws:s3/bucket:Bucket::raw") == "raw (aws:s3/bucket:Bucket)"


@pytest.mark.parametrize(
    ("code", "message", "gone"),
    [
        ("NoSuchBucket", "", True),
        ("InvalidVpcID.NotFound", "", True),
        ("ResourceNotFoundException", "", True),
        ("ValidationException", "ModelPackageGroup x does not exist.", True),
        ("ValidationException", "bad name", False),
        ("AccessDenied", "the bucket does not exist for you", False),
    ],
)
def test_only_a_missing_object_counts_as_gone(code: str, message: str, gone: bool) -> None:
    assert is_gone(ClientError({"Error": {"Code": code, "Message": message}}, "Op")) is gone
