"""API Gateway REST APIs: changes go out as patch operations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar

from ..clients import Aws
from ..kind import Kind, Values, is_gone
from ..objects import Object


def _patch_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def patches(paths: dict[str, str], old: Values, new: Values) -> Iterator[Values]:
    """Patch operations for changed inputs (API Gateway API Reference, "PatchOperation")."""
    for own, path in paths.items():
        before, after = old.get(own), new.get(own)
        if isinstance(before, dict) or isinstance(after, dict):
            before, after = before or {}, after or {}
            inner = {k: f"{path}/{k}" for k in sorted(before.keys() | after.keys())}
            yield from patches(inner, before, after)
        elif after is None and before is not None:
            yield {"op": "remove", "path": path}
        elif before != after:
            yield {"op": "replace", "path": path, "value": _patch_text(after)}


class Part(Object):
    """Something that update_op changes by patch operations."""

    service = "apigateway"
    paths: ClassVar[dict[str, str]] = {}  # input -> patch path

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        if self.taggable and self.changed(old, new, "tagsAll"):
            self.update_tags(aws, id, old, new)
        if self.update_op and (operations := list(patches(self.paths, old, new))):
            self.call(aws, self.update_op, **self.key_args(aws, id, new), patchOperations=operations)


class RestApi(Part):
    pulumi_type = "aws:apigateway/restApi:RestApi"
    key, id_at, name, name_limit, taggable = "restApiId", "id", "name", 128, True
    create_op, read_op, update_op, delete_op = "create_rest_api", "get_rest_api", "update_rest_api", "delete_rest_api"
    local, replaces, policies = "body failOnWarnings parameters putRestApiMode", "", "policy"
    outputs = {
        "arn": "arn:aws:apigateway:{aws.region}::/restapis/{id}",
        "executionArn": "arn:aws:execute-api:{aws.region}:{aws.account}:{id}",
        "description": "description",
        "apiKeySource": "apiKeySource",
    }
    paths = {
        "name": "/name",
        "description": "/description",
        "policy": "/policy",
        "apiKeySource": "/apiKeySource",
        "minimumCompressionSize": "/minimumCompressionSize",
        "disableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
    }
    tag_key, tag_target = "resourceArn", "arn"
    note = "drift inside an OpenAPI `body` is not seen (the service gives no body back); endpointConfiguration replaces"

    @property
    def replace_keys(self) -> set[str]:
        return {"endpointConfiguration", "binaryMediaTypes", "region"}

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        if new.get("body"):
            self.put_body(aws, id, new)

    def put_body(self, aws: Aws, id: str, new: Values) -> None:
        """Imports the OpenAPI document over the API; then name and description of the program win again."""
        mode = {"mode": new.get("putRestApiMode") or "overwrite", "failOnWarnings": bool(new.get("failOnWarnings"))}
        more = {"parameters": new["parameters"]} if new.get("parameters") else {}
        self.call(aws, "put_rest_api", restApiId=id, body=new["body"].encode(), **mode, **more)
        mine = {k: new[k] for k in ("name", "description") if new.get(k)}
        self.call(aws, "update_rest_api", restApiId=id, patchOperations=list(patches(self.paths, {}, mine)))

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        pages = aws.client("apigateway").get_paginator("get_resources").paginate(restApiId=id)
        found["rootResourceId"] = next((r["id"] for page in pages for r in page["items"] if r["path"] == "/"), None)
        found["createdDate"] = str(body.get("createdDate"))

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        return body.get("tags") or {}

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        if self.changed(old, new, "body", "parameters") and new.get("body"):
            self.put_body(aws, id, new)


class Deployment(Part):
    pulumi_type = "aws:apigateway/deployment:Deployment"
    replaces, local, rename = "restApi triggers variables", "triggers", {"restApi": "restApiId"}
    keys = {"restApiId": "{restApi}", "deploymentId": "{id}"}
    create_op, read_op, delete_op, id_at = "create_deployment", "get_deployment", "delete_deployment", "id"
    update_op, paths = "update_deployment", {"description": "/description"}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        found["createdDate"] = str(body.get("createdDate"))


class Stage(Part):
    """`invokeUrl` points at the embedded AWS: that is where the stage can be called."""

    pulumi_type = "aws:apigateway/stage:Stage"
    taggable, replaces, local = True, "restApi stageName", "accessLogSettings clientCertificateId"
    rename = {"restApi": "restApiId", "deployment": "deploymentId", "xrayTracingEnabled": "tracingEnabled"}
    keys = {"restApiId": "{restApi}", "stageName": "{stageName}"}
    create_op, read_op, update_op, delete_op = "create_stage", "get_stage", "update_stage", "delete_stage"
    id_at = "ags-{restApi}-{stageName}"
    outputs = {
        "arn": "arn:aws:apigateway:{aws.region}::/restapis/{restApi}/stages/{stageName}",
        "executionArn": "arn:aws:execute-api:{aws.region}:{aws.account}:{restApi}/{stageName}",
        "webAclArn": "webAclArn",
    }
    paths = {
        "deployment": "/deploymentId",
        "description": "/description",
        "xrayTracingEnabled": "/tracingEnabled",
        "variables": "/variables",
        "cacheClusterEnabled": "/cacheClusterEnabled",
        "cacheClusterSize": "/cacheClusterSize",
        "clientCertificateId": "/clientCertificateId",
        "accessLogSettings": "/accessLogSettings",
    }
    tag_key, tag_target = "resourceArn", "arn"

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        extra = {k: new[k] for k in self.local.split() if new.get(k) is not None}
        if extra:
            self.update(aws, id, {**new, **dict.fromkeys(extra)}, new)

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        return body.get("tags") or {}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        api, stage = known["restApi"], known["stageName"]
        real = f"https://{api}.execute-api.{aws.region}.amazonaws.com/{stage}"
        found["invokeUrl"] = f"{endpoint}/_aws/execute-api/{api}/{stage}" if endpoint else real
        found.update(restApi=api, stageName=stage)
        if "accessLogSettings" in known:
            live = body.get("accessLogSettings") or {}
            found["accessLogSettings"] = {k: live.get(k) for k in known["accessLogSettings"]}


class MethodSettings(Kind):
    pulumi_type = "aws:apigateway/methodSettings:MethodSettings"
    service, replaces, create_op = "apigateway", "restApi stageName methodPath", "update_stage"
    settings: ClassVar[dict[str, str]] = {
        "metricsEnabled": "metrics/enabled",
        "loggingLevel": "logging/loglevel",
        "dataTraceEnabled": "logging/dataTrace",
        "throttlingBurstLimit": "throttling/burstLimit",
        "throttlingRateLimit": "throttling/rateLimit",
        "cachingEnabled": "caching/enabled",
        "cacheTtlInSeconds": "caching/ttlInSeconds",
        "cacheDataEncrypted": "caching/dataEncrypted",
        "requireAuthorizationForCacheControl": "caching/requireAuthorizationForCacheControl",
        "unauthorizedCacheControlHeaderStrategy": "caching/unauthorizedCacheControlHeaderStrategy",
    }

    def _patch(self, aws: Aws, state: Values, operations: list[Values]) -> None:
        if operations:
            where = {"restApiId": state["restApi"], "stageName": state["stageName"]}
            self.call(aws, "update_stage", **where, patchOperations=operations)

    @staticmethod
    def _method(state: Values) -> str:
        """`*/*` stays; slashes of a path become ~1 (JSON Pointer, RFC 6901)."""
        path, _, verb = state["methodPath"].rpartition("/")
        return f"{path.replace('/', '~1')}/{verb}"

    def create(self, aws: Aws, new: Values) -> str:
        self.update(aws, "", {"settings": {}}, new)
        return f"{new['restApi']}-{new['stageName']}-{new['methodPath']}"

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        paths = {own: f"/{self._method(new)}/{path}" for own, path in self.settings.items()}
        self._patch(aws, new, list(patches(paths, old["settings"], new["settings"])))

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        try:
            stage = self.call(aws, "get_stage", restApiId=known["restApi"], stageName=known["stageName"])
        except Exception as error:
            if is_gone(error):
                return None
            raise
        live = (stage.get("methodSettings") or {}).get(known["methodPath"])
        if live is None:
            return None
        return {
            **{k: known[k] for k in self.replaces.split()},
            "settings": {k: live.get(k, v) for k, v in known["settings"].items()},
        }

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self._patch(aws, old, [{"op": "remove", "path": f"/{self._method(old)}"}])


class Account(Kind):
    """The account's one API Gateway setting: the role that writes execution logs."""

    pulumi_type = "aws:apigateway/account:Account"
    service, create_op = "apigateway", "update_account"

    def create(self, aws: Aws, new: Values) -> str:
        self.update(aws, "", {}, new)
        return "api-gateway-account"

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        operations = list(patches({"cloudwatchRoleArn": "/cloudwatchRoleArn"}, old, new))
        if operations:
            self.call(aws, "update_account", patchOperations=operations)

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        live = self.call(aws, "get_account")
        throttle = live.get("throttleSettings") or {}
        return {
            "cloudwatchRoleArn": live.get("cloudwatchRoleArn"),
            "apiKeyVersion": live.get("apiKeyVersion"),
            "features": live.get("features") or [],
            "throttleSettings": [{k: throttle.get(k) for k in ("burstLimit", "rateLimit")}] if throttle else [],
        }

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        """The setting stays, as in the real provider (unless resetOnDelete, which Pulumi does not have)."""


