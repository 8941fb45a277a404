"""docs/reference/EVENTS.md: every event of the platform's bus by version, who says it, and which rule carries it where.

Forms come from the JSON Schemas beside the models, rules and targets from the program, publishers from the code: a
package publishes an event when it constructs it.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lambda_shared.events.models import DETAIL_TYPES, SCHEMA_VERSION
from lambda_shared.events.schemas import FOLDER, file_name
from tools.reference.programs import COMPLETE, ROOT, neutral, recorded, role_of, table

HEAD = """\
# Events

<!-- Written by `make reference` from the events' schemas and the program: change those, not this file. -->

What the platform says on its bus `STACK-platform` (EventBridge, kept in an archive for {archive} days), what it listens
to from AWS, and what it does by the clock. The `detail` of each event is an envelope around its data:

{envelope}
The version is {version}; a change that breaks a consumer needs a new one. Events hold pseudonyms and numbers, never
an identifier.
Delivery is at least once: a consumer that acts on an event remembers its `event_id`. What no target took within a day
lies in the queue `event-targets-dlq` ([dead-letters](../runbooks/dead-letters.md)).
"""


def document() -> str:
    """The whole page."""
    program = recorded(COMPLETE)
    archive = program.one("aws:cloudwatch/eventArchive:EventArchive").inputs["retentionDays"]
    first = json.loads((FOLDER / file_name(next(iter(DETAIL_TYPES)))).read_text())
    envelope = {**first, "properties": {k: v for k, v in first["properties"].items() if k != "data"}}
    parts = [HEAD.format(archive=int(archive), envelope=_fields(envelope), version=SCHEMA_VERSION)]
    rules = program.of("aws:cloudwatch/eventRule:EventRule")
    for detail_type, model in DETAIL_TYPES.items():
        parts += _event(program, detail_type, " ".join((model.__doc__ or "").split()))
    listened = [one for one in rules if _source(one).startswith("aws.")]
    parts += ["## From AWS\n", _rule_table(program, listened, "matches")]
    timed = [one for one in rules if one.inputs.get("scheduleExpression")]
    parts += ["## By the clock\n", _rule_table(program, timed, "when")]
    return "\n".join(parts)


def _event(program: Any, detail_type: str, meaning: str) -> Iterator[str]:
    schema = json.loads((FOLDER / file_name(detail_type)).read_text())
    data = schema["$defs"][detail_type]
    carried = [
        one
        for one in program.of("aws:cloudwatch/eventRule:EventRule")
        if detail_type in _pattern(one).get("detail-type", [])
    ]
    yield f"## {detail_type}\n"
    yield f"{meaning} Published by {', '.join(f'`{one}`' for one in publishers()[detail_type])}.\n"
    yield _fields(data)
    yield _rule_table(program, carried, "matches") if carried else "No rule carries it: it is for the archive.\n"


@functools.cache
def publishers() -> Mapping[str, Sequence[str]]:
    """Detail type -> folders of the packages whose code constructs it."""
    found: dict[str, set[str]] = {name: set() for name in DETAIL_TYPES}
    for path in [*(ROOT / "lambdas").rglob("*.py"), *(ROOT / "api").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in found:
                found[node.func.id].add(_package(path))
    return {name: sorted(packages) for name, packages in found.items()}


def _package(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "lambdas" else parts[0]


def _rule_table(program: Any, rules: Sequence[Any], how: str) -> str:
    targets = program.of("aws:cloudwatch/eventTarget:EventTarget")
    rows = []
    for rule in sorted(rules, key=lambda one: str(one.inputs["name"])):
        goes = sorted(
            neutral(_target(str(one.inputs["arn"]))) for one in targets if one.inputs["rule"] == rule.inputs["name"]
        )
        rows.append(
            [role_of(str(rule.inputs["name"])), str(rule.inputs["description"]), _matches(rule), "<br>".join(goes)]
        )
    return table(("rule", "purpose", how, "goes to"), rows)


def _matches(rule: Any) -> str:
    if rule.inputs.get("scheduleExpression"):
        return f"`{rule.inputs['scheduleExpression']}`"
    return f"`{neutral(json.dumps(_pattern(rule), sort_keys=True))}`"


def _target(arn: str) -> str:
    """`sqs upload` for the ARN of a queue: the service and the resource's own name."""
    parts = arn.split(":", 5)
    return f"{parts[2]} {role_of(parts[5].split(':')[-1].split('/')[-1])}"


def _pattern(rule: Any) -> Mapping[str, Any]:
    return json.loads(rule.inputs.get("eventPattern") or "{}")


def _source(rule: Any) -> str:
    first = (_pattern(rule).get("source") or [""])[0]
    return first if isinstance(first, str) else ""


def _fields(schema: Mapping[str, Any]) -> str:
    rows = [
        [f"`{name}`", _kind(value), str(value.get("description", "-"))] for name, value in schema["properties"].items()
    ]
    return table(("field", "form", "meaning"), rows)


def _kind(value: Mapping[str, Any]) -> str:
    if "const" in value:
        return f'always `"{value["const"]}"`'
    if "enum" in value:
        return "one of " + ", ".join(f"`{one}`" for one in value["enum"])
    bounds = {
        "minimum": "from {}",
        "maximum": "to {}",
        "minLength": "length from {}",
        "pattern": "as `{}`",
    }
    said = [text.format(value[name]) for name, text in bounds.items() if name in value]
    return ", ".join([str(value["type"]), *said])
