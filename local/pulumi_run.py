"""Run one `pulumi` command and follow what it does, line by line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# " +  aws:s3/bucket:Bucket landing created (0.12s)" as the CLI prints without a terminal
_STEP = re.compile(r"^ (?P<sign>[+~\-=<>]{1,2}|\+-|\+\+|--)\s+(?P<type>\S+:\S+) (?P<name>\S+) (?P<word>\w+)")
_DONE_WORDS = {"created", "updated", "deleted", "replaced"}


class PulumiError(RuntimeError):
    """`pulumi` failed; the message is what it said about it."""


@dataclass
class PulumiRun:
    """What a finished command did: planned and done steps, and its whole output."""

    planned: int = 0
    done: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def feed(self, line: str) -> None:
        """Take one line of output into account."""
        self.lines.append(line)
        found = _STEP.match(line)
        if not found:
            return
        if found["word"] in ("create", "update", "delete", "replace"):
            self.planned += 1
        elif found["word"] in _DONE_WORDS:
            self.done += 1


def run_pulumi(
    arguments: list[str],
    *,
    env: dict[str, str],
    cwd: Path,
    follow: Callable[[PulumiRun], None] | None = None,
    check: bool = True,
) -> tuple[int, PulumiRun]:
    """Run `pulumi ARGUMENTS`; `follow` sees it after each line. Raises PulumiError on failure when `check`."""
    process = _open(arguments, env, cwd)
    run = PulumiRun()
    for raw in process.stdout or ():
        line = raw.rstrip("\n")
        run.feed(line)
        if follow:
            follow(run)
    code = process.wait()
    if code and check:
        raise PulumiError(essence(run.lines))
    return code, run


def _open(arguments: list[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    # `env` is complete: an AWS_* or PULUMI_* variable of the caller must not reach a stack by accident
    return subprocess.Popen(
        ["pulumi", "--non-interactive", "--color=never", *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def essence(lines: list[str]) -> str:
    """The part of a failed command's output that says why: its last diagnostics and policies, else the last lines."""
    starts = [i for i, line in enumerate(lines) if line in ("Policies:", "Diagnostics:")]
    # a preview that passed prints these, too: only what follows the last update or preview counts
    begun = max((i for i, line in enumerate(lines) if line.startswith(("Updating (", "Destroying ("))), default=0)
    found = [
        line
        for line in lines[min((i for i in starts if i > begun), default=len(lines)) :]
        if "warning:" not in line and "✅" not in line
    ][:80]
    return "\n".join(found or lines[-30:])
