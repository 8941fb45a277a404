"""`python -m imaging`: validate, inspect or de-identify files from the command line; one JSON object a line."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imaging.deidentify import Options, deidentify
from imaging.dictionary import keyword_of
from imaging.errors import ImageRejected
from imaging.limits import DEFAULT_LIMITS
from imaging.parse import every_element, read
from imaging.profile import Retain
from imaging.pseudonym import key_from_secret
from imaging.validate import validate

KEY_VARIABLE = "IMAGING_PSEUDONYM_KEY"
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Paths = Annotated[list[Path], typer.Argument(help="Files, or folders whose files are all taken.", exists=True)]


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]


def _read(path: Path) -> bytes:
    """The file, or one byte more than the limit allows: enough to be refused, not enough to hurt."""
    with path.open("rb") as file:
        return file.read(DEFAULT_LIMITS.max_bytes + 1)


def _print(record: dict[str, object]) -> None:
    typer.echo(json.dumps(record, separators=(",", ":")))


def _refusal(rejected: ImageRejected) -> dict[str, object]:
    return {
        "reason_code": rejected.code.value,
        "attribute": rejected.tag_keyword,
        "rule": rejected.rule,
        "reason": rejected.sentence,
    }


@app.command("validate")
def validate_files(paths: Paths) -> None:
    """Judge files. Exit code 0: all valid, 1: at least one is not."""
    invalid = 0
    for path in _files(paths):
        result = validate(_read(path))
        invalid += not result.valid
        verdict: dict[str, object] = {"file": str(path), "valid": result.valid}
        if result.metadata is None:
            verdict |= {
                "reason_code": result.reason_code,
                "attribute": result.tag_keyword,
                "rule": result.rule,
                "reason": result.reason,
            }
        else:
            verdict |= {"modality": result.metadata.series.modality, **result.metadata.image.model_dump()}
            del verdict["image_uid"]
        _print(verdict)
    raise typer.Exit(1 if invalid else 0)


@app.command()
def inspect(paths: Paths) -> None:
    """Show the structure of files without any value. Exit code 0: all readable, 1: at least one is not."""
    refused = 0
    for path in _files(paths):
        try:
            parsed = read(_read(path))
        except ImageRejected as rejected:
            refused += 1
            _print({"file": str(path), "readable": False, **_refusal(rejected)})
            continue
        attributes = [f"{keyword_of(element.tag)}:{element.vr or '??'}" for element in parsed.elements]
        _print(
            {
                "file": str(path),
                "readable": True,
                "transfer_syntax": parsed.transfer_syntax.name,
                "elements": sum(1 for _ in every_element(parsed.elements)),
                "trailing_bytes": parsed.trailing_bytes,
                "preamble_blank": parsed.preamble_blank,
                "attributes": attributes,
            }
        )
    raise typer.Exit(1 if refused else 0)


@app.command("deidentify")
def deidentify_files(
    paths: Paths,
    out: Annotated[Path, typer.Option(help="Folder for the cleaned files, made if absent.")],
    key_file: Annotated[Path | None, typer.Option(help=f"File with the key as hex; else ${KEY_VARIABLE}.")] = None,
    retain: Annotated[list[Retain] | None, typer.Option(help="Option of the profile; may be repeated.")] = None,
    pixels_known_clean: Annotated[bool, typer.Option(help="Vouch that the pixels show no identifier.")] = False,
) -> None:
    """Write cleaned copies named by pseudonyms. Exit code 0: all cleaned, 1: some refused, 2: no usable key."""
    try:
        key = key_from_secret(key_file.read_text() if key_file else os.environ.get(KEY_VARIABLE, ""))
    except (ValueError, OSError) as error:
        typer.echo(f"No usable key: {error}. Give --key-file or set {KEY_VARIABLE} to 64 hex digits.", err=True)
        raise typer.Exit(2) from None
    chosen = frozenset(retain) if retain is not None else frozenset({Retain.MODIFIED_DATES})
    try:
        options = Options(retain=chosen, pixels_known_clean=pixels_known_clean)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    refused = 0
    for path in _files(paths):
        try:
            cleaned = deidentify(_read(path), key, options)
        except ImageRejected as rejected:
            refused += 1
            _print({"file": str(path), "deidentified": False, **_refusal(rejected)})
            continue
        keys = cleaned.keys
        target = out / keys.patient / keys.study / f"{keys.image}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cleaned.data)
        _print({"file": str(path), "deidentified": True, "output": str(target), "report": asdict(cleaned.report)})
    raise typer.Exit(1 if refused else 0)


if __name__ == "__main__":
    app(prog_name="python -m imaging")
