"""Inputs become parameters and come back; nothing is dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest

from local.provider.clients import connect
from local.provider.shapes import BadValueError, NoParameterError, camel, fit, same, unfit
from local.provider.wire import UNKNOWN

pytestmark = pytest.mark.usefixtures("offline_environment")


def shape(service: str, operation: str, *members: str) -> Any:
    found = connect("us-east-1").shape(service, operation)
    for member in members:
        found = found.members[member]
    return found


@pytest.mark.parametrize(
    ("api", "own"),
    [("KMSMasterKeyID", "kmsMasterKeyId"), ("SSEAlgorithm", "sseAlgorithm"), ("QueueUrl", "queueUrl")],
)
def test_names_become_camel_case(api: str, own: str) -> None:
    assert camel(api) == own


def test_an_encryption_rule_fits_and_comes_back_in_its_own_form() -> None:
    body = shape("s3", "put_bucket_encryption", "ServerSideEncryptionConfiguration")
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"}}]
    sent = fit(body, {"rules": rules})
    assert sent == {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}]
    }
    sent["Rules"][0]["BucketKeyEnabled"] = False  # added by the service: no drift
    assert unfit(body, sent, {"rules": rules}) == {"rules": rules}


def test_numbers_tags_and_singles_get_the_type_of_the_model() -> None:
    assert fit(shape("lambda", "create_function"), {"timeout": 3.0, "layers": "l"}) == {"Timeout": 3, "Layers": ["l"]}
    assert fit(shape("iam", "create_role"), {"tags": {"a": "b"}}) == {"Tags": [{"Key": "a", "Value": "b"}]}
    alarm = fit(shape("cloudwatch", "put_metric_alarm"), {"dimensions": {"FunctionName": "f"}, "threshold": "1"})
    assert alarm == {"Dimensions": [{"Name": "FunctionName", "Value": "f"}], "Threshold": 1.0}


def test_a_rename_counts_only_where_its_target_exists() -> None:
    pool = shape("cognito-idp", "create_user_pool")
    sent = fit(pool, {"name": "p", "schemas": [{"name": "licence"}]}, {"name": "PoolName", "schemas": "Schema"})
    assert sent == {"PoolName": "p", "Schema": [{"Name": "licence"}]}


def test_an_input_without_parameter_is_an_error_that_names_it() -> None:
    with pytest.raises(NoParameterError, match=r"environment\.colour") as caught:
        fit(shape("lambda", "create_function"), {"environment": {"colour": "red"}})
    assert caught.value.path == "environment.colour"


@pytest.mark.parametrize(("name", "value"), [("timeout", "soon"), ("environment", "flat")])
def test_a_value_of_the_wrong_kind_is_an_error_that_names_it(name: str, value: str) -> None:
    with pytest.raises(BadValueError, match=name):
        fit(shape("lambda", "create_function"), {name: value})


def test_unknowns_pass_through() -> None:
    assert fit(shape("lambda", "create_function"), {"role": UNKNOWN, "environment": UNKNOWN})["Role"] is UNKNOWN


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ('{"a": 1}', '{"a": 2}', False),
        (["b", "a"], ["a", "b"], True),
        ([{"a": "1"}], [{"a": 1}], True),
        (True, "true", True),
        ("30", 30, True),
        ("x", "y", False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_equal_means_equal_in_meaning(left: object, right: object, equal: bool) -> None:
    assert same(left, right) is equal
