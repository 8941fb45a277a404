"""What checkov says of a stack: `python -m tools.checkov prod`. Each finding is waived with a reason, or fails.

What is read: the program's registrations with every value known, as they are after `up` (Pulumi's mocks), and what
the engine's offline preview adds to them, the children of other plugins' components.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml

from tests.fixtures.platform_program import recorded_program
from tools.terraform_plan import Resource

ROOT: Final = Path(__file__).resolve().parents[1]
WAIVERS: Final = Path(__file__).with_name("checkov.yaml")
PYTHON: Final = ROOT / ".venvs" / "check" / "bin" / "python"
COMPLETE: Final = "complete"
STACKS: Final = ("dev", "staging", "prod", COMPLETE)
"""`complete` is prod with all that its data leaves out: images by digest, a second region, channels of alerts."""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A check that does not hold for some resources, by a pattern over their addresses, and why."""

    check: str
    resource: str
    reason: str
    stack: str = "*"

    def covers(self, stack: str, finding: Mapping[str, str]) -> bool:
        """Whether the finding is what the waiver is about."""
        return (
            finding["check"] == self.check
            and fnmatchcase(finding["resource"], self.resource)
            and fnmatchcase(stack, self.stack)
        )


def waivers() -> list[Waiver]:
    """The waivers of tools/checkov.yaml. Raises TypeError for an entry with other fields."""
    return [
        Waiver(check=check, **one) for check, entries in yaml.safe_load(WAIVERS.read_text()).items() for one in entries
    ]


def split(
    stack: str, findings: Sequence[Mapping[str, str]], given: Sequence[Waiver]
) -> tuple[list[Mapping[str, str]], list[Waiver]]:
    """Findings that nothing waives, and the waivers that cover something."""
    used = [waiver for waiver in given if any(waiver.covers(stack, one) for one in findings)]
    return [one for one in findings if not any(waiver.covers(stack, one) for waiver in used)], used


def recorded(stack: str) -> Iterator[Resource]:
    """What the program registers, with every value known."""
    for one in recorded_program(stack).resources:
        yield Resource(
            type=one.token,
            name=one.name,
            urn=one.urn,
            parent=one.parent,
            inputs=one.inputs,
            links=one.property_dependencies,
        )


def previewed(text: str) -> Iterator[Resource]:
    """The resources of an offline preview, as JSON, that awsx made."""
    from gitops.preview import split_document

    for step in split_document(text)[0]["steps"]:
        state = step["newState"]
        if "$awsx:" in state["urn"]:
            yield Resource(
                type=state["type"],
                name=state["urn"].rsplit("::", 1)[1],
                urn=state["urn"],
                parent=state.get("parent", ""),
                inputs=state.get("inputs", {}),
                links=state.get("propertyDependencies", {}),
            )


def resources(stack: str) -> list[Resource]:
    """All of a stack. Raises RuntimeError when the preview fails."""
    from local.stack import preview_offline

    source = "prod" if stack == COMPLETE else stack
    code, run = preview_offline(source, arguments=["--json"])
    if code:
        raise RuntimeError(f"the preview of {source} failed:\n{run.text[-2000:]}")
    renamed = run.text.replace(f"urn:pulumi:{source}::", f"urn:pulumi:{stack}::")
    return [*recorded(stack), *previewed(renamed)]


def read(given: Iterable[Resource]) -> dict[str, Any]:
    """What checkov answers, in its own environment. Raises RuntimeError with its last words."""
    text = json.dumps([dataclasses.asdict(one) for one in given], default=str)
    command = [str(PYTHON), "-m", "tools.checkov_reader"]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"checkov failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", choices=STACKS)
    parser.add_argument("--all", action="store_true", help="list what is waived too")
    given = parser.parse_args()
    sys.stderr.write(f"preview of {given.stack}, then checkov ...\n")
    answer = read(resources(given.stack))
    left, used = split(given.stack, answer["failed"], waivers())
    for one in left:
        sys.stdout.write(f"{one['check']:13} {one['resource']:70} {one['says']}\n")
    if given.all:
        for waiver in used:
            sys.stdout.write(f"waived {waiver.check:13} {waiver.resource:50} {waiver.reason}\n")
    waived = len(answer["failed"]) - len(left)
    sys.stdout.write(f"{given.stack}: {answer['checks']} checks, {waived} waived with a reason, {len(left)} findings\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
