"""The OpenAPI document that API Gateway imports: routes, authorizer, validation, CORS and error bodies.

API Gateway holds the door (token, body schema, throttling), the function `radiologist-api` does the work. Nothing in a
path or a query identifies a person: studies are named by their pseudonymous key.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Document = dict[str, Any]
Method = Literal["delete", "get", "post"]

AUTHORIZER: Final = "radiologists"
CORS_MAX_AGE_SECONDS: Final = 600
MAX_UPLOADS: Final = 100
MAX_ASSIGNMENTS: Final = 100
MAX_BATCH: Final = 100


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation of the API.

    Attributes:
        path: API Gateway path with `{parameters}`.
        method: HTTP method.
        operation: operationId, unique.
        query: Optional query parameters that reach the function.
        body: Name of the schema that the request's body must meet.
        open: True for the one operation that needs no token.
    """

    path: str
    method: Method
    operation: str
    query: tuple[str, ...] = ()
    body: str | None = None
    open: bool = False


ROUTES: Final = (
    # Liveness for load balancers and smoke tests: says "ok", reads nothing, is throttled like all others.
    Route(path="/health", method="get", operation="getHealth", open=True),
    Route(path="/uploads", method="post", operation="createUploads", body="UploadRequest"),
    Route(path="/transfers", method="post", operation="createTransfer", body="TransferRequest"),
    Route(path="/transfers/{upload_id}/parts", method="post", operation="createParts", body="PartsRequest"),
    Route(path="/transfers/{upload_id}/progress", method="post", operation="getProgress", body="ProgressRequest"),
    Route(
        path="/transfers/{upload_id}/completion",
        method="post",
        operation="completeTransfer",
        body="CompletionRequest",
    ),
    Route(path="/studies/{study_key}/downloads", method="post", operation="createDownloads", body="DownloadRequest"),
    Route(path="/studies", method="get", operation="listStudies", query=("status", "limit", "cursor")),
    Route(path="/studies/lookup", method="post", operation="findStudy", body="StudyLookup"),
    Route(path="/studies/{study_key}", method="get", operation="getStudy"),
    Route(path="/studies/{study_key}/labels", method="post", operation="createLabel", body="LabelRequest"),
    Route(path="/studies/{study_key}/labels", method="get", operation="listLabels"),
    Route(path="/studies/{study_key}/prediction", method="get", operation="getPrediction"),
    Route(path="/agreement", method="get", operation="getAgreement"),
    Route(path="/assignments", method="get", operation="listAssignments", query=("reader", "patient_key")),
    Route(path="/assignments", method="post", operation="createAssignments", body="AssignmentRequest"),
    Route(path="/assignments/{reader}/{patient_key}", method="delete", operation="deleteAssignment"),
    Route(path="/models", method="get", operation="listModels"),
    Route(path="/models/{version}/metrics", method="get", operation="getModelMetrics"),
    Route(path="/models/{version}/approval", method="post", operation="decideModel", body="ApprovalRequest"),
    Route(path="/models/{version}/rollback", method="post", operation="rollBackModel", body="RollbackRequest"),
    Route(path="/models/{version}/comparison/{other}", method="get", operation="compareModels"),
    Route(path="/models/decisions", method="get", operation="listModelDecisions", query=("limit",)),
    Route(path="/pipeline/executions", method="get", operation="listExecutions", query=("limit", "cursor")),
    Route(path="/pipeline/executions/{id}", method="get", operation="getExecution"),
)

_TRANSFER_ID: Final = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z0-9._+/=-]+$"}
_UPLOAD_BYTES: Final = {"type": "integer", "minimum": 1, "maximum": 5 * 1024**4}

