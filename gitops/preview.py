"""Reads what `pulumi preview --json` and `pulumi refresh --preview-only --json` print.

One document: `steps` (op, urn, oldState, newState, replaceReasons, diffReasons, detailedDiff) and `diagnostics`. What
the CLI prints before and after it is kept as text. Read from the output of CLI 3.220.0; `--json` tells nothing about
policies that pass, and an exit code of 255 stands for every failure, so the caller passes it on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from gitops.errors import GitopsError

Json = Mapping[str, Any]

REPLACING: Final = frozenset(
    {"replace", "create-replacement", "delete-replaced", "import-replacement", "read-replacement"}
)
DELETING: Final = frozenset({"delete", "discard", "discard-replaced"})
UNCHANGED: Final = frozenset({"same", "read"})

STATEFUL: Final = (
    "aws:s3/bucket",
    "aws:dynamodb/table",
    "aws:kms/key:",
    "aws:cloudcontrol/resource",  # HealthImaging data stores
    "aws:cognito/userPool:",
    "aws:cloudwatch/logGroup",
    "aws:cloudtrail/trail",
    "aws:secretsmanager/secret",
    "aws:sagemaker/modelPackageGroup",
    "aws:ecr/repository:",
    "aws:sqs/queue:",
    "aws:rds/",
    "aws:efs/",
    "aws:elasticache/",
)
"""Beginnings of the types that hold what cannot be made again: data, keys, accounts of people, records."""

_POLICY: Final = re.compile(
    r"\[(?P<level>mandatory|advisory|remediate)\](?:\s*\[severity: (?P<severity>\w+)\])?\s+(?P<rule>[\w.-]+)"
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that changes.

    Attributes:
        op: the engine's word: create, update, delete, replace, ...
        type: Pulumi type, such as aws:s3/bucket:Bucket.
        name: logical name.
        paths: properties that change.
        causes: properties that force a replacement; a part of `paths` in general.
        old: inputs before, {} for a new resource.
        new: inputs after, {} for one that goes.
    """

    op: str
    urn: str
    type: str
    name: str
    paths: Sequence[str]
    causes: Sequence[str]
    old: Json
    new: Json

    @property
    def loses_data(self) -> bool:
        """A stateful resource that is deleted or replaced."""
        return self.type.startswith(STATEFUL) and self.op in REPLACING | DELETING


