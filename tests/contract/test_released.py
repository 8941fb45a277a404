"""What a release said, the day's code takes, and the other way round: events on the bus, in the archive, in a queue.

An update is not one moment. Events that an old function published are read by a new one, and after a rollback by an old
one; both ways hold within a version. A change that breaks them needs a new `schema_version`, beside the old one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pulumi
import pytest

from lambda_shared.events.models import DETAIL_TYPES, Envelope
from lambda_shared.events.schemas import FOLDER, file_name
from tools import configuration

RELEASED = Path(__file__).parent / "released"
RELEASES = sorted(path.name for path in RELEASED.iterdir())
EVENTS = [
    (release, kind)
    for release in RELEASES
    for kind in sorted(DETAIL_TYPES)
    if (RELEASED / release / "events" / file_name(kind)).is_file()
]
"""Every release with the events that it had."""
TEXTS = {"^[0-9a-f]{32}$": "0" * 32}


def example(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """The smallest value that a schema of an event takes. Raises KeyError for a form that no event has yet."""
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {key: example(schema["properties"][key], definitions) for key in schema.get("required", [])}
    if schema["type"] == "string":
        return TEXTS[schema["pattern"]] if "pattern" in schema else "x"
    return {"integer": int, "number": float, "boolean": bool}[schema["type"]](schema.get("minimum", 0))


def whole(schema: dict[str, Any]) -> dict[str, Any]:
    """An example with the fields that have a default as well, as publishers write them."""
    made = example(schema, schema["$defs"])
    return {key: made.get(key, value.get("default")) for key, value in schema["properties"].items()}


def released(release: str, kind: str) -> dict[str, Any]:
    return json.loads((RELEASED / release / "events" / file_name(kind)).read_text())


@pytest.mark.parametrize(("release", "kind"), EVENTS)
def test_an_event_of_a_release_is_taken_by_the_day(release: str, kind: str) -> None:
    event = whole(released(release, kind))
    taken = Envelope[DETAIL_TYPES[kind]].model_validate(event)  # type: ignore[valid-type]
    assert taken.model_dump() == event


@pytest.mark.parametrize(("release", "kind"), EVENTS)
def test_an_event_of_the_day_is_taken_by_a_release(release: str, kind: str) -> None:
    event = whole(json.loads((FOLDER / file_name(kind)).read_text()))
    jsonschema.Draft202012Validator(released(release, kind)).validate(event)


@pytest.mark.parametrize("release", RELEASES)
def test_every_event_of_a_release_is_still_an_event(release: str) -> None:
    kept = {path.name for path in (RELEASED / release / "events").iterdir()}
    assert kept <= {file_name(kind) for kind in DETAIL_TYPES}


def test_a_field_more_would_be_noticed() -> None:
    event = whole(released(RELEASES[0], "ImageVerified"))
    event["data"]["reader"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="reader"):
        jsonschema.Draft202012Validator(released(RELEASES[0], "ImageVerified")).validate(event)


@pytest.mark.parametrize("release", RELEASES)
def test_the_stack_file_of_a_release_is_accepted_or_the_changelog_says_what_took_the_place_of_a_key(
    release: str,
) -> None:
    """Who upgrades must not have to guess; a refusal for any other reason than a key that went is a failure."""
    path = RELEASED / release / "Pulumi.prod.yaml"
    try:
        assert configuration.checked("platform", path)
    except pulumi.RunError as refused:
        gone = [re.match(r"\S+:([\w.]+) is not a key", line) for line in str(refused).splitlines()]
        told = set(re.findall(r"`([\w.]+)` is now", (configuration.ROOT / "CHANGELOG.md").read_text()))
        assert {match[1] if match else str(refused) for match in gone} <= told
