"""`python -m operations registry --help`: model versions by hand; each decision is recorded under your name."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from operations.models import RefusedError, Registry, comparison
from operations.stack import Stack

app = typer.Typer(no_args_is_help=True, help=__doc__, rich_markup_mode=None)
Number = Annotated[int, typer.Argument(help="Number of the version.", min=1)]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the decision.", prompt=True)]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def versions(stack: Stack = "local", json_output: AsJson = False) -> None:
    """Every version, newest first; the star is the one in service."""
    found = Registry.of(stack).versions()
    if json_output:
        show(found)
        return
    for one in found:
        star = "*" if one["in_service"] else " "
        line(f"{star} {one['version']:>4}  {one['approval']:<22} {one['created']}  snapshot {one['snapshot_id']}")
        line(f"        {one['why'] or 'nobody decided yet'}")


@app.command()
def approve(version: Number, reason: Reason, stack: Stack = "local") -> None:
    """Approve a version; the stack's settings say whether it is served at once."""
    decide(stack, "approve", version, reason)


@app.command()
def reject(version: Number, reason: Reason, stack: Stack = "local") -> None:
    """Reject a version. What is in service stays: to go back, roll back."""
    decide(stack, "reject", version, reason)


@app.command()
def rollback(version: Number, reason: Reason, stack: Stack = "local") -> None:
    """Serve an earlier approved version again and withdraw what was approved after it."""
    decide(stack, "rollback", version, reason)


@app.command()
def compare(first: Number, second: Number, stack: Stack = "local", json_output: AsJson = False) -> None:
    """Two versions side by side, with intervals, and the paired test where the second was judged against the first."""
    registry = Registry.of(stack)
    found = or_reason(lambda: comparison(registry.report(first), registry.report(second)))
    if json_output:
        show(found)
        return
    line(f"{'':<28} {f'version {first}':>26} {f'version {second}':>26} {'difference':>12}")
    for name, row in found["figures"].items():
        line(f"{name:<28} {_figure(row['first'])} {_figure(row['second'])} {_signed(row['difference'])}")
    if paired := found["same_patients"]:
        low, high = paired["interval"]
        line(
            f"On the same {paired['patients']} patients, seen by neither: {paired['champion_accuracy']:.4f} and "
            f"{paired['accuracy']:.4f}, difference {paired['difference']:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"McNemar p={paired['p_value']:.4f}"
        )
    else:
        line(found["note"])


@app.command()
def history(stack: Stack = "local", json_output: AsJson = False) -> None:
    """Every decision that was taken, oldest first."""
    found = Registry.of(stack).history()
    if json_output:
        show(found)
        return
    for entry in found:
        which = f"version {entry['version']}" if int(entry["version"]) else "no version"
        line(f"{entry['decided_at']}  {entry['step']:<13} {which:<11} {entry['actor']}: {entry['reason']}")


def decide(stack: str, operation: str, version: int, reason: str, *, dry_run: bool = False) -> None:
    """Have a decision carried out under the caller's name, and show the answer."""
    show(or_reason(lambda: Registry.of(stack).command(operation, version, reason, dry_run=dry_run)))


def or_reason(work: Any) -> Any:
    """What the work answers; a refusal becomes a message for the person."""
    try:
        return work()
    except RefusedError as refusal:
        raise typer.BadParameter(str(refusal)) from None


def _figure(entry: dict[str, Any]) -> str:
    low, high = entry["interval"]
    return f"{_number(entry['value'])} [{_number(low)}, {_number(high)}]".rjust(26)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return ("-" if value is None else f"{value:+.4f}").rjust(12)


def line(text: str) -> None:
    """A line for people."""
    sys.stdout.write(f"{text.rstrip()}\n")


def show(found: Any) -> None:
    """As JSON."""
    sys.stdout.write(json.dumps(found, indent=1, default=str) + "\n")
