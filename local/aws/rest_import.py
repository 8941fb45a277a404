"""PutRestApi and ImportRestApi: ministack has neither, so the OpenAPI document is replayed as ordinary REST calls."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from local.aws import openapi
from local.aws.openapi import Document, DocumentError

_LARGEST_PAGE = "500"
"""Above the 300 resources that an API may have; the default of a page is 25."""
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, Any], Awaitable[Answer]]


class ReplayError(Exception):
    """One of the replayed calls was refused; carries its answer."""

    def __init__(self, call: str, answer: Answer) -> None:
        super().__init__(f"{call}: {answer[2].decode(errors='replace')}")
        self.answer = answer


def install(app: Any) -> None:
    """Put this in front of ministack's own API Gateway handler."""
    plain: Handler = app.SERVICE_HANDLERS["apigateway"]

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        parts = [part for part in path.split("/") if part]
        mode = _first(query, "mode")
        importing = method == "POST" and parts == ["restapis"] and mode == "import"
        if not importing and not (method == "PUT" and len(parts) == 2 and parts[0] == "restapis"):
            return await plain(method, path, headers, body, query)
        try:
            document = openapi.check(json.loads(body))
            replay = Replay(plain, headers, document)
            identifier = await replay.create() if importing else parts[1]
            await replay.apply(identifier, overwrite=mode == "overwrite")
            _, answer_headers, answer = await plain("GET", f"/restapis/{identifier}", headers, b"", {})
        except (ValueError, DocumentError) as error:
            refusal = json.dumps({"message": str(error)}).encode()
            return 400, {"Content-Type": "application/json", "x-amzn-errortype": "BadRequestException"}, refusal
        except ReplayError as failed:
            return failed.answer
        return 201 if importing else 200, answer_headers, answer

    app.SERVICE_HANDLERS["apigateway"] = handle


def _first(query: Any, name: str) -> str | None:
    value = query.get(name)
    return value[0] if isinstance(value, list) else value


