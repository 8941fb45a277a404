"""Which commit may go to which stage: one that the stage before runs, and for a rollback one that ran here before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from gitops.errors import GitopsError, RefusedError

STAGES: Final = ("dev", "staging", "prod")
"""The order of promotion."""
BRANCH: Final = "main"

IsAncestor = Callable[[str, str], bool]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One finished `pulumi up` with its smoke test.

    Attributes:
        succeeded: the update was applied and the stack's validation passed.
        at: ISO 8601 in UTC.
    """

    stack: str
    commit: str
    succeeded: bool
    at: str
    plan_digest: str = ""
    run_url: str = ""

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def read_deployments(text: str) -> list[Deployment]:
    """Records, one JSON object a line. Raises GitopsError with the number of a line that is none."""
    found: list[Deployment] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = cast("dict[str, Any]", json.loads(line))
            found.append(Deployment(**row))
        except (ValueError, TypeError) as error:
            raise GitopsError(f"Line {number} is no record of a deployment.") from error
    return found


def stage_before(stack: str) -> str | None:
    """The stage that a commit must have passed; None for the first. Raises GitopsError for another stack."""
    if stack not in STAGES:
        raise GitopsError(f"{stack} is no stage of promotion; the stages are {', '.join(STAGES)}.")
    position = STAGES.index(stack)
    return STAGES[position - 1] if position else None


def check_promotion(stack: str, commit: str, deployments: Iterable[Deployment], is_ancestor: IsAncestor) -> str:
    """A sentence that says why `commit` may go to `stack`. Raises RefusedError when it may not.

    The newest record of the commit in the stage before decides: a commit whose last validation failed there does not
    go on because an earlier one passed.
    """
    _on_branch(commit, is_ancestor)
    before = stage_before(stack)
    if before is None:
        return f"{commit[:12]} is on {BRANCH}; {stack} is the first stage."
    there = _newest_first(each for each in deployments if each.stack == before and each.commit == commit)
    if not there:
        raise RefusedError(f"{commit[:12]} was never deployed to {before}: deploy it there first.")
    if not there[0].succeeded:
        raise RefusedError(f"The last deployment of {commit[:12]} to {before} failed: mend it there first.")
    return f"{commit[:12]} runs in {before} since {there[0].at}."


def check_rollback(stack: str, commit: str, deployments: Iterable[Deployment], is_ancestor: IsAncestor) -> str:
    """A sentence that says why `stack` may go back to `commit`. Raises RefusedError when it may not.

    Any commit of the branch could be built, but only one that ran here has been proven with this stage's data.
    """
    stage_before(stack)
    _on_branch(commit, is_ancestor)
    here = _newest_first(each for each in deployments if each.stack == stack and each.succeeded)
    if here and here[0].commit == commit:
        raise RefusedError(f"{stack} runs {commit[:12]} already.")
    known = next((each for each in here if each.commit == commit), None)
    if known is None:
        raise RefusedError(f"{commit[:12]} never ran in {stack}: go back to one that did.")
    if not is_ancestor(commit, here[0].commit):
        raise RefusedError(f"{commit[:12]} is newer than what {stack} runs: that is a promotion.")
    return f"{commit[:12]} ran in {stack} on {known.at}."


def git_ancestry(folder: Path) -> IsAncestor:
    """Ancestry in a clone. Raises GitopsError when git does not know a commit: a shallow clone cannot answer."""

    def is_ancestor(older: str, newer: str) -> bool:
        done = subprocess.run(
            ["git", "merge-base", "--is-ancestor", "--end-of-options", older, newer],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, 1):
            raise GitopsError(f"git does not know {older[:40]} or {newer[:40]}: fetch the whole history first.")
        return done.returncode == 0

    return is_ancestor


def _on_branch(commit: str, is_ancestor: IsAncestor) -> None:
    if len(commit) != 40 or set(commit) - set("0123456789abcdef"):
        raise GitopsError("Name the commit by its full 40 digits: a short name or a branch can come to mean another.")
    if not is_ancestor(commit, BRANCH):
        raise RefusedError(f"{commit[:12]} is not on {BRANCH}: only reviewed commits are deployed.")


def _newest_first(deployments: Iterable[Deployment]) -> Sequence[Deployment]:
    return sorted(deployments, key=lambda each: each.at, reverse=True)