class RequestValidator(Part):
    pulumi_type = "aws:apigateway/requestValidator:RequestValidator"
    name, replaces, rename, id_at = "name", "restApi", {"restApi": "restApiId"}, "id"
    create_op, read_op = "create_request_validator", "get_request_validator"
    update_op, delete_op = "update_request_validator", "delete_request_validator"
    keys = {"restApiId": "{restApi}", "requestValidatorId": "{id}"}
    paths = {
        "validateRequestBody": "/validateRequestBody",
        "validateRequestParameters": "/validateRequestParameters",
    }


class Authorizer(Part):
    pulumi_type = "aws:apigateway/authorizer:Authorizer"
    name, replaces, rename, id_at = "name", "restApi type providerArns", {"restApi": "restApiId"}, "id"
    create_op, read_op = "create_authorizer", "get_authorizer"
    update_op, delete_op, defaults = "update_authorizer", "delete_authorizer", {"type": "TOKEN"}
    keys = {"restApiId": "{restApi}", "authorizerId": "{id}"}
    outputs = {"arn": "arn:aws:apigateway:{aws.region}::/restapis/{restApi}/authorizers/{id}"}
    paths = {
        "authorizerUri": "/authorizerUri",
        "authorizerCredentials": "/authorizerCredentials",
        "authorizerResultTtlInSeconds": "/authorizerResultTtlInSeconds",
        "identitySource": "/identitySource",
        "identityValidationExpression": "/identityValidationExpression",
    }