# JSON Schema draft 4, all that API Gateway's models know. The function checks again: this is the first fence only.
SCHEMAS: Final[dict[str, Document]] = {
    "UploadRequest": {
        "type": "object",
        "required": ["count"],
        "additionalProperties": False,
        "properties": {"count": {"type": "integer", "minimum": 1, "maximum": MAX_UPLOADS}},
    },
    "TransferRequest": {
        "type": "object",
        "required": ["size_bytes"],
        "additionalProperties": False,
        "properties": {"size_bytes": _UPLOAD_BYTES},
    },
    "PartsRequest": {
        "type": "object",
        "required": ["transfer_id", "parts"],
        "additionalProperties": False,
        "properties": {
            "transfer_id": _TRANSFER_ID,
            "parts": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_BATCH,
                "items": {
                    "type": "object",
                    "required": ["number", "md5"],
                    "additionalProperties": False,
                    "properties": {
                        "number": {"type": "integer", "minimum": 1, "maximum": 10_000},
                        "md5": {"type": "string", "pattern": "^[A-Za-z0-9+/]{22}==$"},
                    },
                },
            },
        },
    },
    "ProgressRequest": {
        "type": "object",
        "required": ["transfer_id"],
        "additionalProperties": False,
        "properties": {"transfer_id": _TRANSFER_ID},
    },
    "CompletionRequest": {
        "type": "object",
        "required": ["transfer_id", "size_bytes"],
        "additionalProperties": False,
        "properties": {"transfer_id": _TRANSFER_ID, "size_bytes": _UPLOAD_BYTES},
    },
    "DownloadRequest": {
        "type": "object",
        "required": ["image_keys"],
        "additionalProperties": False,
        "properties": {
            "image_keys": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_BATCH,
                "items": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            }
        },
    },
    "StudyLookup": {
        "type": "object",
        "required": ["study_instance_uid"],
        "additionalProperties": False,
        "properties": {"study_instance_uid": {"type": "string", "pattern": "^[0-9.]{1,64}$"}},
    },
    "LabelRequest": {
        "type": "object",
        "required": ["finding", "certainty"],
        "additionalProperties": False,
        "properties": {
            "finding": {"type": "string", "enum": ["pneumonia", "normal"]},
            "certainty": {"type": "string", "enum": ["definite", "probable", "possible"]},
            "notes": {"type": "string", "maxLength": 2000},
            "request_id": {"type": "string", "pattern": "^[0-9a-f-]{0,36}$"},
        },
    },
    "AssignmentRequest": {
        "type": "object",
        "required": ["reader", "patient_keys"],
        "additionalProperties": False,
        "properties": {
            "reader": {"type": "string", "pattern": "^[0-9A-Za-z-]{1,64}$"},
            "patient_keys": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_ASSIGNMENTS,
                "items": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            },
            "until": {"type": "string", "maxLength": 40},
        },
    },
    "ApprovalRequest": {
        "type": "object",
        "required": ["decision"],
        "additionalProperties": False,
        "properties": {
            "decision": {"type": "string", "enum": ["approve", "reject"]},
            "reason": {"type": "string", "maxLength": 1000},
        },
    },
    "RollbackRequest": {
        "type": "object",
        "required": ["reason"],
        "additionalProperties": False,
        "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 1000}},
    },
}


def invoke_arn(function_arn: str, region: str, partition: str) -> str:
    """The address by which API Gateway invokes a function."""
    return f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def document(*, title: str, invoke_arn: str, user_pool_arn: str, origins: Sequence[str]) -> Document:
    """The whole OpenAPI 3.0 body.

    Args:
        title: The API's name, which API Gateway takes over.
        invoke_arn: Invocation address of the function (`arn:aws:apigateway:...:path/2015-03-31/functions/...`).
        user_pool_arn: Cognito user pool whose ID tokens open the door.
        origins: The https origins that a browser may call from; with none, no browser may.
    """
    paths: dict[str, Document] = {}
    for route in ROUTES:
        item = paths.setdefault(route.path, {})
        item[route.method] = _operation(route, invoke_arn)
    for path, item in paths.items():
        methods = sorted(method.upper() for method in item)
        if origins:
            item["options"] = _preflight(path, methods, origins)
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {AUTHORIZER: _authorizer(user_pool_arn)},
        },
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-request-validator": "all",
        "x-amazon-apigateway-gateway-responses": _gateway_responses(origins),
    }


