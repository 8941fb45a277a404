"""The only reader of the stack's configuration: one frozen `Settings`, checked before any resource exists.

`Pulumi.yaml` declares the keys, `Pulumi.<stack>.yaml` holds the values; stacks differ by this data and nothing else.
A bad value ends the program with a sentence that names the YAML key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from components._configuration import (
    ApiSettings,
    ContainerSettings,
    FunctionSettings,
    FunctionsSettings,
    Group,
    IngestionSettings,
    MonitoringSettings,
    NetworkSettings,
    RegistrySettings,
    SecondRegionSettings,
    SecuritySettings,
    Settings,
    StorageSettings,
    TagSettings,
    TrainingSettings,
)

__all__ = [
    "ApiSettings",
    "ContainerSettings",
    "FunctionSettings",
    "FunctionsSettings",
    "IngestionSettings",
    "MonitoringSettings",
    "NetworkSettings",
    "RegistrySettings",
    "SecondRegionSettings",
    "SecuritySettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "TagSettings",
    "TrainingSettings",
    "load",
    "parse",
]

PROJECT = "healthcare-imaging-mlops"


class SettingsError(pulumi.RunError):
    """The configuration is refused; the engine shows the sentences without a traceback."""


def load() -> Settings:
    """The running stack's settings. Raises SettingsError, one sentence a problem."""
    config = pulumi.Config(PROJECT)
    given: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        value: Any = config.get_object(key)
        if value is not None:
            given[key] = value
    return parse(given, stack=pulumi.get_stack())


def parse(values: Mapping[str, Any], *, stack: str) -> Settings:
    """Settings from the structured keys of one stack, without the engine. Raises SettingsError."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(problem, stack) for problem in error.errors(include_url=False))
        raise SettingsError("\n".join(sentences)) from error


def _sentence(problem: Any, stack: str) -> str:
    context: dict[str, Any] = problem.get("ctx", {})
    path = [*problem["loc"], *([context["key"]] if "key" in context else [])]
    key = f"{PROJECT}:{_dotted(path)}"
    where = f"(Pulumi.{stack}.yaml)"
    kind: str = problem["type"]
    if kind == "missing":
        return f"{key} is missing {where}"
    if kind == "extra_forbidden":
        return f"{key} is not a key of this project{_suggestion(path)} {where}"
    value = context.get("value", problem["input"])
    return f"{key} is {value} but {_demand(problem, list(problem['loc']))} {where}"


def _dotted(path: list[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _groups(path: list[str | int]) -> Iterator[type[Group]]:
    """The group models along the path, outermost first."""
    group: type[Group] = Settings
    yield group
    for part in path:
        field = _field(group, part)
        annotation: Any = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, Group)):
            return
        group = annotation
        yield group


def _field(group: type[Group], key: str | int) -> FieldInfo | None:
    return next((field for name, field in group.model_fields.items() if key in {name, field.alias}), None)


def _suggestion(path: list[str | int]) -> str:
    group = list(_groups(path[:-1]))[-1]
    known = [field.alias or name for name, field in group.model_fields.items()]
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it knows {', '.join(known)}"


def _demand(problem: Any, path: list[str | int]) -> str:
    """What the value must be, in words: the bounds of the field where it has any."""
    kind: str = problem["type"]
    context: dict[str, Any] = problem.get("ctx", {})
    if kind == "setting":
        return f"must {context['must']}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        return f"must be {_bounds(path)}"
    if kind in _DEMANDS:
        return f"must be {_DEMANDS[kind]}"
    message: str = problem["msg"]
    return "must be " + message.removeprefix("Input should be ").removeprefix("Input is ").rstrip(".")


_DEMANDS = {
    "ip_v4_network": "an IPv4 network such as 10.0.0.0/16, with no host bits set",
    "model_type": "a group of keys",
    "dict_type": "a group of keys",
}
"""What pydantic's own messages say in the words of its models rather than of the YAML file."""


def _bounds(path: list[str | int]) -> str:
    *outer, key = path
    field = _field(list(_groups(outer))[-1], key)
    bounds: dict[str, Any] = {}
    for item in field.metadata if field else ():
        bounds.update({name: getattr(item, name) for name in ("gt", "ge", "lt", "le") if hasattr(item, name)})
    low = bounds.get("ge", bounds.get("gt"))
    high = bounds.get("le", bounds.get("lt"))
    open_ends = [str(bounds[name]) for name in ("gt", "lt") if name in bounds]
    exclusive = f", {' and '.join(open_ends)} not included" if open_ends else ""
    return f"between {low} and {high}{exclusive}"
