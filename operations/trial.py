"""`python -m operations trial --help`: a new model beside the one in service, judged by what the readers find."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from operations.models import Registry
from operations.registry import AsJson, Number, Reason, decide, line, or_reason, show
from operations.stack import Stack

app = typer.Typer(no_args_is_help=True, help=__doc__, rich_markup_mode=None)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
LEFT = 2
"""Exit code: the trial goes on."""


@app.command()
def start(version: Number, reason: Reason, stack: Stack = "local", dry_run: DryRun = False) -> None:
    """Serve a version that waits for approval beside the champion, on the share of requests that the stack says."""
    decide(stack, "trial", version, reason, dry_run=dry_run)


@app.command()
def stop(version: Number, reason: Reason, stack: Stack = "local") -> None:
    """End a version's trial without a decision: the champion alone again, the version still waits for approval."""
    decide(stack, "end-trial", version, reason)


@app.command()
def judge(stack: Stack = "local", dry_run: DryRun = False, json_output: AsJson = False) -> None:
    """Judge the trial now, as its schedule does. Exit code 2: it goes on, or there is none.

    A challenger found better is promoted (where the stack approves by itself; else a person is asked), one found worse
    is rejected, and the endpoint goes back to the champion.
    """
    found = or_reason(lambda: Registry.of(stack).trial(dry_run=dry_run))
    if json_output:
        show(found)
    else:
        _tell(found)
    raise typer.Exit(LEFT if found["decision"] in ("continues", "no-trial") else 0)


def _tell(found: dict[str, Any]) -> None:
    if found["decision"] == "no-trial":
        line("No trial is under way.")
        return
    line(f"Trial since {found['since']}: {found['decision']}")
    for arm in ("champion", "challenger"):
        said = found[arm]
        line(
            f"  {arm:<10}  version {said['version']:<4}  {said['agreements']:>5} of {said['studies']:>5} studies "
            f"as the readers ({said['agreement']:.4f})"
        )
    line(
        f"  evidence that the challenger is better {found['evidence_better']:g}, worse {found['evidence_worse']:g}; "
        f"needed {found['evidence_needed']:g}; {found['studies']} of at most {found['most_studies']} studies"
    )
