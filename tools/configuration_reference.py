"""docs/CONFIGURATION.md: every key with its type, default, bounds and meaning, from the models that check it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components._configuration_base import Group

HEAD = """\
# Configuration

Generated from the models that check it (`make schemas`); a test fails when it is stale. Values stand in
`Pulumi.<stack>.yaml` below `config`, as `healthcare-imaging-mlops:<group>:`; a key that is left out has the default,
and defaults are those of production. Editors complete and check the files by the schema that their
`yaml-language-server` line names.

```sh
python -m tools.configuration validate                     # every stack file, as the program checks it
python -m tools.configuration defaults --stack prod        # all that a stack gets
python -m tools.configuration explain training.imageSize   # one key, or a whole group
```

Nothing secret belongs into these files in clear: `pulumi config set --secret` encrypts, and no key here needs one.
"""
TITLES = {
    "platform": "The platform (`Pulumi.<stack>.yaml`)",
    "bootstrap": "The bootstrap (`bootstrap/Pulumi.<account>.yaml`)",
}
_MANY = 12


@dataclass(frozen=True)
class Row:
    """One key."""

    key: str
    kind: str
    default: str
    bounds: str
    meaning: str


def reference(models: Mapping[str, type[Group]]) -> str:
    """The whole document."""
    parts = [HEAD]
    for name, model in models.items():
        whole = model.model_json_schema(by_alias=True)
        parts.append(f"## {TITLES[name]}\n")
        for key, value in whole["properties"].items():
            body = _resolved(value, whole["$defs"])
            parts.append(f"### {key}\n\n{_one_line(body.get('description', ''))}\n")
            parts.append("| key | type | default | bounds | meaning |\n|---|---|---|---|---|")
            rows = list(_rows(key, value, whole["$defs"], required=False))
            parts += [
                f"| `{r.key}` | {r.kind} | {_cell(r.default)} | {r.bounds or '-'} | {r.meaning or '-'} |" for r in rows
            ]
            parts.append("")
    return "\n".join(parts)


def _line(row: Row) -> str:
    return f"| `{row.key}` | {row.kind} | {_cell(row.default)} | {row.bounds or '-'} | {row.meaning or '-'} |"


def key_rows(model: type[Group]) -> Iterator[Row]:
    """Every key of a model."""
    whole = model.model_json_schema(by_alias=True)
    for key, value in whole["properties"].items():
        yield from _rows(key, value, whole["$defs"], required=False)


def _rows(key: str, value: dict[str, Any], definitions: dict[str, Any], *, required: bool) -> Iterator[Row]:
    body = _resolved(value, definitions)
    inner: dict[str, Any] = body.get("properties", {})
    if not inner:
        yield _row(key, body, required=required)
        return
    default: Any = value.get("default")
    given: dict[str, Any] = default if isinstance(default, dict) else {}
    for name, child in inner.items():
        known = {**child, "default": given[name]} if name in given else child
        yield from _rows(f"{key}.{name}", known, definitions, required=name in body.get("required", []))


def _resolved(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref", "")
    target = definitions[reference.rpartition("/")[2]] if reference else {}
    return {**target, **{k: v for k, v in value.items() if k != "$ref"}}


def _row(key: str, body: dict[str, Any], *, required: bool) -> Row:
    options = [option for option in body.get("anyOf", [body]) if option.get("type") != "null"]
    main = {**body, **options[0]}
    default = "must be given" if required or "default" not in body else json.dumps(body["default"])
    return Row(key, _kind(main), default, _bounds(main), _one_line(body.get("description", "")))


def _kind(body: dict[str, Any]) -> str:
    if body.get("type") == "array":
        return f"list of {_kind(body.get('items', {}))}"
    return {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "map",
    }.get(body.get("type", ""), "text")


def _bounds(body: dict[str, Any]) -> str:
    found = body.get("items", {}) if body.get("type") == "array" else body
    if "enum" in found:
        values = [str(value) for value in found["enum"]]
        return ", ".join(values[:_MANY]) + (f" and {len(values) - _MANY} more" if len(values) > _MANY else "")
    if "x-must" in found:
        return f"must {found['x-must']}"
    if found.get("format") == "ipv4network":
        return "a network such as 10.0.0.0/16"
    names = {
        "minimum": "from {}",
        "exclusiveMinimum": "over {}",
        "maximum": "to {}",
        "multipleOf": "in steps of {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
    }
    return ", ".join(text.format(found[name]) for name, text in names.items() if name in found)


def _one_line(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _cell(default: str) -> str:
    return default if default == "must be given" else f"`{default}`"
