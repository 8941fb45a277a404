"""The configuration of stacks: check it, complete it, explain it. `python -m tools.configuration --help`.

python -m tools.configuration validate                     # every Pulumi.<stack>.yaml of the checkout
python -m tools.configuration defaults --stack prod        # what a stack gets, its own values and the defaults
python -m tools.configuration explain training.imageSize   # type, default, bounds and meaning of a key
python -m tools.configuration write                        # schemas/ and docs/CONFIGURATION.md (make schemas)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import yaml

from bootstrap import settings as bootstrap_settings
from components import settings as platform_settings
from tools.configuration_reference import key_rows, reference

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "CONFIGURATION.md"
PROGRAMS = {
    "platform": (ROOT, platform_settings.PROJECT, platform_settings.Settings),
    "bootstrap": (ROOT / "bootstrap", bootstrap_settings.PROJECT, bootstrap_settings.Settings),
}
"""Program -> its folder, the name space of its keys, its model."""


def schema(program: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the program's stack files."""
    _, project, model = PROGRAMS[program]
    whole = model.model_json_schema(by_alias=True)
    keys = {f"{project}:{key}": value for key, value in whole["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Stack file of {project}",
        "description": "Generated from the program's own models by `make schemas`; what relates keys to each other is "
        "checked by `python -m tools.configuration validate`.",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [f"{project}:{key}" for key in whole.get("required", []) if key == "tags"],
                "properties": keys,
                "patternProperties": {rf"^(?!{project}:)[a-z-]+:.+$": {}},  # configuration of providers
                "additionalProperties": False,
            },
            **{name: {"type": "string"} for name in ("secretsprovider", "encryptionsalt", "encryptedkey")},
        },
        "additionalProperties": False,
        "$defs": whole.get("$defs", {}),
    }


def schema_path(program: str) -> Path:
    """Where the schema lies."""
    return ROOT / "schemas" / f"{program}-stack.schema.json"


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    files = {schema_path(name): json.dumps(schema(name), indent=1, sort_keys=True) + "\n" for name in PROGRAMS}
    return {**files, DOCUMENT: reference({name: model for name, (_, _, model) in PROGRAMS.items()})}


def stack_files() -> Iterator[tuple[str, Path]]:
    """(program, file) of each stack in the checkout."""
    for program, (folder, _, _) in PROGRAMS.items():
        yield from ((program, path) for path in sorted(folder.glob("Pulumi.*.yaml")))


def values_of(program: str, path: Path) -> dict[str, Any]:
    """The program's own keys in a stack file. Raises RunError when it is no stack file or has keys of nobody."""
    _, project, _ = PROGRAMS[program]
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise pulumi.RunError(f"{path.name} is not YAML: {error}") from error
    config = content.get("config") if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise pulumi.RunError(f"{path.name} has no key `config` with the stack's values")
    if strays := [key for key in config if ":" not in str(key)]:
        raise pulumi.RunError(f"{path.name}: {strays[0]} belongs to nobody; did you mean {project}:{strays[0]}?")
    own = {key.split(":", 1)[1]: value for key, value in config.items() if key.startswith(f"{project}:")}
    return _without_secrets(own)


def _without_secrets(value: Any) -> Any:
    """What can be read here: an encrypted value is the engine's alone, and all of them may be left out."""
    if not isinstance(value, dict):
        return value
    return {key: _without_secrets(one) for key, one in value.items() if not _encrypted(one)}


def _encrypted(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["secure"]


def checked(program: str, path: Path) -> Any:
    """The stack's settings as the program would get them. Raises RunError, a sentence a problem."""
    values = values_of(program, path)
    if program == "bootstrap":
        return bootstrap_settings.parse(values)
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    defaults = {key: body["default"] for key, body in declared.items() if "default" in body}
    return platform_settings.parse({**defaults, **values}, stack=path.name.split(".")[1])


def validate(paths: list[Path]) -> int:
    """Says of each file whether its program accepts it; the exit code."""
    known = {path.resolve(): program for program, path in stack_files()}
    failed = 0
    for path in paths or list(known):
        place = path.resolve()
        program = known.get(place) or ("bootstrap" if place.parent.name == "bootstrap" else "platform")
        try:
            checked(program, path)
        except (pulumi.RunError, OSError) as error:
            failed += 1
            sys.stdout.write(
                f"refused   {os.path.relpath(place)}\n" + "".join(f"  {x}\n" for x in str(error).split("\n"))
            )
        else:
            sys.stdout.write(f"accepted  {os.path.relpath(place)}\n")
    return 1 if failed else 0


def explain(name: str) -> int:
    """Says what a key means, or which keys a group has."""
    found = [
        row for _, _, model in PROGRAMS.values() for row in key_rows(model) if f"{row.key}.".startswith(f"{name}.")
    ]
    for row in found:
        bounds = f", {row.bounds}" if row.bounds else ""
        sys.stdout.write(f"{row.key}: {row.kind}{bounds}, default {row.default}\n  {row.meaning}\n")
    if not found:
        sys.stderr.write(f"configuration: {name} is no key; docs/CONFIGURATION.md lists all of them\n")
    return 0 if found else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    files = commands.add_parser("validate", help="check stack files as the program would")
    files.add_argument("files", nargs="*", type=Path, help="default: every stack file of the checkout")
    completed = commands.add_parser("defaults", help="the settings of a stack with every default")
    completed.add_argument("--stack", default="prod")
    completed.add_argument("--program", choices=sorted(PROGRAMS), default="platform")
    key = commands.add_parser("explain", help="what a key or a group means")
    key.add_argument("key", help="for example training.imageSize, or training")
    commands.add_parser("write", help="write the schemas and the reference")
    given = parser.parse_args()
    try:
        return _run(given)
    except (pulumi.RunError, OSError) as error:
        sys.stderr.write(f"configuration: {error}\n")
        return 1


def _run(given: argparse.Namespace) -> int:
    if given.what == "validate":
        return validate(given.files)
    if given.what == "explain":
        return explain(given.key)
    if given.what == "defaults":
        path = PROGRAMS[given.program][0] / f"Pulumi.{given.stack}.yaml"
        values = checked(given.program, path).model_dump(mode="json", by_alias=True)
        yaml.safe_dump(values, sys.stdout, sort_keys=False)
        return 0
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
