"""`python -m operations --help`: by hand on a running stack, with the AWS credentials of the environment."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from operations import backfill as back_filling
from operations import registry, trial
from operations import rekey as rekeying
from operations import unlock as unlocking
from operations.redrive import Names, redrive_dead_letters, redrive_executions
from operations.stack import PROJECT, Stack, account, prefix

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)
app.add_typer(registry.app, name="registry")
app.add_typer(trial.app, name="trial")


@app.callback()
def environment(
    environment: Annotated[
        Path | None, typer.Option(help="JSON file with environment variables, as the local stack writes one.")
    ] = None,
) -> None:
    """Operations by hand on a running stack, with the AWS credentials of the environment."""
    if environment is not None:
        os.environ.update(json.loads(environment.read_text()))


def _names(stack: str) -> Names:
    """Looked up by the naming rule of `components/_base.py`."""
    sqs, region, begin = boto3.client("sqs"), boto3.Session().region_name, prefix(stack)

    def url(role: str) -> str:
        return str(sqs.get_queue_url(QueueName=f"{begin}-{role}")["QueueUrl"])

    return Names(
        dead_letter_urls=(url("ingestion-dlq"), url("image-ingestion-dlq")),
        upload_queue_url=url("upload"),
        import_queue_url=url("import"),
        function_name=f"{begin}-image-ingestion",
        state_machine_arn=f"arn:aws:states:{region}:{account()}:stateMachine:{begin}-ingestion",
    )


@app.command()
def reconcile(
    stack: Stack = "local",
    full: Annotated[bool, typer.Option(help="Verify every study, not only what changed lately.")] = False,
    grace_seconds: Annotated[int | None, typer.Option(help="Age from which something counts as stopped.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Compare what was received with every later stage, and drive again what stopped. Exit code 2: differences."""
    command = {"operation": "reconcile", "full": full, "grace_seconds": grace_seconds}
    answer = boto3.client("lambda").invoke(
        FunctionName=f"{prefix(stack)}-monitoring", Payload=json.dumps(command).encode()
    )
    payload: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise typer.BadParameter(f"the reconciler failed: {payload.get('errorMessage', payload)}")
    key = str(payload["report"])
    bucket = f"{prefix(stack)}-training-data-{account()}"
    wanted = key if json_output else f"{key.removesuffix('.json')}.txt"
    report = boto3.client("s3").get_object(Bucket=bucket, Key=wanted)["Body"].read()
    sys.stdout.write(report.decode())
    raise typer.Exit(0 if payload["clean"] else 2)


@app.command()
def redrive(
    stack: Stack = "local",
    days: Annotated[int, typer.Option(help="Executions that failed in the last so many days.")] = 14,
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
) -> None:
    """Send dead letters back where they came from, and take failed executions up again."""
    names = _names(stack)
    letters = redrive_dead_letters(boto3.client("sqs"), boto3.client("lambda"), names, dry_run=dry_run)
    since = datetime.now(UTC) - timedelta(days=days)
    executions = redrive_executions(boto3.client("stepfunctions"), names, since=since, dry_run=dry_run)
    sys.stdout.write(json.dumps({"dead_letters": letters.counts, "executions": executions.counts}) + "\n")
    raise typer.Exit(2 if letters.counts.get("unknown") else 0)