@dataclass(frozen=True, kw_only=True)
class PolicyHit:
    """One line of the policies' verdict."""

    level: str
    rule: str
    severity: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What one preview says.

    Attributes:
        complete: False when the engine ended in an error: then the changes are not the whole story.
    """

    changes: Sequence[Change]
    unchanged: int
    errors: Sequence[str]
    policies: Sequence[PolicyHit]
    complete: bool = True

    @property
    def mandatory(self) -> Sequence[PolicyHit]:
        """Violations that refuse the update."""
        return [hit for hit in self.policies if hit.level == "mandatory"]

    def count(self, *ops: str) -> int:
        """Resources with one of these operations; a replacement counts once, however many steps it takes."""
        return len({change.urn for change in self.changes if change.op in ops})


def read_preview(text: str, beside: str = "", code: int = 0) -> Preview:
    """The preview in `text`; `beside` is what the same command wrote elsewhere, `code` what it ended with.

    Text without a document is a preview that failed before it planned anything: its errors are kept.
    """
    document, around = split_document(text)
    around = f"{around}\n{beside}"
    steps = cast("list[Json]", document.get("steps") or [])
    errors = [*_diagnostics(document), *_plain_errors(around)]
    policies = _policies("\n".join([around, *errors]))
    return Preview(
        changes=list(_changes(steps)),
        unchanged=sum(1 for step in steps if step.get("op") in UNCHANGED),
        errors=[error for error in dict.fromkeys(errors) if not _POLICY.search(error)],
        policies=policies,
        complete=bool(document) and not code and not errors and not any(hit.level == "mandatory" for hit in policies),
    )


def policy_lines(events: str) -> str:
    """What `--event-log` says of policies, as lines that `read_preview` takes beside: `--json` leaves them out.

    A broken rule is an event of its own, its `message` (which quotes what the program said) is left out.
    """
    lines: list[str] = []
    for line in events.splitlines():
        if '"policyEvent"' not in line:
            continue
        found = cast("Json", json.loads(line).get("policyEvent") or {})
        if found:
            lines.append(f"[{found['enforcementLevel']}] {found['policyName']}")
    return "\n".join(lines)


def difference(base: Preview, head: Preview) -> Preview:
    """What differs between two programs, each previewed offline from nothing: no state and no secret is needed.

    The engine cannot say here which update would be a replacement: the plan, which is approved after the merge, does.
    """
    before, after = ({change.urn: change for change in found.changes} for found in (base, head))
    changes = [
        replace(change, op="delete", old=change.new, new={}) for urn, change in before.items() if urn not in after
    ]
    for urn, change in after.items():
        if urn not in before:
            changes.append(change)
        elif before[urn].new != change.new:
            old = before[urn].new
            paths = [key for key in sorted({*old, *change.new}) if old.get(key) != change.new.get(key)]
            changes.append(replace(change, op="update", old=old, paths=paths))
    unchanged = len(after) - sum(1 for change in changes if change.op != "delete")
    return replace(head, changes=changes, unchanged=unchanged, complete=head.complete and base.complete)


def split_document(text: str) -> tuple[Json, str]:
    """The first JSON object that starts a line, and the text around it; ({}, text) when there is none.

    Raises GitopsError when an object begins and does not end: a file that was cut must not look like an empty preview.
    """
    for found in re.finditer(r"^\{", text, re.MULTILINE):
        try:
            document, end = json.JSONDecoder().raw_decode(text, found.start())
        except ValueError as broken:
            if text[found.start() :].lstrip("{ \r\n\t").startswith('"'):
                raise GitopsError(
                    "The preview's JSON does not end: was the file cut, or the command killed?"
                ) from broken
            continue
        if isinstance(document, dict):
            return cast("Json", document), text[: found.start()] + text[end:]
    return {}, text


def type_and_name(urn: str) -> tuple[str, str]:
    """`aws:s3/bucket:Bucket` and the logical name of `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
    parts = urn.split("::", 3)
    if len(parts) != 4:
        raise GitopsError("A step of the preview has no URN of four parts: is this the output of `pulumi --json`?")
    return parts[2].rsplit("$", 1)[-1], parts[3]


def _changes(steps: Sequence[Json]) -> Iterator[Change]:
    for step in steps:
        op = str(step.get("op", ""))
        if op in UNCHANGED or not op:
            continue
        urn = str(step.get("urn", ""))
        kind, name = type_and_name(urn)
        if kind == "pulumi:pulumi:Stack":
            continue
        old, new = (_inputs(cast("Json", step.get(state) or {})) for state in ("oldState", "newState"))
        paths = _texts(step.get("detailedDiff") or step.get("diffReasons"))
        yield Change(
            op=op,
            urn=urn,
            type=kind,
            name=name,
            paths=paths,
            causes=_texts(step.get("replaceReasons")),
            old=old,
            new=new,
        )


def _inputs(state: Json) -> Json:
    return cast("Json", state.get("inputs") or {})


def _texts(paths: Any) -> list[str]:
    """Property paths of a list, or the keys of an object."""
    return [str(path) for path in cast("Iterable[Any]", paths or ())]


def _diagnostics(document: Json) -> Iterator[str]:
    for found in cast("list[Json]", document.get("diagnostics") or []):
        if found.get("severity") == "error":
            yield str(found.get("message", "")).strip()


def _plain_errors(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = re.match(r"\s*error: (.+)", line)
        if found and "policy violation" not in line:
            yield found[1].strip()


def _policies(text: str) -> list[PolicyHit]:
    """Each rule that was broken, mandatory ones first, each once."""
    hits = {
        PolicyHit(level=found["level"], rule=found["rule"], severity=found["severity"] or "")
        for found in _POLICY.finditer(text)
    }
    return sorted(hits, key=lambda hit: (hit.level != "mandatory", hit.rule))
