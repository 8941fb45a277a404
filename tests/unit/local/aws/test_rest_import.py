"""An OpenAPI document becomes the calls that an API Gateway client would make."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from local.aws import openapi, rest_import

POOL = "arn:aws:cognito-idp:us-east-1:111122223333:userpool/p"


def document() -> dict[str, Any]:
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": "arn:lambda", "timeoutInMillis": 29000}
    label = {
        "operationId": "addLabel",
        "parameters": [{"in": "path", "name": "study_key", "required": True}, {"in": "query", "name": "page"}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Label"}}}},
        "responses": {"201": {"headers": {"Location": {}}}},
        "x-amazon-apigateway-request-validator": "body",
        "x-amazon-apigateway-integration": proxy,
    }
    mock = {"type": "mock", "responses": {"default": {"statusCode": 204}, "5..": {"statusCode": "500"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "radiologist", "version": "7"},
        "security": [{"people": ["labels/write"]}],
        "paths": {
            "/studies/{study_key}/labels": {"post": label},
            "/health": {"get": {"security": [], "x-amazon-apigateway-integration": mock}},
            "/signed": {"get": {"security": [{"sigv4": []}]}},
        },
        "components": {
            "schemas": {
                "Label": {"type": "object", "properties": {"finding": {"$ref": "#/components/schemas/Finding"}}},
                "Finding": {"enum": ["pneumonia", "normal"]},
                "Node": {"properties": {"child": {"$ref": "#/components/schemas/Node"}}},
            },
            "securitySchemes": {
                "people": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [POOL]},
                },
                "sigv4": {"type": "apiKey", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
            },
        },
        "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True}},
        "x-amazon-apigateway-gateway-responses": {"UNAUTHORIZED": {"statusCode": 401}},
    }


class Gateway:
    """The API Gateway control plane as far as an import needs it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.resources = [{"id": "root", "path": "/", "resourceMethods": {"GET": {}}}]
        self.number = 0
        self.refuse = ""

    async def handle(self, method: str, path: str, _headers: Any, body: bytes, query: Any) -> Any:
        sent = json.loads(body) if body else None
        if method != "GET":
            self.calls.append((method, path, sent))
        if self.refuse and self.refuse in path:
            return 400, {}, b'{"message": "Invalid mapping expression"}'
        self.number += 1
        answer: Any = {"id": f"id-{self.number}"}
        if method == "GET":
            page = int(query.get("limit", ["25"])[0])
            answer = {"item": self.resources[:page] if path.endswith("/resources") else []}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def bodies(self, method: str, ending: str) -> list[Any]:
        return [body for verb, path, body in self.calls if verb == method and path.endswith(ending)]


def put(gateway: Gateway, method: str, path: str, body: Any, **query: list[str]) -> Any:
    app = SimpleNamespace(SERVICE_HANDLERS={"apigateway": gateway.handle})
    rest_import.install(app)
    sent = json.dumps(body).encode() if not isinstance(body, bytes) else body
    return asyncio.run(app.SERVICE_HANDLERS["apigateway"](method, path, {}, sent, query))


def test_an_import_makes_resources_methods_and_integrations() -> None:
    gateway = Gateway()
    status, _, _ = put(gateway, "POST", "/restapis", document(), mode=["import"])
    assert status == 201
    assert gateway.bodies("POST", "/restapis") == [{"name": "radiologist", "version": "7", "description": None}]
    parts = {
        body["pathPart"] for _, path, body in gateway.calls if "/resources/" in path and body and "pathPart" in body
    }
    assert parts == {"studies", "{study_key}", "labels", "health", "signed"}
    (post,) = gateway.bodies("PUT", "/methods/POST")
    assert post["authorizationType"] == "COGNITO_USER_POOLS"
    assert post["authorizationScopes"] == ["labels/write"]
    assert post["requestParameters"] == {
        "method.request.path.study_key": True,
        "method.request.querystring.page": False,
    }
    assert post["requestModels"] == {"application/json": "Label"}
    assert post["requestValidatorId"].startswith("id-")
    assert {body["authorizationType"] for body in gateway.bodies("PUT", "/methods/GET")} == {"NONE", "AWS_IAM"}
    assert {body["type"] for body in gateway.bodies("PUT", "/integration")} == {"AWS_PROXY", "MOCK"}
    assert gateway.bodies("PUT", "/integration/responses/500")[0]["selectionPattern"] == "5.."
    assert gateway.bodies("PUT", "/gatewayresponses/UNAUTHORIZED")[0]["statusCode"] == "401"


def test_overwriting_removes_everything_that_the_api_had() -> None:
    gateway = Gateway()
    gateway.resources.append({"id": "old", "path": "/old", "parentId": "root"})
    gateway.resources += [{"id": f"r{n}", "path": f"/old/{n}", "parentId": "old"} for n in range(40)]
    status, _, _ = put(gateway, "PUT", "/restapis/api1", document(), mode=["overwrite"])
    assert status == 200
    deleted = [path for method, path, _ in gateway.calls if method == "DELETE"]
    assert {"/restapis/api1/resources/old", *(f"/restapis/api1/resources/r{n}" for n in range(40))} <= set(deleted)
    assert "/restapis/api1/resources/root/methods/GET" in deleted


def test_other_calls_pass_through() -> None:
    gateway = Gateway()
    put(gateway, "POST", "/restapis", {"name": "plain"})
    assert gateway.calls == [("POST", "/restapis", {"name": "plain"})]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"openapi: 3.0.1", id="yaml"),
        pytest.param({"swagger": "2.0", "info": {"title": "x"}}, id="swagger-2"),
        pytest.param({"openapi": "3.0.1", "info": {}}, id="no-title"),
        pytest.param({**document(), "security": [{"nobody": []}]}, id="unknown-scheme"),
    ],
)
def test_a_document_that_cannot_be_imported_is_a_bad_request(broken: Any) -> None:
    status, headers, body = put(Gateway(), "POST", "/restapis", broken, mode=["import"])
    assert (status, headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert json.loads(body)["message"]


def test_a_refused_call_is_the_answer_of_the_import() -> None:
    gateway = Gateway()
    gateway.refuse = "/integration"
    status, _, body = put(gateway, "PUT", "/restapis/api1", document())
    assert (status, json.loads(body)["message"]) == (400, "Invalid mapping expression")


def test_models_have_their_references_put_in_place() -> None:
    found = openapi.models(document())
    assert found["Label"]["properties"]["finding"] == {"enum": ["pneumonia", "normal"]}
    assert found["Node"]["properties"]["child"]["properties"]["child"] == {}
