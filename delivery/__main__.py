"""`python -m delivery --help`: send a folder of DICOM files, fetch a study; both go on where a kill stopped them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from delivery.client import Client, DeliveryError
from delivery.fetching import fetch_study
from delivery.sending import Journal, Sender

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)
Api = Annotated[str, typer.Option(help="Address of the API.", envvar="IMAGING_API_URL")]
CaBundle = Annotated[str | None, typer.Option(help="Certificate authorities, a file.", envvar="AWS_CA_BUNDLE")]
TOKEN = "IMAGING_API_TOKEN"  # noqa: S105 - the variable's name; a token on the command line would be seen by others


def _client(api: str, ca_bundle: str | None) -> Client:
    token = os.environ.get(TOKEN)
    if not token:
        raise DeliveryError(f"set {TOKEN} to the identity token of your sign-in")
    return Client.connect(api, token, ca_bundle)


def _progress() -> Progress:
    """On standard error, so that standard output is for programs; plain where there is no terminal."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


@app.command()
def upload(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders of files.")],
    api: Api,
    ca_bundle: CaBundle = None,
    journal: Annotated[Path, typer.Option(help="What was sent: keep it to go on later.")] = Path(
        ".imaging-upload.json"
    ),
) -> None:
    """Send files; prints a JSON line {"path", "upload_id"} for each. A second run sends only what is missing."""
    files = sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    client = _client(api, ca_bundle)
    with _progress() as progress:
        task = progress.add_task("upload", total=sum(file.stat().st_size for file in files))
        sender = Sender(client, Journal(journal), lambda count: progress.advance(task, count))
        for file in files:
            upload_id = sender.send(file)
            sys.stdout.write(json.dumps({"path": str(file), "upload_id": upload_id}) + "\n")


@app.command()
def download(
    study_key: Annotated[str, typer.Argument(help="Pseudonym of the study.")],
    folder: Annotated[Path, typer.Argument(help="Where to.")],
    api: Api,
    ca_bundle: CaBundle = None,
) -> None:
    """Fetch a study's images, each checked against the SHA-256 of what was received. Exit code 2: some are missing."""
    with _progress() as progress:
        task = progress.add_task("download", total=None)
        client = _client(api, ca_bundle)
        fetched, missing = fetch_study(client, study_key, folder, lambda count: progress.advance(task, count))
    sys.stdout.write(json.dumps({"study_key": study_key, "fetched": fetched, "missing": missing}) + "\n")
    raise typer.Exit(2 if missing else 0)


def main() -> int:
    """Exit codes: 0 well, 1 could not be done (run it again to go on), 2 something is missing."""
    try:
        return int(app(standalone_mode=False) or 0)
    except (DeliveryError, OSError) as error:
        sys.stderr.write(f"stopped: {error}\nWhat has arrived is kept: run the command again to go on.\n")
    except typer.TyperException as error:
        sys.stderr.write(f"{error.format_message()}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
