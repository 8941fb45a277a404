"""Cloud Control API: types that another service here owns are forwarded to it, all others are refused by name.

ministack answers SUCCESS for any type name, even an invented one, with a random identifier.
"""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, Any], Awaitable[Answer]]

# What ministack may keep as a plain record: nothing reads these but the program that made them.
RECORDED_TYPES: frozenset[str] = frozenset()

_WITH_TYPE = {"CreateResource", "GetResource", "UpdateResource", "DeleteResource", "ListResources"}


class ResourceError(Exception):
    """A Cloud Control error: `code` is the exception's name on the wire."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ResourceType(Protocol):
    """A type that is served by its own service; properties are CloudFormation's, read-only ones included."""

    def create(self, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make it; returns (primary identifier, properties)."""
        ...

    def read(self, identifier: str) -> dict[str, Any]:
        """Its properties now; raises ResourceError ResourceNotFoundException."""
        ...

    def update(self, identifier: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        """Apply an RFC 6902 patch; raises ResourceError NotUpdatableException for create-only properties."""
        ...

    def delete(self, identifier: str) -> None:
        """Remove it."""
        ...

    def identifiers(self) -> list[str]:
        """All there are."""
        ...


_types: dict[str, ResourceType] = {}


def register(type_name: str, resource_type: ResourceType) -> None:
    """Let `resource_type` answer for a type name, for example AWS::HealthImaging::Datastore."""
    _types[type_name] = resource_type


def install(app: Any) -> None:
    """Put this in front of ministack's own handler."""
    from ministack.services import cloudcontrol

    recorded: Handler = app.SERVICE_HANDLERS["cloudcontrol"]

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        data = json.loads(body or b"{}")
        type_name = data.get("TypeName", "")
        if operation not in _WITH_TYPE or type_name in RECORDED_TYPES:
            return await recorded(method, path, headers, body, query)
        if type_name not in _types:
            return _failure("TypeNotFoundException", f"The embedded AWS does not serve {type_name} by Cloud Control.")
        try:
            return _answer(_perform(cloudcontrol, operation, type_name, data))
        except ResourceError as error:
            return _failure(error.code, str(error))

    app.SERVICE_HANDLERS["cloudcontrol"] = handle


def _perform(cloudcontrol: Any, operation: str, type_name: str, data: dict[str, Any]) -> dict[str, Any]:
    owner, identifier = _types[type_name], data.get("Identifier", "")
    if operation == "GetResource":
        return {"TypeName": type_name, "ResourceDescription": _description(identifier, owner.read(identifier))}
    if operation == "ListResources":
        described = [_description(one, owner.read(one)) for one in owner.identifiers()]
        return {"TypeName": type_name, "ResourceDescriptions": described}
    properties: dict[str, Any] | None = None
    if operation == "CreateResource":
        identifier, properties = owner.create(json.loads(data["DesiredState"]))
    elif operation == "UpdateResource":
        properties = owner.update(identifier, json.loads(data["PatchDocument"]))
    else:
        owner.delete(identifier)
    event = cloudcontrol._record_request(
        cloudcontrol._progress_event(
            operation.removesuffix("Resource").upper(),
            "SUCCESS",
            type_name=type_name,
            identifier=identifier,
            resource_model=None if properties is None else json.dumps(properties),
        )
    )
    return {"ProgressEvent": event}


def _description(identifier: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Identifier": identifier, "Properties": json.dumps(properties)}


def _answer(payload: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(payload).encode()


def _failure(code: str, message: str) -> Answer:
    body = json.dumps({"__type": f"com.amazonaws.cloudapiservice#{code}", "Message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-errortype": code}, body
