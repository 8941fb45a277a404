"""The command line of the delivery pipeline: `python -m gitops --help`.

Ends with 0 for yes, 3 for no (refused, drifted), 1 for an input or a service that cannot be used, 2 for misuse.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from gitops.changelog import entry
from gitops.comment import LIMIT, CommentFacts, build_comment, marker
from gitops.drift import MARKER, find_drift, report
from gitops.errors import GitopsError, RefusedError
from gitops.plan import PlanRecord, check_plan, record_plan
from gitops.preview import difference, read_preview
from gitops.promotion import (
    STAGES,
    Deployment,
    check_promotion,
    check_rollback,
    git_ancestry,
    read_deployments,
    stage_before,
)
from gitops.review_commands import app as review
from gitops.run import SUMMARY, StackRun, pulumi
from gitops.surroundings import github, run_url, say, summarize

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The decisions of the delivery pipeline, for workflows and for people.",
    rich_markup_mode=None,
)
app.add_typer(review, name="review")
REFUSED: Final = 3
ReadableFile = typer.Option(exists=True, dir_okay=False, readable=True)
Stack = Annotated[str, typer.Option(help="Name of the stack.")]
Commit = Annotated[str, typer.Option(help="Full name of the commit.", envvar="GITHUB_SHA")]
Plan = Annotated[Path, ReadableFile]
State = Annotated[Path, ReadableFile]
FOLDER: Final = Path("build/gitops")
Folder = Annotated[Path, typer.Option(help="Where the files of the run go.")]
Records = Annotated[Path | None, typer.Option(help="File of records; without it GitHub is asked.", exists=True)]


@app.command()
def comment(  # noqa: PLR0917  (typer passes its options by name)
    stack: Stack,
    commit: Commit,
    preview: Annotated[Path, ReadableFile],
    beside: Annotated[Path | None, typer.Option(help="What the preview wrote to standard error.", exists=True)] = None,
    code: Annotated[int, typer.Option(help="What `pulumi preview` ended with.")] = 0,
    post: Annotated[int | None, typer.Option(help="Number of the pull request to write it to.")] = None,
) -> None:
    """The comment of a pull request from `pulumi preview --json`; printed, or written to the request."""
    found = read_preview(preview.read_text(), beside.read_text() if beside else "", code)
    body = build_comment(found, CommentFacts(stack=stack, commit=commit, run_url=run_url()))
    if post is None:
        sys.stdout.write(body)
    else:
        say(github().put_comment(post, marker(stack), body))
    if not found.complete:
        raise RefusedError(f"The preview of {stack} failed or a mandatory policy refused it: see the comment.")


@app.command()
def plan_record(stack: Stack, commit: Commit, plan: Plan, state: State) -> None:
    """Record what an approver is going to see: digests of the plan and of the state, as JSON."""
    sys.stdout.write(record_plan(stack=stack, commit=commit, plan=plan, state=state).dumps())


@app.command()
def plan_check(stack: Stack, commit: Commit, plan: Plan, state: State, record: Annotated[Path, ReadableFile]) -> None:
    """Refuse a plan that is another one, of another commit, too old, or made from a state that has changed since."""
    check_plan(PlanRecord.loads(record.read_text()), stack=stack, commit=commit, plan=plan, state=state)
    say(f"The plan is the approved one, and {stack} is as it was.")


@app.command()
def compare(
    stack: Stack,
    commit: Commit,
    base: Annotated[Path, typer.Option(help="Offline preview of the program before, as JSON.", exists=True)],
    head: Annotated[Path, typer.Option(help="Offline preview of the program after, as JSON.", exists=True)],
    cost: Annotated[
        Path | None, typer.Option(help="Output of `python -m cost difference --json`.", exists=True)
    ] = None,
) -> None:
    """The comment from two offline previews: no state, no secret and no credential is needed."""
    found = difference(*(read_preview(path.read_text()) for path in (base, head)))
    facts = CommentFacts(stack=stack, commit=commit, run_url=run_url(), cost_usd=_cost(cost) if cost else None)
    sys.stdout.write(build_comment(found, facts))
    if not found.complete:
        raise RefusedError(f"A preview of {stack} failed or a mandatory policy refused it.")


@app.command()
def post(
    stack: Stack,
    number: Annotated[int, typer.Option(help="Number of the pull request.")],
    body: Annotated[Path, typer.Option(help="The comment, as `comment` or `compare` made it.", exists=True)],
) -> None:
    """Write a comment to a pull request, over the one that an earlier run wrote for this stack."""
    text = body.read_text()
    if not text.startswith(marker(stack)) or len(text.encode()) > LIMIT:
        raise RefusedError(f"{body.name} is no comment that this program made for {stack}.")
    say(github().put_comment(number, marker(stack), text))


@app.command()
def preview(
    stack: Stack,
    commit: Commit,
    folder: Folder = FOLDER,
    number: Annotated[int | None, typer.Option("--post", help="Number of the pull request to write it to.")] = None,
) -> None:
    """Preview a stack against its state and write the comment."""
    run = _stack_run(stack, commit, folder)
    found = run.preview(save_plan=False)
    text = (folder / SUMMARY).read_text()
    summarize(text)
    if number is not None:
        say(github().put_comment(number, marker(stack), text))
    if not found.complete:
        raise RefusedError(f"The preview of {stack} failed or a mandatory policy refused it.")


@app.command()
def plan(
    stack: Stack,
    commit: Commit,
    folder: Folder = FOLDER,
    restore: Annotated[bool, typer.Option(help="Let drift through, which this update is meant to undo.")] = False,
) -> None:
    """Look for drift, preview with the policies, save and record the plan that is going to be approved."""
    run = _stack_run(stack, commit, folder)
    try:
        run.plan(restore=restore)
    finally:
        if (folder / SUMMARY).exists():
            summarize((folder / SUMMARY).read_text())
    say(f"The plan of {stack} is in {folder}.")


@app.command()
def apply(stack: Stack, commit: Commit, folder: Folder = FOLDER) -> None:
    """Apply the approved plan, or refuse with nothing changed."""
    _stack_run(stack, commit, folder).apply()
    say(f"{commit[:12]} is applied to {stack}.")


@app.command()
def drift(
    stack: Stack,
    refresh: Annotated[Path | None, typer.Option(help="Output of `pulumi refresh --preview-only --json`.")] = None,
    issue: Annotated[bool, typer.Option(help="Keep an issue open while there is drift.")] = False,
    folder: Folder = FOLDER,
) -> None:
    """Tell what changed outside of the program; ends with 3 when anything did. The state is not touched."""
    run = _stack_run(stack, "", folder)
    found = find_drift(refresh.read_text()) if refresh else run.drift()
    text = report(stack, found)
    sys.stdout.write(text)
    if issue:
        github().put_issue(MARKER.format(stack=stack), f"Drift in {stack}", text, wanted=bool(found))
    if found:
        raise RefusedError(f"{len(found)} resources of {stack} have drifted.")


@app.command()
def promote_check(stack: Stack, commit: Commit, records: Records = None) -> None:
    """May this commit go to this stack? Only after the stage before it."""
    before = stage_before(stack)
    say(check_promotion(stack, commit, _records(before, records), git_ancestry(Path.cwd())))


@app.command()
def rollback_check(stack: Stack, commit: Commit, records: Records = None) -> None:
    """May this stack go back to this commit? Only to one that ran here, and that `main` holds."""
    say(check_rollback(stack, commit, _records(stack, records), git_ancestry(Path.cwd())))


@app.command()
def record(
    stack: Stack,
    commit: Commit,
    succeeded: Annotated[bool, typer.Option(help="Update applied and validation passed.")],
    plan: Annotated[Path | None, typer.Option(help="Record of the plan that was applied.", exists=True)] = None,
    records: Annotated[Path | None, typer.Option(help="File to append to; without it GitHub keeps it.")] = None,
) -> None:
    """Write down that a commit was deployed, or that its deployment failed."""
    done = Deployment(
        stack=stack,
        commit=commit,
        succeeded=succeeded,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        plan_digest=PlanRecord.loads(plan.read_text()).plan_digest if plan else "",
        run_url=run_url(),
    )
    if records is None:
        github().record(done)
    else:
        with records.open("a") as file:
            file.write(done.line() + "\n")
    say(f"Recorded: {commit[:12]} in {stack} {'succeeded' if succeeded else 'failed'}.")


@app.command()
def changelog(version: Annotated[str, typer.Option(help="Such as 1.4.0.")]) -> None:
    """What CHANGELOG.md says about a version: the notes of its release."""
    sys.stdout.write(entry(Path("CHANGELOG.md").read_text(), version))


@app.command()
def stages() -> None:
    """The stages in the order of promotion."""
    sys.stdout.write("\n".join(STAGES) + "\n")


def _stack_run(stack: str, commit: str, folder: Path) -> StackRun:
    run = pulumi(Path.cwd(), commit)
    return StackRun(
        stack=stack, commit=commit, folder=folder.resolve(), run=run, policy_pack=Path("policy"), run_url=run_url()
    )


def _records(stack: str | None, file: Path | None) -> list[Deployment]:
    if stack is None:
        return []
    return read_deployments(file.read_text()) if file else list(github().deployments(stack))


def _cost(path: Path) -> tuple[float, float] | None:
    """Monthly cost after and before; None when it could not be computed, which must not hide the preview."""
    text = path.read_text().strip()
    if not text:
        return None
    told = json.loads(text)
    return float(told["after"]), float(told["before"])


def main() -> int:
    """Run a command and answer its exit code."""
    try:
        app()
    except RefusedError as refused:
        say(f"refused: {refused}")
        return REFUSED
    except (GitopsError, OSError, httpx.HTTPError) as error:
        say(f"gitops: {error}")
        return 1
    except SystemExit as ended:  # typer ends the process itself, with 2 for arguments that it does not know
        return ended.code if isinstance(ended.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
