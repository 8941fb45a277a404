"""Recorded types live in the state alone, with outputs that look right."""

from __future__ import annotations

import re

import pytest

from local.provider.clients import connect
from local.provider.types import find
from local.provider.types.recorded import RECORDED, Recorded

pytestmark = pytest.mark.usefixtures("offline_environment")
INPUTS = {
    "name": "n",
    "family": "f",
    "bucket": "b",
    "groupName": "g",
    "logGroupName": "l",
    "analyzerName": "a",
    "configurationName": "c",
    "resourceId": "table/t",
    "serviceNamespace": "dynamodb",
    "resourceArn": "arn:aws:apigateway:us-east-1::/restapis/x/stages/v1",
    "detectorId": "d",
    "keyArn": "arn:aws:kms:us-east-1:111122223333:key/k",
    "awsServiceName": "config.amazonaws.com",
    "webAclArn": "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/w/1",
    "tags": {"a": "b"},
    "tagsAll": {"a": "b"},
}


@pytest.mark.parametrize("path", [row[0] for row in RECORDED])
def test_the_life_of_a_recorded_object_needs_no_aws(path: str) -> None:
    kind, aws = find(f"aws:{path}"), connect("us-east-1")
    assert isinstance(kind, Recorded)
    identity = kind.create(aws, INPUTS)
    state = kind.read(aws, identity, INPUTS)
    assert state is not None
    assert kind.create(aws, INPUTS) == identity, "an id is a function of its inputs"
    assert not re.search(r"[{}]", identity + str(state.get("arn")))
    assert ("tagsAll" in state) == kind.taggable
    assert kind.read(aws, identity, state) == state, "a refresh finds no drift"
    kind.update(aws, identity, INPUTS, INPUTS)
    kind.delete(aws, identity, state)


def test_arns_name_account_and_region() -> None:
    kind, aws = find("aws:cloudtrail/trail:Trail"), connect("us-east-1")
    assert kind is not None
    assert kind.create(aws, INPUTS) == "arn:aws:cloudtrail:us-east-1:111122223333:trail/n"
