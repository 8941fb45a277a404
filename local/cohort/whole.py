"""A whole chest CT as one study: `python -m local.cohort.whole --out DIR --slices 400` (for tests, benches).

The one real CT of the cohort, resampled along the body axis, with the noise of a scanner on every slice so that no two
compress alike. 400 slices of 512 x 512 are 210 MB of pixels, 2,000 are the study of 1 GB.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
import pydicom
import typer
from pydicom.uid import ExplicitVRLittleEndian

from local.cohort.anatomy import SPACING_MM, load
from local.cohort.dicom import StudyIdentity, uid_from, write_slice
from local.cohort.people import draw_person
from local.cohort.scanner import SCANNERS, reconstruct
from local.engine.paths import CACHE


def write(out: Path, slices: int, number: int = 900, cache: Path = CACHE) -> list[Path]:
    """The files of one study; the same number gives the same patient, study and pixels. Made once."""
    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"image-{index + 1:04d}.dcm" for index in range(slices)]
    if all(path.exists() for path in files):
        return files
    anatomy, rng = load(cache), np.random.default_rng([5, number])
    identity = StudyIdentity(
        person=draw_person(rng, number),
        scanner=SCANNERS[0],
        study_uid=uid_from("whole", number, slices, "study"),
        series_uid=uid_from("whole", number, slices, "series"),
        frame_uid=uid_from("whole", number, slices, "frame"),
        serial_number=f"{SCANNERS[0].station}-70000",
        transfer_syntax=ExplicitVRLittleEndian,
    )
    depth = anatomy.hounsfield.shape[0]
    apart = SPACING_MM[2] * (depth - 1) / max(slices - 1, 1)
    for index, path in enumerate(files):
        below, share = divmod(index * (depth - 1) / max(slices - 1, 1), 1)
        pair = anatomy.hounsfield[int(below) : int(below) + 2].astype(np.float32)
        image = (pair[0] if len(pair) == 1 else pair[0] * (1 - share) + pair[1] * share) - np.float32(1024)
        position = (*anatomy.origin_mm[:2], anatomy.origin_mm[2] + index * apart)
        made = pydicom.dcmread(
            BytesIO(write_slice(identity, index + 1, reconstruct(image, SCANNERS[0], rng), position))
        )
        made.SliceThickness = made.SpacingBetweenSlices = round(apart, 5)
        made.save_as(path)
    return files


def main(
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    slices: Annotated[int, typer.Option(help="Slices of the study.", min=1, max=4000)] = 400,
    number: Annotated[int, typer.Option(help="Which patient.", min=0)] = 900,
) -> None:
    """Write one whole chest CT as a study."""
    write(out, slices, number)


if __name__ == "__main__":
    typer.run(main)
