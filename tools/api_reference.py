"""Write docs/API.md from the API's OpenAPI document: `python -m tools.api_reference`. A test holds it current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "api" / "openapi.json"
DOCUMENT: Final = ROOT / "docs" / "API.md"
Json = dict[str, Any]

_HEAD = """<!-- written by `python -m tools.api_reference`; do not edit -->

# {title}

{description}

Made from `api/openapi.json`, which the code of `api/` writes; the gateway checks every request against it before a
function runs. The address is the stack's output `api_url`. A request carries a Cognito token of the user pool as
`Authorization: Bearer TOKEN`. Studies, images and patients are pseudonyms: 32 hexadecimal digits.

An error is a `Problem` (RFC 9457, `application/problem+json`) with a `code` to program by. 401: sign in again. 403: the
patient is not assigned to you, or it is not for your group. 404: not there. 409: decided otherwise meanwhile. 422: the
request has not the agreed form. 429: slower. Lists come in pages: give the answer's `cursor` back until there is none.
"""


def render(api: Json) -> str:
    """The page for an OpenAPI 3.1 document."""
    parts = [_HEAD.format(title=api["info"]["title"], description=api["info"]["description"])]
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, operations in sorted(groups.items()):
        parts.append(f"## {tag.capitalize()}\n")
        parts += [_operation(*operation) for operation in operations]
    parts.append("## Forms\n")
    schemas = api["components"]["schemas"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Json) -> str:
    lines = [f"### `{method} {path}`\n", operation.get("description", "").strip(), ""]
    rows = [
        (f"`{one['name']}`", one["in"], _kind(one["schema"]), "yes" if one.get("required") else "-", _about(one))
        for one in operation.get("parameters", [])
    ]
    if rows:
        lines += [_table(("parameter", "in", "form", "needed", "meaning"), rows), ""]
    body = operation.get("requestBody")
    sends = _kind(_json_schema(body)) if body else "nothing"
    answers = [
        f"{code} with {_kind(schema)}" if (schema := _json_schema(answer)) else code
        for code, answer in operation["responses"].items()
        if code.startswith("2")
    ]
    lines += [f"Sends {sends}; answers {', '.join(answers)}.", ""]
    return "\n".join(lines)


def _schema(name: str, schema: Json) -> str:
    lines = [f"### {name}\n", schema.get("description", "").strip(), ""]
    if "enum" in schema:
        lines += [f"One of {_choices(schema)}.", ""]
    needed = set(schema.get("required", []))
    rows = [
        (f"`{key}`", _kind(value), "yes" if key in needed else _default(value), _about(value))
        for key, value in schema.get("properties", {}).items()
    ]
    if rows:
        lines += [_table(("field", "form", "needed", "meaning"), rows), ""]
    return "\n".join(line for line in lines)


def _json_schema(content: Json) -> Json:
    return content.get("content", {}).get("application/json", {}).get("schema", {})


def _kind(schema: Json) -> str:
    """A schema in a few words: `whole number, 1 to 100`, a link to a form, a list of them."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_kind(choice) for choice in choices)
    if "enum" in schema:
        return _choices(schema)
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}{_bounds(schema, 'minItems', 'maxItems', ' items')}"
    names = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "null",
    }
    plain = names.get(schema.get("type", ""), "object")
    pattern = f" like `{schema['pattern']}`".replace("|", "\\|") if "pattern" in schema else ""
    form = f" ({schema['format']})" if "format" in schema else ""
    bounds = _bounds(schema, "minimum", "maximum") + _bounds(schema, "minLength", "maxLength", " long")
    return f"{plain}{form}{pattern}{bounds}"


def _bounds(schema: Json, low: str, high: str, unit: str = "") -> str:
    if low in schema and high in schema:
        return f", {schema[low]} to {schema[high]}{unit}"
    if high in schema:
        return f", at most {schema[high]}{unit}"
    return f", at least {schema[low]}{unit}" if low in schema else ""


def _choices(schema: Json) -> str:
    return ", ".join(f"`{choice}`" for choice in schema["enum"])


def _default(schema: Json) -> str:
    return f"- (`{json.dumps(schema['default'])}`)" if "default" in schema else "-"


def _about(thing: Json) -> str:
    text = thing.get("description") or thing.get("schema", {}).get("description") or ""
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())


def generated() -> str:
    """What docs/API.md must hold."""
    return render(json.loads(SOURCE.read_text()))


def main() -> int:
    DOCUMENT.write_text(generated())
    sys.stdout.write(f"written: {DOCUMENT.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
