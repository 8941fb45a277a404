"""Write docs/COMPLIANCE.md: `python -m tools.compliance`. Types come from the engine's preview of production."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hipaa_pack import matrix
from hipaa_pack.pack import SERVICES
from hipaa_pack.rule import Rule
from local.stack import preview_offline

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "COMPLIANCE.md"
STACK = "prod"
_STEP = re.compile(r"^ \+ +(aws:\w+:\w+) ")
_PROVEN_BY = {
    "resource": "tests/policy/test_resource_rules.py",
    "link": "tests/policy/test_link_rules.py",
    "stack": "tests/policy/test_stack_rules.py",
    "any": "tests/policy/test_stack_rules.py",
}


def types_of(lines: list[str]) -> list[str]:
    """Resource types of a preview, in their long form: the CLI prints `aws:kms:Key` for `aws:kms/key:Key`."""
    short = {match[1] for line in lines if (match := _STEP.match(line))}
    return sorted(f"aws:{kind.split(':')[1]}/{_member(kind)}" for kind in short)


def _member(kind: str) -> str:
    name = kind.split(":")[2]
    return f"{name[0].lower()}{name[1:]}:{name}"


def document(lines: list[str]) -> str:
    """The document for the resources that a preview lists."""
    return matrix.render(types_of(lines), {rule.id: _proofs(rule) for group in SERVICES.values() for rule in group})


def _proofs(rule: Rule) -> list[str]:
    return [_PROVEN_BY[matrix.kinds_of(rule)]]


def main() -> int:
    code, run = preview_offline(STACK)
    if code:
        sys.stderr.write(f"the preview of {STACK} failed:\n" + "\n".join(run.lines[-30:]) + "\n")
        return 1
    DOCUMENT.write_text(document(run.lines))
    sys.stdout.write(f"written: {DOCUMENT.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
