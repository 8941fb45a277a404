"""Whatever the OpenAPI document allows, and what it forbids, is answered: never with a 5xx, and errors as problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from moto import mock_aws

from api import openapi
from api.app import create_app
from api.transfers import S3Delivery

CLAIMS = {
    "sub": "person-1",
    "cognito:groups": "[radiologist, admin]",
    "token_use": "id",
    "aud": "client-1",
}
SCHEMA = schemathesis.openapi.from_dict(json.loads(openapi.FILE.read_text()))


@pytest.fixture(scope="module")
def delivery() -> Iterator[S3Delivery]:
    """The real adapter over an S3 that holds nothing."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
        s3.create_bucket(Bucket="landing")
        yield S3Delivery(s3, "landing", 900)


@pytest.fixture
def signed_in(world: Any, ports: Any, delivery: S3Delivery) -> Any:
    """The application as the gateway hands it a verified person."""
    world.delivery.target = delivery
    application = create_app(ports)

    async def with_claims(scope: Any, receive: Any, send: Any) -> None:
        event = {"requestContext": {"authorizer": {"claims": CLAIMS}}}
        await application({**scope, "aws.event": event}, receive, send)

    return with_claims


@SCHEMA.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_the_api_fail(case: Any, signed_in: Any) -> None:
    from starlette.testclient import TestClient

    request = case.as_transport_kwargs(base_url="http://api")
    with TestClient(signed_in, base_url="http://api", raise_server_exceptions=False) as client:
        answer = client.request(
            **{key: value for key, value in request.items() if key in {"method", "url", "params", "json", "headers"}}
        )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
