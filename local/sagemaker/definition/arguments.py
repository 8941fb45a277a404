"""Check of requests and of step arguments against the service's own request shapes, as botocore ships them.

A call such as {"Get": "Parameters.X"} stands for a value that is known only later: a parameter is checked by its type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from local.sagemaker.definition.functions import function_name, parse_reference
from local.sagemaker.definition.model import Parameter
from local.sagemaker.errors import ValidationError

_OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}
_DESCRIPTIONS = {
    "Processing": "DescribeProcessingJob",
    "Training": "DescribeTrainingJob",
    "RegisterModel": "DescribeModelPackage",
}
_GIVEN_BY_PIPELINE = {"ProcessingJobName", "TrainingJobName"}
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}
_PARAMETERS = {
    "string": ("String",),
    "integer": ("Integer",),
    "long": ("Integer",),
    "float": ("Integer", "Float"),
    "double": ("Integer", "Float"),
    "boolean": ("Boolean",),
}


@lru_cache(maxsize=2)
def service_model(service: str = "sagemaker") -> ServiceModel:
    """The API model of the installed botocore (SageMaker's: 0.3 s to load, once)."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def check_arguments(where: str, kind: str, arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Raises ValidationError naming the step and the member that the Create call would not accept."""
    shape = service_model().operation_model(_OPERATIONS[kind]).input_shape
    if shape is None:
        raise ValidationError(f"{where}: botocore has no request shape for {_OPERATIONS[kind]}")
    _Checker(where, parameters).check(arguments, shape, "Arguments")


def check_request(action: str, request: Any, service: str = "sagemaker") -> None:
    """Raises ValidationError naming the member of an API call that the service would not accept."""
    shape = service_model(service).operation_model(action).input_shape
    if shape is not None:
        _Checker(action, None).check(request, shape, "the request")


def check_property_path(where: str, kind: str, path: tuple[str | int, ...], text: str) -> None:
    """Raises ValidationError when the described resource has no such property."""
    shape: Any = service_model().operation_model(_DESCRIPTIONS[kind]).output_shape
    for part in path:
        if isinstance(shape, StructureShape) and part in (members := _members(shape)):
            shape = members[str(part)]
        elif isinstance(shape, ListShape):
            shape = shape.member
        elif isinstance(shape, MapShape):
            shape = shape.value
        else:
            raise ValidationError(f"{where}: '{text}' names '{part}', which {_DESCRIPTIONS[kind]} does not answer")


def _members(shape: Any) -> dict[str, Any]:
    """Members of a structure (botocore computes them lazily, which hides their type)."""
    return shape.members


def _limits(shape: Any) -> dict[str, Any]:
    """What the API says of a value besides its type (botocore computes it lazily, which hides its type)."""
    return shape.metadata


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    """A pattern of the API; None without, and for the few that Python does not read (\\p{L} of tags)."""
    try:
        return re.compile(text) if text else None
    except re.error:
        return None


class _Checker:
    """`parameters` None: a request as it is, in which nothing stands for a value that is known later."""

    def __init__(self, where: str, parameters: Mapping[str, Parameter] | None) -> None:
        self._where = where
        self._parameters = parameters
        self._given = frozenset[str]() if parameters is None else _GIVEN_BY_PIPELINE

    def check(self, value: Any, shape: Any, path: str) -> None:
        if self._parameters is not None and function_name(value) is not None:
            self._call(value, shape, path)
        elif isinstance(shape, StructureShape):
            self._structure(value, shape, path)
        elif isinstance(shape, ListShape):
            self._expect(isinstance(value, list), path, "a list", value)
            self._within(len(value), shape, path, "items")
            for index, item in enumerate(value):
                self.check(item, shape.member, f"{path}[{index}]")
        elif isinstance(shape, MapShape):
            self._expect(isinstance(value, dict), path, "an object", value)
            self._within(len(value), shape, path, "members")
            for key, item in value.items():
                self.check(item, shape.value, f"{path}.{key}")
        else:
            self._scalar(value, shape, path)

    def _structure(self, value: Any, shape: Any, path: str) -> None:
        self._expect(isinstance(value, dict), path, "an object", value)
        for key, item in value.items():
            if key not in shape.members:
                raise ValidationError(f"{self._where}: {path} has no member '{key}' ({shape.name})")
            self.check(item, shape.members[key], f"{path}.{key}")
        for required in shape.required_members:
            token = shape.members[required].metadata.get("idempotencyToken")  # a client makes one up
            if required not in value and required not in self._given and not token:
                raise ValidationError(f"{self._where}: {path} needs the member '{required}' ({shape.name})")

    def _scalar(self, value: Any, shape: Shape, path: str) -> None:
        kinds = _PYTHON.get(shape.type_name)
        if kinds is None:
            return
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        self._expect(fits, path, f"of type {shape.type_name}", value)
        allowed = getattr(shape, "enum", None)
        if allowed and value not in allowed:
            raise ValidationError(f"{self._where}: {path} is '{value}', which {shape.name} does not have")
        if isinstance(value, str):
            self._within(len(value), shape, path, "characters")
            found = _pattern(_limits(shape).get("pattern", ""))
            if found is not None and not found.fullmatch(value):
                raise ValidationError(f"{self._where}: {path} does not look as {shape.name} must: {found.pattern}")
        elif not isinstance(value, bool):
            self._within(value, shape, path, "")

    def _within(self, number: float, shape: Shape, path: str, unit: str) -> None:
        low, high = _limits(shape).get("min"), _limits(shape).get("max")
        if (low is not None and number < low) or (high is not None and number > high):
            bounds = f"from {low} to {high}" if high is not None and low is not None else f"at least {low}"
            bounds = f"at most {high}" if low is None else bounds
            raise ValidationError(f"{self._where}: {path} has {number}{unit and ' '}{unit}, not {bounds}")

    def _call(self, value: Any, shape: Shape, path: str) -> None:
        name = function_name(value)
        if name != "Get":
            self._expect(
                shape.type_name == "string" or name == "Std:JsonGet", path, f"of type {shape.type_name}", value
            )
            return
        reference = parse_reference(value["Get"])
        known = self._parameters or {}
        parameter = known.get(reference.name) if reference.root == "Parameters" else None
        allowed = _PARAMETERS.get(shape.type_name)
        if parameter and allowed and parameter.type not in allowed:
            raise ValidationError(
                f"{self._where}: {path} is of type {shape.type_name} but parameter '{parameter.name}' is of type "
                f"{parameter.type} (Std:Join makes text of it)"
            )

    def _expect(self, holds: bool, path: str, wanted: str, value: Any) -> None:
        if not holds:
            raise ValidationError(f"{self._where}: {path} must be {wanted}, not {type(value).__name__}")
