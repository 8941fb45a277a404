"""Plan and apply a stack with the Pulumi CLI, in the order that keeps an approval honest.

`up --plan` runs with its preview: with `--skip-preview` a step that the plan does not hold is found only after the
steps before it were applied. Raw output of `--json` and the state stay in the run's folder; only the comment is shown.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.comment import CommentFacts, build_comment
from gitops.drift import Drifted, find_drift, fingerprint
from gitops.errors import GitopsError, RefusedError
from gitops.plan import PlanRecord, check_plan, record_plan
from gitops.preview import Preview, policy_lines, read_preview

PLAN: Final = "plan.json"
RECORD: Final = "record.json"
SUMMARY: Final = "summary.md"

Run = Callable[[Sequence[str], Path], int]
"""Runs `pulumi ARGUMENTS`, standard output into the file; answers the exit code."""


@dataclass(frozen=True, kw_only=True)
class StackRun:
    """One stack at one commit.

    Attributes:
        folder: where the run's files go; made when it is not there.
        policy_pack: folder of the pack; None only for projects that have none (tests).
        run: how `pulumi` is called.
    """

    stack: str
    commit: str
    folder: Path
    run: Run
    policy_pack: Path | None = None
    run_url: str = ""

    def drift(self) -> list[Drifted]:
        """What changed outside of the program; the state is not touched."""
        return find_drift(self._read("refresh.json", "refresh", "--preview-only", "--json"))

    def preview(self, *, save_plan: bool, refresh: bool = False) -> Preview:
        """The preview, its comment in SUMMARY and, when asked, its plan in PLAN; drift is in it only with `refresh`."""
        output = self._file("preview.json")
        saving = ["--save-plan", str(self._file(PLAN))] if save_plan else []
        events = self._file("events.json")
        events.write_text("")
        asked = ["--event-log", str(events), *saving, *(["--refresh"] if refresh else []), *self._policies()]
        code = self._call(output, "preview", "--json", *asked)
        found = read_preview(output.read_text(), policy_lines(events.read_text()), code)
        facts = CommentFacts(stack=self.stack, commit=self.commit, run_url=self.run_url)
        self._file(SUMMARY).write_text(build_comment(found, facts))
        return found

    def plan(self, *, restore: bool = False) -> PlanRecord:
        """Make what an approver reads and what is applied afterwards.

        `restore` lets a drifted stack through, whose drift the update is meant to undo. Raises RefusedError on drift, a
        failed preview, a refused policy or a credential in the plan.
        """
        drifted = self.drift()
        if drifted and not restore:
            raise RefusedError(f"{len(drifted)} resources of {self.stack} have drifted: see `python -m gitops drift`.")
        before = self._state()
        if not self.preview(save_plan=True, refresh=bool(drifted)).complete:
            raise RefusedError(f"The preview of {self.stack} failed, or a policy refused it: see the summary.")
        record = record_plan(
            stack=self.stack, commit=self.commit, plan=self._file(PLAN), state=before, drift=fingerprint(drifted)
        )
        self._file(RECORD).write_text(record.dumps())
        return record

    def apply(self) -> None:
        """Apply the plan in the folder if it is still the approved one. Raises RefusedError with nothing changed."""
        record = PlanRecord.loads(self._file(RECORD).read_text())
        plan = self._file(PLAN)
        check_plan(record, stack=self.stack, commit=self.commit, plan=plan, state=self._state())
        if fingerprint(self.drift()) != record.drift:
            raise RefusedError(
                f"Not applied: somebody changed {self.stack} outside of the program since the plan was made. "
                "See `python -m gitops drift`, then plan again and have it approved again."
            )
        arguments = ["up", "--yes", "--plan", str(plan), "--suppress-outputs", *self._policies()]
        arguments += ["--refresh"] if record.drift else []  # what the update is to undo is not in the state
        if self._call(self._file("up.log"), *arguments):
            raise GitopsError(f"The update of {self.stack} failed: see {self._file('up.log').name}.")

    def _state(self) -> Path:
        path = self._file("state.json")
        self._read(path.name, "stack", "export")
        return path

    def _policies(self) -> list[str]:
        return ["--policy-pack", str(self.policy_pack)] if self.policy_pack else []

    def _read(self, name: str, *arguments: str) -> str:
        """Output of a command; an exit code alone says nothing of a refresh, whose document does."""
        output = self._file(name)
        if self._call(output, *arguments) and arguments[0] != "refresh":
            raise GitopsError(f"`pulumi {' '.join(arguments[:2])}` failed on {self.stack}: its errors are above.")
        return output.read_text()

    def _call(self, output: Path, *arguments: str) -> int:
        return self.run([*arguments, "--stack", self.stack, "--non-interactive"], output)

    def _file(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name


def pulumi(project: Path, commit: str, environment: dict[str, str] | None = None) -> Run:
    """The CLI on PATH, in a project's folder. The program stamps models with GITHUB_SHA: the commit that is deployed,
    which is not the workflow's own when a stage goes back."""
    # `--event-log`, the only place where a policy that refuses is named beside `--json`, is one of the debug options
    env = (os.environ if environment is None else environment) | {"GITHUB_SHA": commit, "PULUMI_DEBUG_COMMANDS": "true"}

    def call(arguments: Sequence[str], output: Path) -> int:
        with output.open("w") as file:
            return subprocess.run(["pulumi", *arguments], cwd=project, env=env, stdout=file, check=False).returncode

    return call
