"""The API's document: who must show a token, what is validated, what browsers may do."""

from __future__ import annotations

from typing import Any

import pytest

from components import openapi

POOL = "arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_abc"
VIEWER = "https://viewer.example.org"


def document(*origins: str) -> dict[str, Any]:
    return openapi.document(title="api", invoke_arn="arn:invoke", user_pool_arn=POOL, origins=origins)


def operations(body: dict[str, Any]) -> dict[str, Any]:
    return {f"{method} {path}": op for path, item in body["paths"].items() for method, op in item.items()}


def test_every_operation_but_health_asks_for_a_token_of_the_pool() -> None:
    body = document()
    open_ones = {name for name, operation in operations(body).items() if operation["security"] == []}
    assert open_ones == {"get /health"}
    authorizer = body["components"]["securitySchemes"][openapi.AUTHORIZER]["x-amazon-apigateway-authorizer"]
    assert authorizer == {"type": "cognito_user_pools", "providerARNs": [POOL]}


def test_every_operation_reaches_the_function_as_it_is() -> None:
    for name, operation in operations(document()).items():
        integration = operation["x-amazon-apigateway-integration"]
        assert (integration["type"], integration["uri"]) == ("aws_proxy", "arn:invoke"), name
        assert integration["httpMethod"] == "POST", "Lambda is always invoked by POST"


def test_bodies_and_parameters_are_validated_at_the_door() -> None:
    body = document()
    assert body["x-amazon-apigateway-request-validators"][body["x-amazon-apigateway-request-validator"]] == {
        "validateRequestBody": True,
        "validateRequestParameters": True,
    }
    for route in openapi.ROUTES:
        operation = body["paths"][route.path][route.method]
        assert ("requestBody" in operation) == (route.method == "post")
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == {part[1:-1] for part in route.path.split("/") if part.startswith("{")}
    assert all(not schema["additionalProperties"] for schema in openapi.SCHEMAS.values())


def test_without_an_origin_no_browser_gets_a_permission() -> None:
    body = document()
    assert not [name for name in operations(body) if name.startswith("options")]
    assert "Access-Control-Allow-Origin" not in str(body)


def test_the_preflight_answers_without_a_token_and_names_the_one_origin() -> None:
    body = document(VIEWER)
    preflight = body["paths"]["/studies/{study_key}/labels"]["options"]
    assert preflight["security"] == []
    answer = preflight["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
    assert answer["method.response.header.Access-Control-Allow-Origin"] == f"'{VIEWER}'"
    assert answer["method.response.header.Access-Control-Allow-Methods"] == "'GET,POST,OPTIONS'"
    assert set(answer) == {f"method.response.header.{name}" for name in preflight["responses"]["204"]["headers"]}


def test_several_origins_are_answered_one_at_a_time_and_never_by_a_star() -> None:
    body = document(VIEWER, "https://other.example.org")
    answer = body["paths"]["/studies"]["options"]["x-amazon-apigateway-integration"]["responses"]["default"]
    template = answer["responseTemplates"]["application/json"]
    assert VIEWER in template
    assert "https://other.example.org" in template
    assert "'*'" not in str(body)


@pytest.mark.parametrize("kind", ["UNAUTHORIZED", "BAD_REQUEST_BODY", "THROTTLED"])
def test_the_gateways_own_errors_are_problem_details_without_the_request(kind: str) -> None:
    answer = document(VIEWER)["x-amazon-apigateway-gateway-responses"][kind]
    text = answer["responseTemplates"]["application/json"]
    assert '"status"' in text
    assert "$" not in text, "a refused request may hold what somebody typed"
    assert answer["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"


def test_operation_ids_are_unique_and_the_text_is_stable() -> None:
    ids = [operation["operationId"] for operation in operations(document(VIEWER)).values()]
    assert len(ids) == len(set(ids))
    first = openapi.document_json(title="api", invoke_arn="i", user_pool_arn=POOL, origins=[VIEWER])
    assert first == openapi.document_json(title="api", invoke_arn="i", user_pool_arn=POOL, origins=[VIEWER])


def test_the_invoke_address_names_region_and_function() -> None:
    arn = openapi.invoke_arn("arn:aws:lambda:eu-west-1:1:function:f", "eu-west-1", "aws")
    assert arn == (
        "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:1:function:f/invocations"
    )