def document_json(*, title: str, invoke_arn: str, user_pool_arn: str, origins: Sequence[str]) -> str:
    """`document` as compact text with sorted keys: equal text means an equal API, and so no new deployment."""
    body = document(title=title, invoke_arn=invoke_arn, user_pool_arn=user_pool_arn, origins=origins)
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _operation(route: Route, invoke_arn: str) -> Document:
    """One method that hands the request to the function as it is (aws_proxy)."""
    operation: Document = {
        "operationId": route.operation,
        "parameters": [
            *(_parameter("path", name) for name in _path_parameters(route.path)),
            *(_parameter("query", name) for name in route.query),
        ],
        "responses": {"default": {"description": "The function's answer; errors are problem+json (RFC 9457)."}},
        "security": [] if route.open else [{AUTHORIZER: []}],
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": invoke_arn,
            "passthroughBehavior": "when_no_match",
            "timeoutInMillis": 29000,
        },
    }
    if route.body:
        schema = {"$ref": f"#/components/schemas/{route.body}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameter(place: Literal["path", "query"], name: str) -> Document:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _path_parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _authorizer(user_pool_arn: str) -> Document:
    """The Cognito authorizer. Methods name no scope, so API Gateway takes the ID token, which carries the groups."""
    return {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [user_pool_arn]},
    }


def _preflight(path: str, methods: list[str], origins: Sequence[str]) -> Document:
    """The browser's question before a call, answered by API Gateway itself: it needs no token and wakes no function."""
    headers = {
        "Access-Control-Allow-Origin": origins[0],
        "Access-Control-Allow-Methods": ",".join([*methods, "OPTIONS"]),
        "Access-Control-Allow-Headers": "Authorization,Content-Type",
        "Access-Control-Max-Age": str(CORS_MAX_AGE_SECONDS),
        "Vary": "Origin",
    }
    answer: Document = {
        "statusCode": "204",
        "responseParameters": {f"method.response.header.{name}": f"'{value}'" for name, value in headers.items()},
    }
    if len(origins) > 1:
        answer["responseTemplates"] = {"application/json": _asking_origin(origins)}
    return {
        "operationId": "preflight" + "".join(part.strip("{}").capitalize() for part in path.split("/")),
        "parameters": [_parameter("path", name) for name in _path_parameters(path)],
        "responses": {
            "204": {
                "description": "What a browser may send from an allowed origin.",
                "headers": {name: {"schema": {"type": "string"}} for name in headers},
            }
        },
        "security": [],
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 204}'},
            "responses": {"default": answer},
        },
    }


def _asking_origin(origins: Sequence[str]) -> str:
    """Mapping template that answers the asking origin if it is one of ours: a response header holds only one."""
    choices = " || ".join(f'$asking == "{origin}"' for origin in origins)
    return (
        '#set($asking = $input.params().header.get("origin"))'
        f"#if({choices})"
        "#set($context.responseOverride.header.Access-Control-Allow-Origin = $asking)"
        "#end"
    )


def _gateway_responses(origins: Sequence[str]) -> dict[str, Document]:
    """Errors that API Gateway answers itself, in the shape of the function's own (problem+json), readable by a browser.

    The message never repeats the request: a refused body could hold what somebody typed.
    """
    cross_origin = {"gatewayresponse.header.Access-Control-Allow-Origin": f"'{origins[0]}'"} if origins else {}
    parameters = {**cross_origin, "gatewayresponse.header.Content-Type": "'application/problem+json'"}

    def answer(status: int, title: str) -> Document:
        problem = json.dumps({"type": "about:blank", "title": title, "status": status})
        return {
            "statusCode": status,
            "responseParameters": parameters,
            "responseTemplates": {"application/json": problem},
        }

    return {
        "UNAUTHORIZED": answer(401, "A valid ID token is needed"),
        "ACCESS_DENIED": answer(403, "Not allowed"),
        "BAD_REQUEST_BODY": answer(400, "The body does not meet the schema"),
        "BAD_REQUEST_PARAMETERS": answer(400, "A parameter is missing or wrong"),
        "THROTTLED": answer(429, "Too many requests"),
        "DEFAULT_4XX": {"responseParameters": parameters},
        "DEFAULT_5XX": {"responseParameters": parameters},
    }
