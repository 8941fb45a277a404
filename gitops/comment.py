"""One comment for each stack of a pull request, in Markdown, made from a preview.

What a reviewer must not miss comes first: lost data, refused policies, errors. When it grows too long, rows go from the
end, and the comment says how many and where the rest is; headline and danger rows are never cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from gitops.preview import DELETING, REPLACING, Change, Json, PolicyHit, Preview
from gitops.redaction import code, scrub, shown, strings_of

LIMIT: Final = 65_536
"""GitHub refuses a longer comment. It counts characters; here it is held in UTF-8 bytes, which are never fewer."""
_SPARE: Final = 512
_PATHS: Final = 6
_NAME: Final = 160

Row = TypeVar("Row")
_SIGNS: Final = {"create": "+ create", "update": "~ update", "import": "= import"}


@dataclass(frozen=True, kw_only=True)
class CommentFacts:
    """What the preview itself does not know.

    Attributes:
        run_url: where the whole log is; empty on a laptop.
        cost_usd: monthly cost after and before, when both are known.
    """

    stack: str
    commit: str
    run_url: str = ""
    cost_usd: tuple[float, float] | None = None


def marker(stack: str) -> str:
    """The first line of a stack's comment; the next run finds it by this line."""
    return f"<!-- gitops:preview:{stack} -->"


def build_comment(preview: Preview, facts: CommentFacts) -> str:
    """The comment. Shows names and paths of properties, and values only of those that `redaction` lists."""
    values = {text for change in preview.changes for inputs in (change.old, change.new) for text in strings_of(inputs)}
    head = _headline(preview, facts)
    danger = _table("Data would be lost", _danger(preview.changes), _danger_row)
    sections = [
        _table("Refused by policy", preview.mandatory, _policy_row),
        _list("Errors", [scrub(error, values)[:1000] for error in preview.errors]),
        _table("Replacements and deletions", _rest_of_danger(preview.changes), _change_row),
        _table("Changes", _plain(preview.changes), _change_row),
        _table("Advice of the policies", [hit for hit in preview.policies if hit.level != "mandatory"], _policy_row),
    ]
    return _fit([*head, *danger], sections, facts)


def _headline(preview: Preview, facts: CommentFacts) -> list[str]:
    counts = [
        f"{preview.count(*ops)} {word}"
        for word, ops in (
            ("to create", ("create",)),
            ("to update", ("update",)),
            ("to replace", tuple(REPLACING)),
            ("to delete", tuple(DELETING)),
        )
    ]
    verdict = "" if preview.complete else " — **this preview failed**"
    lines = [
        marker(facts.stack),
        f"### Preview of {code(facts.stack)} at {code(facts.commit[:12])}{verdict}",
        "",
        f"{', '.join(counts)}, {preview.unchanged} unchanged; {len(preview.mandatory)} policies refuse.",
    ]
    if facts.cost_usd is not None:
        after, before = facts.cost_usd
        lines.append(f"Estimated cost: ${after:,.0f} a month ({after - before:+,.0f}).")
    return [*lines, ""]


def _danger(changes: Sequence[Change]) -> list[Change]:
    return _once(change for change in changes if change.loses_data)


def _rest_of_danger(changes: Sequence[Change]) -> list[Change]:
    return _once(change for change in changes if change.op in REPLACING | DELETING and not change.loses_data)


def _plain(changes: Sequence[Change]) -> list[Change]:
    found = [change for change in changes if change.op not in REPLACING | DELETING]
    return sorted(found, key=lambda change: (change.op == "create", change.type, change.name))


def _once(changes: Iterable[Change]) -> list[Change]:
    """One row a resource: the engine tells a replacement in up to three steps; the one with the causes says most."""
    best: dict[str, Change] = {}
    for change in changes:
        if change.urn not in best or len(change.causes) > len(best[change.urn].causes):
            best[change.urn] = change
    return list(best.values())


def _danger_row(change: Change) -> str:
    what = "REPLACE" if change.op in REPLACING else "DELETE"
    forced = f" because of {', '.join(code(path) for path in change.causes[:_PATHS])}" if change.causes else ""
    return (
        f"**{what}** | {code(change.type)} | {code(change.name[:_NAME])} | the old one goes with what it holds{forced}"
    )


def _change_row(change: Change) -> str:
    what = "± replace" if change.op in REPLACING else "- delete" if change.op in DELETING else _SIGNS.get(change.op)
    return f"{what or code(change.op)} | {code(change.type)} | {code(change.name[:_NAME])} | {_paths(change)}"


def _paths(change: Change) -> str:
    if change.op == "create":
        return ""
    told = [_path(change, path) for path in (change.causes or change.paths)[:_PATHS]]
    left = len(change.causes or change.paths) - len(told)
    return ", ".join(told) + (f" and {left} more" if left > 0 else "")


def _path(change: Change, path: str) -> str:
    before, after = shown(path, _at(change.old, path)), shown(path, _at(change.new, path))
    if before is None or after is None:
        return code(path[:_NAME])
    return f"{code(path)}: {code(before)} → {code(after)}"


def _at(inputs: Json, path: str) -> object:
    value: Any = inputs
    for part in path.split("."):
        value = cast("Json", value).get(part) if isinstance(value, dict) else None
    return value


def _policy_row(hit: PolicyHit) -> str:
    return f"{hit.level} | {code(hit.rule)} | {hit.severity} | see docs/COMPLIANCE.md"


def _table(title: str, rows: Sequence[Row], row: Callable[[Row], str]) -> list[str]:
    """Heading and rows of four cells; nothing when there are none."""
    if not rows:
        return []
    return [
        f"#### {title} ({len(rows)})",
        "",
        "| | | | |",
        "|---|---|---|---|",
        *(f"| {row(each)} |" for each in rows),
        "",
    ]


def _list(title: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    return [f"#### {title} ({len(texts)})", "", *(f"- {code(text)}" for text in texts), ""]


def _fit(head: Sequence[str], sections: Sequence[Sequence[str]], facts: CommentFacts) -> str:
    """Lines from the front for as long as they fit; then how many were left out, and where they are."""
    lines = [*head]
    used = _size(lines)
    body = [line for section in sections for line in section]
    for number, line in enumerate(body):
        used += len(line.encode()) + 1
        if used > LIMIT - _SPARE:
            left = sum(1 for rest in body[number:] if rest.startswith(("| ", "- ")))
            lines += ["", f"{left} more rows did not fit into a comment."]
            break
        lines.append(line)
    if facts.run_url:
        lines += ["", f"[The whole preview]({facts.run_url})"]
    return _cut("\n".join(lines) + "\n")


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _cut(text: str) -> str:
    """The last resort, when the danger rows alone are too long for a comment: cut between two of them, and say so."""
    if len(text.encode()) <= LIMIT:
        return text
    note = "\n**This comment is cut: more data would be lost than fits here. Read the whole preview.**\n"
    room = LIMIT - len(note.encode())
    kept = text.encode()[:room].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note