class Replay:
    """Writes one document into one REST API."""

    def __init__(self, plain: Handler, headers: dict[str, str], document: Document) -> None:
        self._plain = plain
        self._headers = headers
        self._document = document
        self._api = ""

    async def create(self) -> str:
        """Make an empty API from the document's info; returns its id."""
        info = self._document["info"]
        body = {"name": info["title"], "version": info.get("version"), "description": info.get("description")}
        return (await self._call("POST", "/restapis", body))["id"]

    async def apply(self, identifier: str, *, overwrite: bool) -> None:
        """Write the whole document; `overwrite` removes first what the API had."""
        self._api = f"/restapis/{identifier}"
        resources = await self._items("/resources")
        root = next(resource for resource in resources if resource["path"] == "/")
        if overwrite:
            await self._clear(resources, root)
        authorization = await self._authorizers()
        await self._models()
        validators = await self._validators()
        await self._gateway_responses()
        known = {"/": root["id"]} if overwrite else {resource["path"]: resource["id"] for resource in resources}
        for path, item in (self._document.get("paths") or {}).items():
            resource = await self._resource(path, known)
            for verb, operation in openapi.operations(item):
                await self._method(f"/resources/{resource}/methods/{verb}", item, operation, authorization, validators)

    async def _call(
        self, method: str, path: str, body: Document | None = None, query: dict[str, list[str]] | None = None
    ) -> Document:
        sent = b"" if body is None else json.dumps(body).encode()
        answer = await self._plain(method, path, self._headers, sent, query or {})
        if answer[0] >= 400:
            raise ReplayError(f"{method} {path}", answer)
        return json.loads(answer[2]) if answer[2] else {}

    async def _items(self, path: str) -> list[Document]:
        found = await self._call("GET", self._api + path, query={"limit": [_LARGEST_PAGE]})
        return found.get("item") or found.get("items") or []

    async def _clear(self, resources: list[Document], root: Document) -> None:
        for resource in resources:  # the leaves too: ministack keeps what lies below a deleted resource
            if resource["id"] != root["id"]:
                await self._call("DELETE", f"{self._api}/resources/{resource['id']}")
        for verb in root.get("resourceMethods") or {}:
            await self._call("DELETE", f"{self._api}/resources/{root['id']}/methods/{verb}")
        for kind in ("authorizers", "requestvalidators"):
            for one in await self._items(f"/{kind}"):
                await self._call("DELETE", f"{self._api}/{kind}/{one['id']}")

    async def _authorizers(self) -> dict[str, Document]:
        """Authorisation fields of PutMethod by security scheme."""
        existing = {one["name"]: one["id"] for one in await self._items("/authorizers")}
        fields: dict[str, Document] = {"": {"authorizationType": "NONE"}}
        for name in openapi.iam_schemes(self._document):
            fields[name] = {"authorizationType": "AWS_IAM"}
        for name in openapi.api_key_schemes(self._document):
            fields[name] = {"authorizationType": "NONE", "apiKeyRequired": True}
        for name, body in openapi.authorizers(self._document).items():
            if name in existing:
                await self._call("DELETE", f"{self._api}/authorizers/{existing[name]}")
            made = await self._call("POST", f"{self._api}/authorizers", body)
            kind = body["type"] if body["type"].startswith("COGNITO") else "CUSTOM"
            fields[name] = {"authorizationType": kind, "authorizerId": made["id"]}
        return fields

    async def _models(self) -> None:
        existing = {model["name"] for model in await self._items("/models")}
        for name, schema in openapi.models(self._document).items():
            if name in existing:
                await self._call("DELETE", f"{self._api}/models/{name}")
            body = {"name": name, "contentType": "application/json", "schema": json.dumps(schema)}
            await self._call("POST", f"{self._api}/models", body)

    async def _validators(self) -> dict[str, str]:
        identifiers = {one["name"]: one["id"] for one in await self._items("/requestvalidators")}
        for name, wanted in (self._document.get("x-amazon-apigateway-request-validators") or {}).items():
            if name in identifiers:
                await self._call("DELETE", f"{self._api}/requestvalidators/{identifiers[name]}")
            body = {
                "name": name,
                "validateRequestBody": wanted.get("validateRequestBody", False),
                "validateRequestParameters": wanted.get("validateRequestParameters", False),
            }
            identifiers[name] = (await self._call("POST", f"{self._api}/requestvalidators", body))["id"]
        return identifiers

    async def _gateway_responses(self) -> None:
        for kind, wanted in (self._document.get("x-amazon-apigateway-gateway-responses") or {}).items():
            body = {
                "statusCode": str(wanted["statusCode"]) if wanted.get("statusCode") else None,
                "responseParameters": wanted.get("responseParameters") or {},
                "responseTemplates": wanted.get("responseTemplates") or {},
            }
            await self._call("PUT", f"{self._api}/gatewayresponses/{kind}", body)

    async def _resource(self, path: str, known: dict[str, str]) -> str:
        """Id of a path's resource, its ancestors made on the way."""
        parent, current = known["/"], ""
        for segment in filter(None, path.split("/")):
            current += f"/{segment}"
            if current not in known:
                made = await self._call("POST", f"{self._api}/resources/{parent}", {"pathPart": segment})
                known[current] = made["id"]
            parent = known[current]
        return parent

    async def _method(
        self,
        place: str,
        item: Document,
        operation: Document,
        authorization: dict[str, Document],
        validators: dict[str, str],
    ) -> None:
        base = self._api + place
        scheme, scopes = openapi.security(self._document, operation)
        if scheme not in authorization:
            raise DocumentError(f"Invalid security scheme {scheme}: components.securitySchemes does not have it")
        body = {
            "apiKeyRequired": False,
            "authorizerId": None,
            "authorizationScopes": scopes,
            **authorization[scheme],
            **openapi.method(item, operation),
            "requestValidatorId": validators.get(openapi.validator(self._document, operation)),
        }
        await self._call("PUT", base, body)
        for code, response in openapi.method_responses(operation).items():
            await self._call("PUT", f"{base}/responses/{code}", response)
        wanted = openapi.integration(operation)
        if wanted is None:
            return
        await self._call("PUT", f"{base}/integration", wanted[0])
        for code, response in wanted[1]:
            await self._call("PUT", f"{base}/integration/responses/{code}", response)
