"""The command line of the local stack: `python -m local --help`, or through make."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from local.aws_process import DEFAULT_PORT, AwsProcessError
from local.console import GaveUpError, Ticker, console
from local.engine import environment
from local.engine.paths import ROOT
from local.engine.pulumi_cli import EngineError
from local.pulumi_run import PulumiError
from local.stack import STACK, Follow, LocalStack, preview_offline
from local.viewer_process import ViewerProcessError
from viewer.release import ReleaseError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The whole platform on one machine.",
    rich_markup_mode=None,
)
Port = Annotated[int, typer.Option(help="Port of the embedded AWS, on loopback.", envvar="PORT")]


def _progress(ticker: Ticker) -> Follow:
    return lambda run: ticker.show(f"resources: {run.planned} planned, {run.done} done")


def introduce(stack: LocalStack) -> None:
    """Serve the viewer and say where it is and who may sign in; a stack without it is still a whole one."""
    from local.demo.people import demo_people

    people = demo_people(stack)
    try:
        served = f"{stack.serve_viewer()}   (its certificate is of this stack's own authority)"
    except (ReleaseError, ViewerProcessError) as error:
        served = f"not served, everything else is up: {error}"
    console.print(f"Viewer:   {served}", markup=False)
    for role, person in people.items():
        console.print(f"          {role:<14} {person.username}  {person.password}", markup=False)


@app.command()
def up(port: Port = DEFAULT_PORT) -> None:
    """Start the embedded AWS and bring the stack up (again: only what changed)."""
    ticker = Ticker()
    stack = LocalStack(port=port)
    run = stack.up(_progress(ticker))
    ticker.end(f"{run.done} resources changed" if run.done else "no change: the stack is up to date")
    introduce(stack)
    console.print("receive DICOM from scanners and archives: .venv/bin/python -m local scp", markup=False)


@app.command()
def scp(
    dicom_port: Annotated[int, typer.Option(help="Port of the receiver, on loopback, without TLS.")] = 11112,
    port: Port = DEFAULT_PORT,
) -> None:
    """Receive DICOM (C-STORE, C-ECHO, storage commitment) into the stack, until Ctrl-C."""
    from local.receiver import receive

    receive(LocalStack(port=port), dicom_port)


@app.command()
def down() -> None:
    """End the embedded AWS and remove everything that the local stack made."""
    LocalStack().remove()
    console.print("removed: the embedded AWS has ended and its folder is gone")


@app.command()
def destroy() -> None:
    """Delete the stack's resources one by one through the engine, as one would on AWS."""
    ticker = Ticker()
    LocalStack().destroy(_progress(ticker))
    ticker.end("every resource is deleted; `make down` removes the rest")


@app.command()
def outputs() -> None:
    """Print stack outputs, demo users and the environment for other clients as JSON."""
    from local.demo.run import outputs as collect

    stack = LocalStack()
    if not stack.exists():
        raise GaveUpError("There is no local stack yet: run `make demo` or `make up` first.")
    stack.aws.start()
    sys.stdout.write(json.dumps(collect(stack), indent=2) + "\n")


@app.command()
def preview(
    stack: Annotated[str, typer.Argument(help="local, dev, staging or prod")],
    diff: Annotated[bool, typer.Option(help="Show each property.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The engine's JSON on standard output.")] = False,
    bootstrap: Annotated[bool, typer.Option(help="The account's bootstrap instead of the platform.")] = False,
    config: Annotated[list[str] | None, typer.Option(help="A value over the stack file's: PROJECT:PATH=VALUE.")] = None,
) -> None:
    """Preview any stack offline: the real engine and the policy pack, no AWS and no credentials."""
    source = ROOT / "bootstrap" if bootstrap else ROOT
    known = sorted(path.name.split(".")[1] for path in source.glob("Pulumi.*.yaml"))
    if stack not in known:
        raise typer.BadParameter(f"there is no Pulumi.{stack}.yaml; choose from {', '.join(known)}")
    code, run = preview_offline(
        stack,
        None if as_json else lambda run: console.print(run.lines[-1], markup=False),
        arguments=[
            *(["--json"] if as_json else ["--diff"] if diff else []),
            *(["--config-path"] if config else []),
            *(part for value in config or () for part in ("--config", value)),
        ],
        source=source,
    )
    if as_json:
        sys.stdout.write(run.text + "\n")
    raise typer.Exit(1 if code else 0)


