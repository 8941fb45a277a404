"""`python -m gitops review --help`: the stack of a pull request, named by its number alone."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from gitops.comment import marker
from gitops.errors import GitopsError
from gitops.review import ReviewStack, expired, read_stacks, stack_of
from gitops.run import pulumi
from gitops.surroundings import github, run_url, say, summarize

app = typer.Typer(no_args_is_help=True, help="Review stacks: one a pull request that carries the label.")
Number = Annotated[int, typer.Option(help="Number of the pull request.", min=1, max=9_999_999)]
PROVIDER: Final = "PULUMI_SECRETS_PROVIDER"
FOLDER: Final = Path("build/review")


@app.command()
def up(
    number: Number,
    commit: Annotated[str, typer.Option(help="Full name of the commit.", envvar="GITHUB_SHA")],
    comment: Annotated[bool, typer.Option(help="Tell the pull request.")] = False,
) -> None:
    """Make the stack, or bring it to what this checkout says; refused with nothing changed where a policy refuses."""
    text = _stack(number, commit).up(commit, run_url())
    summarize(text)
    if comment:
        say(github().put_comment(number, marker(stack_of(number)), text))


@app.command()
def down(
    number: Number,
    comment: Annotated[bool, typer.Option(help="Tell the pull request.")] = False,
) -> None:
    """Remove the stack with all that it holds; there is nothing to do where none is."""
    gone = _stack(number, "").down()
    text = f"{stack_of(number)} {'is removed' if gone else 'does not exist'}."
    say(text)
    if comment and gone:
        github().put_comment(number, marker(stack_of(number)), f"{marker(stack_of(number))}\n{text}\n")


@app.command(name="expired")
def show_expired(
    hours: Annotated[float, typer.Option(min=1, help="Age from which a stack that nothing changed is removed.")] = 72,
) -> None:
    """JSON list of the numbers whose stack should be gone: request closed, label gone, or left alone for too long."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    listed = FOLDER / "stacks.json"
    if pulumi(Path.cwd(), "")(["stack", "ls", "--json", "--non-interactive"], listed):
        raise GitopsError("`pulumi stack ls` failed: its errors are above.")
    found = expired(read_stacks(listed.read_text()), github().pull_request, datetime.now(UTC), timedelta(hours=hours))
    for number, reason in found:
        say(f"{stack_of(number)}: {reason}")
    sys.stdout.write(json.dumps([number for number, _ in found]) + "\n")


def _stack(number: int, commit: str) -> ReviewStack:
    root = Path.cwd()
    return ReviewStack(
        number=number,
        project=root,
        folder=(FOLDER / str(number)).resolve(),
        run=pulumi(root, commit),
        secrets_provider=os.environ.get(PROVIDER, "default"),
        policy_pack=Path("policy") if (root / "policy").is_dir() else None,
    )