@app.command()
def backfill(
    stack: Stack = "local",
    prefix_of_uploads: Annotated[str, typer.Option("--prefix", help="Objects below it are ingested.")] = "upload/",
    manifest: Annotated[
        str | None, typer.Option(help='Key below backfill/ of a file with {"Key": "upload/..."} a line, instead.')
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = True,
    pause: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Ingest what was uploaded without being ingested; what was ingested stays as it is. Exit code 2: some did not."""
    machines = boto3.client("stepfunctions")
    region = boto3.Session().region_name
    machine = f"arn:aws:states:{region}:{account()}:stateMachine:{prefix(stack)}-backfill"
    execution = back_filling.start(machines, machine, prefix=prefix_of_uploads, manifest=manifest)
    if not wait:
        sys.stdout.write(json.dumps({"execution": execution}) + "\n")
        return

    def tell(now: back_filling.Progress) -> None:
        done = sum(now.objects.get(name, 0) for name in back_filling.COUNTED[1:])
        sys.stderr.write(f"{now.status.lower()}: {done} of {now.objects.get('total', 0)} objects\n")

    ended = back_filling.follow(machines, execution, tell, pause=pause)
    answer = {"status": ended.status, "objects": dict(ended.objects), "error": ended.error, "execution": execution}
    sys.stdout.write(json.dumps(answer) + "\n")
    failed = ended.objects.get("total", 0) - ended.objects.get("succeeded", 0)
    raise typer.Exit(2 if failed or ended.status != "SUCCEEDED" else 0)


@app.command()
def canary(
    stack: Stack = "local",
    limit: Annotated[float, typer.Option(min=1, help="Seconds after which it should have come through.")] = 900,
) -> None:
    """One invented image through the whole way and out of it again. Exit code 2: it did not come through."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "lambdas" / "shared" / "src"))  # as functions find it
    from operations.canary import Canary, CanaryError, Store

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    say(f"canary of {stack}")
    try:
        Canary(store=Store.of(stack), client=boto3.client, say=say).fly(limit)
    except CanaryError as error:
        sys.stderr.write(f"The canary did not come through: {error}\n")
        raise typer.Exit(2) from error


@app.command()
def transform(
    study_key: Annotated[str, typer.Argument(help="Pseudonym of the study.")],
    stack: Stack = "local",
    version: Annotated[int | None, typer.Option(help="An approved version; absent: the newest one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read, asked and written.")] = False,
    pause: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
) -> None:
    """Ask a model about every de-identified image of a study; the answers lie in S3 beside the images, as JSON."""
    from operations import transform as batch
    from operations.registry import or_reason, show

    plan = or_reason(lambda: batch.Plan.of(stack, study_key, version))
    if dry_run:
        show(vars(plan))
        return
    or_reason(lambda: batch.run(plan, lambda status: typer.echo(f"{plan.job}: {status}", err=True), pause))
    show(batch.summary(plan))


@app.command()
def monitor(
    stack: Stack = "local",
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="One look as JSON.")] = False,
) -> None:
    """What a stack is doing now, until Ctrl-C: queues, workflow, training, endpoint, alarms, dead letters."""
    from rich.console import Console
    from rich.table import Table

    from operations.doctor.finding import FAULT, WARNING
    from operations.monitor import document, look

    if json_output:
        sys.stdout.write(json.dumps(document(look(boto3.client, stack)), indent=1) + "\n")
        return
    console, colours = Console(), {FAULT: "bold red", WARNING: "yellow"}
    while True:
        table = Table(title=f"{stack} at {datetime.now(UTC):%H:%M:%S} UTC", show_header=False)
        for reading in look(boto3.client, stack):
            table.add_row(reading.what, reading.says, style=colours.get(reading.state))
        if not once:
            console.clear()
        console.print(table)
        if once:
            return
        time.sleep(every)


@app.command()
def follow(
    stack: Stack = "local",
    execution: Annotated[str | None, typer.Option(help="ARN of another run than the newest.")] = None,
) -> None:
    """A training run as it goes, until it ends: steps, and what the scripts say. Exit code 2: it did not succeed."""
    from operations import follow as following

    arn = execution or following.newest(boto3.client, stack)
    if arn is None:
        typer.echo("the pipeline has never run: make train COHORT=DIR starts it, or enough new labels do")
        return
    typer.echo(following.heading(boto3.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)))
    ended = following.follow(boto3.client, arn, typer.echo)
    reason = f": {ended['FailureReason']}" if ended.get("FailureReason") else ""
    typer.echo(f"{ended['PipelineExecutionStatus']}{reason}")
    raise typer.Exit(0 if ended["PipelineExecutionStatus"] == "Succeeded" else 2)


