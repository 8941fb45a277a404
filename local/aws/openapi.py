"""An OpenAPI 3 document with API Gateway's extensions, read into the pieces that REST calls take.

Pure: no call is made here. Extensions by the "OpenAPI extensions for API Gateway" reference.
"""

from __future__ import annotations

import copy
from typing import Any

Document = dict[str, Any]

_METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method")
_AUTHORIZER_TYPES = {"cognito_user_pools": "COGNITO_USER_POOLS", "token": "TOKEN", "request": "REQUEST"}
_LOCATIONS = {"path": "path", "query": "querystring", "header": "header"}
_INTEGRATION_KEYS = (
    "uri",
    "credentials",
    "requestTemplates",
    "requestParameters",
    "passthroughBehavior",
    "timeoutInMillis",
    "contentHandling",
    "cacheKeyParameters",
    "cacheNamespace",
    "connectionType",
    "connectionId",
)


class DocumentError(ValueError):
    """The document cannot be imported; the text names the place."""


def check(document: Any) -> Document:
    """Return the document if it can be imported."""
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise DocumentError("Unable to parse API definition: an OpenAPI 3 document in JSON is expected")
    if not (document.get("info") or {}).get("title"):
        raise DocumentError("Unable to parse API definition: info.title is missing")
    return document


def operations(path_item: Document) -> list[tuple[str, Document]]:
    """(HTTP method, operation) of one path; ANY for API Gateway's any-method."""
    return [
        ("ANY" if name.startswith("x-") else name.upper(), operation)
        for name, operation in path_item.items()
        if name.lower() in _METHODS
    ]


def authorizers(document: Document) -> dict[str, Document]:
    """CreateAuthorizer bodies by security scheme; schemes without an authorizer are left out."""
    found: dict[str, Document] = {}
    for name, scheme in (document.get("components", {}).get("securitySchemes") or {}).items():
        extension = scheme.get("x-amazon-apigateway-authorizer")
        if not extension:
            continue
        kind = _AUTHORIZER_TYPES.get(extension.get("type", ""))
        if kind is None:
            raise DocumentError(f"Invalid authorizer type {extension.get('type')} in security scheme {name}")
        found[name] = {
            "name": name,
            "type": kind,
            "providerARNs": extension.get("providerARNs"),
            "authorizerUri": extension.get("authorizerUri"),
            "authorizerCredentials": extension.get("authorizerCredentials"),
            "identitySource": extension.get("identitySource")
            or f"method.request.header.{scheme.get('name', 'Authorization')}",
            "authorizerResultTtlInSeconds": extension.get("authorizerResultTtlInSeconds", 300),
        }
    return found


def security(document: Document, operation: Document) -> tuple[str, list[str]]:
    """(name of the security scheme or an empty text, scopes) of one operation."""
    for requirement in operation.get("security", document.get("security")) or []:
        for name, scopes in requirement.items():
            return name, scopes
    return "", []


def iam_schemes(document: Document) -> set[str]:
    """Security schemes that mean SigV4."""
    schemes = document.get("components", {}).get("securitySchemes") or {}
    return {name for name, scheme in schemes.items() if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4"}


def api_key_schemes(document: Document) -> set[str]:
    """Security schemes that mean an API key."""
    schemes = document.get("components", {}).get("securitySchemes") or {}
    return {
        name for name, scheme in schemes.items() if scheme.get("type") == "apiKey" and scheme["name"] == "x-api-key"
    }


def models(document: Document) -> dict[str, Document]:
    """JSON schemas by name with every local reference put in place."""
    schemas = document.get("components", {}).get("schemas") or {}
    return {name: _resolved(schema, schemas, (name,)) for name, schema in schemas.items()}


def _resolved(node: Any, schemas: Document, trail: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_resolved(item, schemas, trail) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        if name in trail[1:] or name not in schemas:
            return {}  # a recursive schema cannot be written out: that level stays unchecked
        return _resolved(copy.deepcopy(schemas[name]), schemas, (*trail, name))
    return {key: _resolved(value, schemas, trail) for key, value in node.items()}


def method(path_item: Document, operation: Document) -> Document:
    """The parts of a PutMethod body that need no identifiers."""
    parameters = [*(path_item.get("parameters") or []), *(operation.get("parameters") or [])]
    content = (operation.get("requestBody") or {}).get("content") or {}
    return {
        "requestParameters": {
            f"method.request.{_LOCATIONS[one['in']]}.{one['name']}": bool(one.get("required"))
            for one in parameters
            if one.get("in") in _LOCATIONS
        },
        "requestModels": {
            content_type: body["schema"]["$ref"].rsplit("/", 1)[1]
            for content_type, body in content.items()
            if "$ref" in (body.get("schema") or {})
        },
        "operationName": operation.get("operationId"),
    }


def validator(document: Document, operation: Document) -> str:
    """Name of the request validator of an operation, or an empty text."""
    key = "x-amazon-apigateway-request-validator"
    return operation.get(key, document.get(key)) or ""


def method_responses(operation: Document) -> dict[str, Document]:
    """PutMethodResponse bodies by status code."""
    return {
        str(code): {
            "responseParameters": {f"method.response.header.{name}": False for name in (response.get("headers") or {})},
            "responseModels": {},
        }
        for code, response in (operation.get("responses") or {}).items()
        if str(code) != "default"
    }


def integration(operation: Document) -> tuple[Document, list[tuple[str, Document]]] | None:
    """(PutIntegration body, [(status code, PutIntegrationResponse body)]), or None where there is none."""
    extension = operation.get("x-amazon-apigateway-integration")
    if not extension:
        return None
    body = {key: extension[key] for key in _INTEGRATION_KEYS if key in extension}
    body |= {"type": extension["type"].upper(), "httpMethod": extension.get("httpMethod")}
    responses = [
        (
            str(response["statusCode"]),
            {
                **({} if pattern == "default" else {"selectionPattern": pattern}),
                "responseParameters": response.get("responseParameters") or {},
                "responseTemplates": response.get("responseTemplates") or {},
            },
        )
        for pattern, response in (extension.get("responses") or {}).items()
    ]
    return body, responses
