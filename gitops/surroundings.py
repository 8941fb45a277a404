"""Where a command runs: in a workflow, whose summary, token and address GitHub gives by the environment, or by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gitops.errors import GitopsError
from gitops.github import GitHub


def github() -> GitHub:
    """The repository of the workflow. Raises GitopsError outside of one."""
    try:
        repository, token = os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"]
    except KeyError as missing:
        raise GitopsError(
            f"{missing.args[0]} is not set: run it in a workflow, or give a file of records."
        ) from missing
    return GitHub(repository, token, api=os.environ.get("GITHUB_API_URL", "https://api.github.com"))


def run_url() -> str:
    """Address of the workflow's run; empty outside of one."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""


def summarize(text: str) -> None:
    """To the job's summary in a workflow, else to standard output."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


def say(text: str) -> None:
    """A sentence for people, beside the output for programs."""
    sys.stderr.write(text + "\n")
