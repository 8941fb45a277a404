"""`python -m imaging`: validate, inspect or de-identify DICOM files; JSON for programs, progress for people."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from imaging.profile import Option

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Paths = Annotated[list[Path], typer.Argument(help="Files, or folders whose files are all taken.", exists=True)]


def _files(paths: list[Path]) -> Iterator[Path]:
    from imaging.folder import input_files

    for path in paths:
        yield from input_files(path) if path.is_dir() else [path]


def _read(path: Path) -> bytes:
    """The file, or one byte more than the limit allows: enough to be refused, not enough to hurt."""
    from imaging.limits import DEFAULT_LIMITS

    with path.open("rb") as file:
        return file.read(DEFAULT_LIMITS.max_bytes + 1)


def _print(record: dict[str, Any]) -> None:
    typer.echo(json.dumps(record, separators=(",", ":")))


@app.command("validate")
def validate_files(paths: Paths) -> None:
    """Judge files: one JSON line each. Exit code 0: all valid, 1: at least one is not."""
    from imaging.validate import validate

    invalid = 0
    for path in _files(paths):
        result = validate(_read(path))
        invalid += not result.valid
        verdict: dict[str, Any] = {"file": str(path), "valid": result.valid}
        if result.metadata is None:
            verdict |= {
                "reason_code": result.reason_code,
                "attribute": result.tag_keyword,
                "rule": result.rule,
                "reason": result.reason,
            }
        else:
            verdict |= {"modality": result.metadata.series.modality, **asdict(result.metadata.image)}
            del verdict["image_uid"]
        _print(verdict)
    raise typer.Exit(1 if invalid else 0)


@app.command()
def inspect(
    paths: Paths,
    *,
    values: Annotated[bool, typer.Option("--values", help="Show values too, identifiers included.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the metadata and a picture of the first readable file.")
    ] = None,
) -> None:
    """Show what files hold, without values unless asked. Exit code 0: all readable, 1: at least one is not."""
    from imaging.inspection import describe, page

    refused = 0
    for path in _files(paths):
        record = describe(_read(path), values=values)
        refused += not record["readable"]
        _print({"file": str(path), **record})
        if html is not None and record["readable"]:
            html.write_text(page(_read(path), path.name, values=values), encoding="utf-8")
            html = None
    raise typer.Exit(1 if refused else 0)


@app.command("deidentify")
def deidentify_files(
    in_dir: Annotated[
        Path, typer.Argument(help="Folder of DICOM files, subfolders included.", exists=True, file_okay=False)
    ],
    out_dir: Annotated[Path, typer.Argument(help="Folder for the cleaned files, made if absent.")],
    *,
    key_file: Annotated[
        Path, typer.Option(help="Secret key: 64 or more hex digits, or at least 32 bytes. Keep it; it never changes.")
    ],
    profile: Annotated[Literal["basic"], typer.Option(help="Profile of PS3.15 Annex E.")] = "basic",
    option: Annotated[list[Option] | None, typer.Option(help="Option of the profile; may be repeated.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="JSON line a file. It names the input files: keep it with them.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=64)] = 1,
    pixels_known_clean: Annotated[bool, typer.Option(help="Vouch that the pixels show no identifier.")] = False,
) -> None:
    """Write cleaned copies named by pseudonyms.

    Exit code 0: all cleaned, 1: some refused (see the report), 2: no usable key or options.
    """
    from imaging.deidentify import Options
    from imaging.folder import deidentify_folder, input_files
    from imaging.pseudonym import key_from_file

    try:
        key = key_from_file(key_file.read_bytes())
        options = Options(chosen=frozenset(option or ()), pixels_known_clean=pixels_known_clean)
        records = deidentify_folder(in_dir, out_dir, key, options, workers=workers)
        lines = (record.as_json() for record in records)
        cleaned, refused = _report(lines, report, len(input_files(in_dir)))
    except (ValueError, OSError) as error:
        typer.echo(f"Cannot start or go on: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"profile {profile}: {cleaned} de-identified, {refused} refused", err=True)
    raise typer.Exit(1 if refused else 0)


def _report(lines: Iterator[dict[str, Any]], target: Path | None, total: int) -> tuple[int, int]:
    """Write each record as it comes, to the file or to standard output; answers how many were cleaned and refused."""
    cleaned = refused = 0
    output = target.open("w", encoding="utf-8") if target else sys.stdout
    try:
        for line in _with_progress(lines, total):
            cleaned += line["status"] == "deidentified"
            refused += line["status"] == "refused"
            output.write(json.dumps(line, separators=(",", ":")) + "\n")
    finally:
        output.flush()
        if target:
            output.close()
    return cleaned, refused


def _with_progress(lines: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    """A bar with rate and remaining time on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield from lines
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(lines, description="De-identifying", total=total, console=Console(stderr=True))


if __name__ == "__main__":
    app(prog_name="python -m imaging")
