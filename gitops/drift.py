"""What changed outside of the program, from `pulumi refresh --preview-only --json`.

The engine ends every failure and every drift with code 255, so the answer is in the document: each refreshed resource
carries the outputs of the state and those that the cloud answered. A preview without refresh never sees drift.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from gitops.errors import GitopsError
from gitops.preview import Json, split_document, type_and_name
from gitops.redaction import code

MARKER: Final = "<!-- gitops:drift:{stack} -->"
NOT_DRIFT: Final = frozenset(
    {"lastModified", "lastUpdatedDate", "lastAccessedTime", "creationTime", "tableSizeBytes", "itemCount"}
)
"""What a service counts or stamps by itself."""


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """One resource that is not as the state says; `paths` are top-level properties, none when it is gone."""

    type: str
    name: str
    gone: bool
    paths: Sequence[str]


def find_drift(text: str) -> list[Drifted]:
    """Every drifted resource, the vanished first. Raises GitopsError when the refresh itself failed."""
    document, _ = split_document(text)
    if not document.keys() & {"steps", "changeSummary", "duration"}:  # of an empty stack it tells the duration alone
        raise GitopsError("The refresh printed no document: it failed before it looked. Its errors are in the log.")
    diagnostics = cast("list[Json]", document.get("diagnostics") or [])
    errors = [found for found in diagnostics if found.get("severity") == "error"]
    if errors and not any("no changes were expected" in str(found.get("message")) for found in errors):
        raise GitopsError(f"The refresh ended with {len(errors)} errors: what it found is not the whole story.")
    found = [_drifted(step) for step in cast("list[Json]", document.get("steps") or [])]
    return sorted((each for each in found if each), key=lambda each: (not each.gone, each.type, each.name))


def fingerprint(drifted: Sequence[Drifted]) -> str:
    """SHA-256 in hex of which resources and properties have drifted, whatever their order; empty when none has."""
    told = sorted(f"{each.type} {each.name} {each.gone} {' '.join(sorted(each.paths))}" for each in drifted)
    return hashlib.sha256("\n".join(told).encode()).hexdigest() if told else ""


def report(stack: str, drifted: Sequence[Drifted]) -> str:
    """Markdown for an issue or a job summary; names properties and never their values."""
    lines = [MARKER.format(stack=stack), f"### Drift of {code(stack)}", ""]
    if not drifted:
        return "\n".join([*lines, "None: what the account has is what the state says.", ""])
    lines += [f"{len(drifted)} resources are not as the program left them.", "", "| | | | |", "|---|---|---|---|"]
    for each in drifted:
        what = "**gone**" if each.gone else "changed"
        lines.append(f"| {what} | {code(each.type)} | {code(each.name)} | {', '.join(map(code, each.paths))} |")
    lines += [
        "",
        "Who did it is in the audit trail. Then either change the program to say so, or promote the deployed commit",
        "again with `restore`: its plan shows what is put back, and is approved like any other.",
        "",
    ]
    return "\n".join(lines)


def _drifted(step: Json) -> Drifted | None:
    old, new = (cast("Json | None", step.get(state)) for state in ("oldState", "newState"))
    kind, name = type_and_name(str(step.get("urn", "")))
    if kind.startswith("pulumi:") or old is None or not old.get("custom", True):
        return None
    if new is None or step.get("op") == "delete":
        return Drifted(type=kind, name=name, gone=True, paths=())
    before, after = (cast("Mapping[str, Any]", state.get("outputs") or {}) for state in (old, new))
    detailed = cast("Mapping[str, Any]", step.get("detailedDiff") or {})
    listed = [path.split(".")[0].split("[")[0] for path in detailed]
    paths = listed or [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    told = [path for path in dict.fromkeys(paths) if path not in NOT_DRIFT]
    return Drifted(type=kind, name=name, gone=False, paths=told) if told else None
