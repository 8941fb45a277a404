"""Pipeline parameters: their declaration, and the values of one execution (overrides always arrive as text)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker.definition.model import PARAMETER_TYPES, Parameter
from local.sagemaker.errors import ValidationError

_PYTHON = {"String": str, "Integer": int, "Float": (int, float), "Boolean": bool}


def parse_parameters(items: list[Any]) -> dict[str, Parameter]:
    """Declared parameters by name. Raises ValidationError."""
    parameters: dict[str, Parameter] = {}
    for item in items:
        parameter = _parameter(item)
        if parameter.name in parameters:
            raise ValidationError(f"Parameter '{parameter.name}': the name is used twice")
        parameters[parameter.name] = parameter
    return parameters


def bind(parameters: Mapping[str, Parameter], overrides: Mapping[str, str]) -> dict[str, Any]:
    """Values of one execution, typed. Raises ValidationError for unknown, missing, ill-typed or not allowed values."""
    if unknown := sorted(set(overrides) - set(parameters)):
        raise ValidationError(f"Pipeline parameter '{unknown[0]}' is not declared in the pipeline definition")
    values = {}
    for name, parameter in parameters.items():
        if name in overrides:
            values[name] = _convert(parameter, overrides[name])
        elif parameter.has_default:
            values[name] = parameter.default
        else:
            raise ValidationError(f"Pipeline parameter '{name}' has no default value and must be given")
        if parameter.allowed and values[name] not in parameter.allowed:
            raise ValidationError(f"Pipeline parameter '{name}' must be one of {list(parameter.allowed)}")
    return values


def as_text(value: Any) -> str:
    """A value as the service writes it into a string (Std:Join, parameter listings)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _parameter(item: Any) -> Parameter:
    if not isinstance(item, dict) or not isinstance(item.get("Name"), str):
        raise ValidationError("Parameters: each entry needs a Name")
    where = f"Parameter '{item['Name']}'"
    if unknown := sorted(set(item) - {"Name", "Type", "DefaultValue", "EnumValues"}):
        raise ValidationError(f"{where}: unknown member {unknown[0]!r}")
    if item.get("Type") not in PARAMETER_TYPES:
        raise ValidationError(f"{where}: Type must be one of {', '.join(PARAMETER_TYPES)}")
    parameter = Parameter(
        name=item["Name"],
        type=item["Type"],
        default=item.get("DefaultValue"),
        has_default="DefaultValue" in item,
        allowed=tuple(item.get("EnumValues") or ()),
    )
    if parameter.has_default:
        if not _has_type(parameter.default, parameter.type):
            raise ValidationError(f"{where}: DefaultValue {parameter.default!r} is not of type {parameter.type}")
        if parameter.allowed and parameter.default not in parameter.allowed:
            raise ValidationError(f"{where}: DefaultValue is not among EnumValues")
    return parameter


def _has_type(value: Any, kind: str) -> bool:
    return isinstance(value, _PYTHON[kind]) and (kind == "Boolean" or not isinstance(value, bool))


def _convert(parameter: Parameter, text: str) -> Any:
    if parameter.type == "String":
        return text
    if parameter.type == "Boolean":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    else:
        try:
            return int(text) if parameter.type == "Integer" else float(text)
        except ValueError:
            raise ValidationError(f"Pipeline parameter '{parameter.name}' is not of type {parameter.type}") from None
    raise ValidationError(f"Pipeline parameter '{parameter.name}' is not of type {parameter.type}")
