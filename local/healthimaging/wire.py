"""HTTP to operations and back, by botocore's own model of the service.

The model gives the routes, the places of parameters and the constraints; nothing of them is written down twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from local.healthimaging.errors import NotServedError, ServiceError, ValidationError
from local.healthimaging.ports import Document

SERVICE = "medical-imaging"
Answer = tuple[int, dict[str, str], bytes]


class Call(NamedTuple):
    """One request as the service sees it."""

    operation: str
    parameters: Document


class Wire:
    """The REST-JSON face of the service."""

    def __init__(self) -> None:
        from botocore.loaders import create_loader
        from botocore.model import ServiceModel

        self._model: Any = ServiceModel(create_loader().load_service_model(SERVICE, "service-2"), SERVICE)
        self._routes = []
        for name in self._model.operation_names:
            http = self._model.operation_model(name).http
            self._routes.append((http["method"], _pattern(http["requestUri"]), name))

    def parse(self, method: str, path: str, query: Document, body: bytes) -> Call:
        """Find the operation and its parameters; raises NotServedError or ValidationError."""
        for verb, pattern, name in self._routes:
            found = pattern.fullmatch(path)
            if verb == method and found is not None:
                shape = self._model.operation_model(name).input_shape
                parameters = _parameters(shape, found.groupdict(), query, body)
                problems = list(_problems(shape, parameters, ""))
                if problems:
                    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
                    raise ValidationError(f"{count}: {'; '.join(problems)}")
                return Call(name, parameters)
        raise NotServedError(f"{method} on this path is no operation of {SERVICE}")

    def answer(self, operation: str, result: Document) -> Answer:
        """Serialise a result; a key that the output shape does not have is a programming error."""
        shape = self._model.operation_model(operation).output_shape
        unknown = set(result) - set(shape.members)
        if unknown:
            raise KeyError(f"{operation} has no output {sorted(unknown)}")
        payload = shape.serialization.get("payload")
        if payload is None:
            return 200, {"Content-Type": "application/json"}, json.dumps(_plain(result)).encode()
        headers = {
            member.serialization["name"]: result[name]
            for name, member in shape.members.items()
            if member.serialization.get("location") == "header" and result.get(name) is not None
        }
        return 200, headers, result[payload]

    @staticmethod
    def failure(error: ServiceError) -> Answer:
        """The answer for a modelled exception."""
        headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
        return error.status, headers, json.dumps({"message": str(error)}).encode()


def _pattern(uri: str) -> re.Pattern[str]:
    def group(found: re.Match[str]) -> str:
        # An ARN in a path holds slashes, and they arrive decoded.
        return f"(?P<{found[1]}>{'.+' if found[1] == 'resourceArn' else '[^/]+'})"

    return re.compile(re.sub(r"\{(\w+)\}", group, uri))


def _parameters(shape: Any, uri: dict[str, str], query: Document, body: bytes) -> Document:
    try:
        sent = json.loads(body) if body else {}
    except ValueError as error:
        raise ValidationError("The request body is not JSON") from error
    found: Document = {}
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri":
            found[name] = unquote(uri[wire_name])
        elif location == "querystring":
            if wire_name in query:
                found[name] = _from_query(member, query[wire_name])
        elif name == payload:
            if sent:
                found[name] = sent
        elif isinstance(sent, dict) and sent.get(wire_name) is not None:
            found[name] = sent[wire_name]
    return found


def _from_query(member: Any, value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if member.type_name == "list":
        return values
    text = values[0]
    if member.type_name == "boolean":
        return text == "true"
    if member.type_name == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
    "timestamp": (int, float, str),
    "blob": (str,),
}


def _problems(shape: Any, value: Any, place: str) -> Iterator[str]:
    """Broken constraints as sentences; values are left out, for they may identify a patient."""
    if not isinstance(value, _PYTHON_TYPES[shape.type_name]):
        yield f"Value at '{place}' must be of type {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _structure_problems(shape, value, place)
    elif shape.type_name == "list":
        yield from _length_problems(shape, value, place)
        for position, item in enumerate(value):
            yield from _problems(shape.member, item, f"{place}.{position + 1}.member")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{place}.key")
            yield from _problems(shape.value, item, f"{place}.value")
    elif shape.type_name in {"string", "integer"}:
        yield from _scalar_problems(shape, value, place)


def _structure_problems(shape: Any, value: Document, place: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value at '{_join(place, name)}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _problems(member, value[name], _join(place, name))
    if getattr(shape, "is_tagged_union", False) and len([v for v in value.values() if v is not None]) != 1:
        yield f"Value at '{place}' must have exactly one member"


def _scalar_problems(shape: Any, value: Any, place: str) -> Iterator[str]:
    if shape.type_name == "integer":
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            yield f"Value at '{place}' failed to satisfy constraint: Member must be between {low} and {high}"
        return
    yield from _length_problems(shape, value, place)
    if shape.enum and value not in shape.enum:
        yield f"Value at '{place}' failed to satisfy constraint: Member must satisfy enum value set: {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]"), value):
        wanted = f"Member must satisfy regular expression pattern: {pattern}"
        yield f"Value at '{place}' failed to satisfy constraint: {wanted}"


def _length_problems(shape: Any, value: Any, place: str) -> Iterator[str]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    if len(value) < low or (high is not None and len(value) > high):
        yield f"Value at '{place}' failed to satisfy constraint: Member must have length between {low} and {high}"


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.timestamp() if isinstance(value, datetime) else value


def moment(value: Any) -> float:
    """A timestamp parameter (epoch seconds or ISO 8601) as epoch seconds."""
    if isinstance(value, int | float):
        return float(value)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValidationError("A timestamp cannot be read") from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
