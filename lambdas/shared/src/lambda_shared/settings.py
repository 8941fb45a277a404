"""Typed settings from environment variables.

A function's settings are a frozen dataclass whose field names are the variables' names in lower case, so the list of
variables exists once. `keys` is what contract tests compare with the infrastructure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from lambda_shared.errors import ConfigurationError

SettingsType = TypeVar("SettingsType")
TRUE_WORDS = frozenset({"true", "1", "yes"})
FALSE_WORDS = frozenset({"false", "0", "no"})


def keys(settings_class: type[Any]) -> tuple[str, ...]:
    """The environment variables that a settings class reads, in the order of its fields."""
    return tuple(field.name.upper() for field in dataclasses.fields(settings_class))


def load(settings_class: type[SettingsType], environ: Mapping[str, str]) -> SettingsType:
    """Read every field of a settings dataclass (str, int, float or bool) from the environment.

    Raises:
        ConfigurationError: naming every variable that is absent, empty or not of its type; never their values.
    """
    hints = get_type_hints(settings_class)
    values: dict[str, object] = {}
    wrong: list[str] = []
    for field in dataclasses.fields(settings_class):  # pyright: ignore[reportArgumentType]
        name = field.name.upper()
        text = environ.get(name, "").strip()
        if not text and field.default is not dataclasses.MISSING:
            continue
        try:
            values[field.name] = _parse(text, hints[field.name])
        except ValueError as error:
            wrong.append(f"{name} {error}")
    if wrong:
        raise ConfigurationError("CONFIGURATION", "; ".join(wrong))
    return settings_class(**values)


def _parse(text: str, kind: Any) -> object:
    if not text:
        raise ValueError("is not set")
    if kind is bool:
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise ValueError("must be true or false")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError("must be a number") from None
    return text
