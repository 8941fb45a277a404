"""Values of expressions while an execution runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.definition.functions import Reference, function_name, parse_path, parse_reference
from local.sagemaker.definition.model import Definition
from local.sagemaker.definition.parameters import as_text
from local.sagemaker.errors import ValidationError

# A list of structures is addressed by the one member that names its elements (['train'] on Outputs).
_KEYS = ("OutputName", "MetricName", "InputName", "ChannelName")


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Fills in expressions. `properties` gives what a finished step answers; `read` reads an S3 object as text."""

    definition: Definition
    parameters: Mapping[str, Any]
    execution: Callable[[str], str]
    properties: Callable[[str], Mapping[str, Any]]
    read: Callable[[str], str]

    def __call__(self, value: Any) -> Any:
        """The value with every call replaced. Raises ValidationError when a property does not exist."""
        name = function_name(value)
        if name == "Get":
            return self._get(parse_reference(value["Get"]))
        if name == "Std:Join":
            body = value["Std:Join"]
            return as_text(self(body["On"])).join(as_text(self(item)) for item in body["Values"])
        if name == "Std:JsonGet":
            return self._json_get(value["Std:JsonGet"])
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        return [self(item) for item in value] if isinstance(value, list) else value

    def _get(self, reference: Reference) -> Any:
        if reference.root == "Parameters":
            return self.parameters[reference.name]
        if reference.root == "Execution":
            return self.execution(reference.name)
        return walk(self.properties(reference.name), reference.path, reference.text)

    def _json_get(self, body: dict[str, Any]) -> Any:
        uri = (
            self(body["S3Uri"])
            if "S3Uri" in body
            else self._property_file(parse_reference(body["PropertyFile"]["Get"]))
        )
        path = body["Path"]
        parts = parse_path(path if re.match(r"^[.\[]", path) else f".{path}", path)
        try:
            document = json.loads(self.read(uri))
        except ValueError as error:
            raise ValidationError("Std:JsonGet: the property file is not valid JSON") from error
        return walk(document, parts, path)

    def _property_file(self, reference: Reference) -> str:
        step = self.definition.steps[reference.name]
        item = next(item for item in step.property_files if item.name == reference.path[1])
        path = ("ProcessingOutputConfig", "Outputs", item.output, "S3Output", "S3Uri")
        folder = walk(self.properties(step.name), path, reference.text)
        return f"{str(folder).rstrip('/')}/{item.path}"


def walk(value: Any, path: tuple[str | int, ...], text: str) -> Any:
    """Follow a path through objects and lists. Raises ValidationError where it ends early."""
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
            continue
        found = None
        if isinstance(value, list):
            found = _named(value, part) if isinstance(part, str) else next(iter(value[part : part + 1]), None)
        if found is None:
            raise ValidationError(f"'{text}' has no value at '{part}'")
        value = found
    return value


def _named(items: list[Any], name: str) -> Any:
    for item in items:
        if isinstance(item, Mapping) and any(item.get(key) == name for key in _KEYS):
            return item
    return None