@app.command()
def console(
    state: Annotated[
        Path, typer.Option(help="State of the stack: the local stack's file, or what `pulumi stack export` printed.")
    ],
    stack: Stack = "local",
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of 127.0.0.1.")] = 4690,
) -> None:
    """A page for who learns and debugs, until Ctrl-C: the way of one image, alarms, why IAM denies, resources."""
    import uvicorn

    sys.path.append(str(Path(__file__).resolve().parents[1] / "lambdas" / "shared" / "src"))  # as functions find it
    from operations.console.server import LOOPBACK, Console

    page = Console(clients=cache(boto3.client), stack=stack, state=state.read_text)
    sys.stdout.write(f"http://{LOOPBACK}:{port}/ shows {stack}, to this machine only; Ctrl-C ends it\n")
    sys.stdout.flush()
    uvicorn.run(page.application(), host=LOOPBACK, port=port, log_level="warning")


@app.command()
def unlock(
    stack: Stack = "local",
    confirm: Annotated[bool, typer.Option("--confirm", help="Take the lock; without it only look.")] = False,
    force: Annotated[bool, typer.Option("--force/--no-force", help="Even from a run that may still hold it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the deed.", envvar="REASON")] = "",
) -> None:
    """The engine's lock that a killed update left: who holds it, since when; taken only when nobody can hold it."""
    found = unlocking.Unlock(stack=stack, project=PROJECT, pulumi=unlocking.cli(Path.cwd()))
    raise typer.Exit(
        unlocking.carry_out(found, confirm=confirm, force=force, reason=reason, now=datetime.now(UTC), say=typer.echo)
    )


@app.command()
def keys(
    stack: Stack = "local",
    rotate: Annotated[str, typer.Option(help="A key of the list, or all: new material now.", envvar="KEY")] = "",
    confirm: Annotated[bool, typer.Option("--confirm", help="Rotate; without it only say what would be.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="The keys as JSON.")] = False,
) -> None:
    """Does every key of a stack rotate, when did it last; rotate now. Exit code 2: one does not by itself."""
    from operations import keys as found_keys
    from operations.registry import line, show

    kms = boto3.client("kms")
    found = found_keys.keys(kms, prefix(stack))
    try:
        wanted = found_keys.chosen(found, rotate) if rotate else []
        for one in wanted if confirm else ():
            found_keys.rotate(kms, one)
            line(f"rotated: {one.name} ({one.key_id})")
    except found_keys.RotationError as error:
        raise typer.BadParameter(str(error)) from None
    if wanted and not confirm:
        line(f"Would rotate {', '.join(one.name for one in wanted)}; nothing was changed. To do it: CONFIRM=yes")
    found = found_keys.keys(kms, prefix(stack)) if wanted and confirm else found
    if json_output:
        show([one.document() for one in found])
    for one in () if json_output else found:
        line(one.said())
    raise typer.Exit(2 if not found or any(list(one.faults()) for one in found) else 0)


@app.command()
def rekey(
    stack: Stack = "local",
    provider: Annotated[str, typer.Option(help="Another KMS key: awskms:///alias/...; absent: the same one.")] = "",
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it; without it only say what would be.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the deed.", envvar="REASON")] = "",
) -> None:
    """A new data key for the secrets in a stack's state and stack file."""
    lock = unlocking.Unlock(stack=stack, project=PROJECT, pulumi=unlocking.cli(Path.cwd()))
    found = rekeying.Rekey(unlock=lock, file=Path(f"Pulumi.{stack}.yaml"), provider=provider)
    rekeying.carry_out(found, confirm=confirm, reason=reason, now=datetime.now(UTC), say=typer.echo)


def main() -> int:
    """Exit codes: 0 well, 1 could not be done, 2 something is left for a person."""
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        sys.stderr.write(f"{error.format_message()}\n")
    except FileNotFoundError as error:
        sys.stderr.write(f"There is no {error.filename}: is the stack up?\n")
    except unlocking.UnlockError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return 0
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"AWS refused: {error}\nIs the stack up, and are AWS credentials and region set?\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