@app.command()
def pulumi(arguments: list[str]) -> None:
    """Any pulumi command on the stack local, e.g. `refresh --preview-only`."""
    code, run = LocalStack().pulumi(arguments, check=False)
    sys.stdout.write(run.text + "\n")
    raise typer.Exit(code)


@app.command()
def unlock(
    confirm: Annotated[bool, typer.Option("--confirm", help="Take the lock; without it only look.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even from a run that may still hold it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the deed.", envvar="REASON")] = "",
) -> None:
    """The lock that a killed update of the stack local left; the embedded AWS need not run."""
    from operations.stack import PROJECT
    from operations.unlock import Unlock, UnlockError, carry_out, cli

    stack = LocalStack()
    if not stack.project.exists():
        console.print("there is no local stack here: nothing is locked")
        return
    found = Unlock(stack=STACK, project=PROJECT, pulumi=cli(stack.project, environment(state_dir=stack.run / "state")))
    try:
        code = carry_out(found, confirm=confirm, force=force, reason=reason, now=datetime.now(UTC), say=typer.echo)
    except UnlockError as error:
        raise GaveUpError(str(error)) from error
    raise typer.Exit(code)


@app.command()
def demo(
    patients: Annotated[int, typer.Option(help="Patients of the semi-synthetic cohort.")] = 100,
    slices: Annotated[int, typer.Option(help="CT slices a patient.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the cohort.")] = 7,
    shuffle_labels: Annotated[bool, typer.Option(help="Spoil the labels: the accuracy gate has to refuse.")] = False,
    port: Port = DEFAULT_PORT,
) -> None:
    """The main job on real input, shown live, with a report at the end."""
    from local.demo.run import Demo

    stack = LocalStack(port=port)
    Demo(stack, patients=patients, slices=slices, seed=seed, shuffle_labels=shuffle_labels).run()
    introduce(stack)


@app.command()
def train(
    cohort: Annotated[Path, typer.Argument(help="Folder of DICOM studies with labels.csv in it.")],
    fast: Annotated[bool, typer.Option("--fast", help="Start at preprocess: no uploads, events and import.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")] = False,
    port: Port = DEFAULT_PORT,
) -> None:
    """Train on a cohort of your own: labels.csv has study_instance_uid, label and optionally reader."""
    from local.train.run import TrainCohort, show

    console.stderr = as_json  # progress must not mix with the result
    root = cohort.expanduser().resolve()
    run = TrainCohort(LocalStack(port=port), patients=0, slices=0, seed=0, root=root, quick=fast)
    try:
        said = run.decide()
    except GaveUpError as reason:  # the same shape for programs, whatever happened
        if as_json:
            sys.stdout.write(json.dumps({"decision": "failed", "reason": str(reason)}) + "\n")
        raise
    if as_json:
        sys.stdout.write(json.dumps(said, indent=2) + "\n")
    else:
        show(said)


@app.command()
def sample_dicom(patients: int = 100, slices: int = 2, seed: int = 7) -> None:
    """Write the semi-synthetic cohort, real files of many modalities and hostile files."""
    from local.demo.run import SAMPLE, make_sample

    make_sample(patients, slices, seed)
    console.print(f"in {SAMPLE}", markup=False)


def main() -> int:
    os.chdir(Path(__file__).resolve().parents[1])
    try:
        code = app(standalone_mode=False)  # click answers the code of typer.Exit instead of raising it
        return code if isinstance(code, int) else 0
    except typer.Exit as ended:
        return ended.exit_code
    except typer.TyperException as wrong:  # an option or a word that does not exist
        console.print(f"{wrong.format_message()} (python -m local --help)", markup=False)
        return wrong.exit_code
    except (GaveUpError, AwsProcessError, EngineError, PulumiError) as error:
        console.print("\n[bold red]stopped:[/] ", end="")
        console.print(str(error), markup=False)
        return 1
    except (typer.Abort, KeyboardInterrupt):
        console.print("\nstopped by hand; what runs goes on: `make down` removes it")
        return 130


if __name__ == "__main__":
    sys.exit(main())
