"""Makes the cohort: for each patient a warp, a place in the lungs, perhaps pneumonia, a scanner, and the files."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from local.cohort import CREDIT
from local.cohort.anatomy import LOBES, SPACING_MM, Anatomy, CohortError
from local.cohort.dicom import CODED_SYNTAXES, PLAIN_SYNTAXES, StudyIdentity, uid_from, write_slice
from local.cohort.lesion import Focus, Site, draw_foci, draw_site, paint
from local.cohort.people import draw_person
from local.cohort.scanner import SCANNERS, reconstruct
from local.cohort.warp import Warp, coordinates, draw_warp, sample

SMALLEST_FINDING_MM2: Final = 250.0
"""Consolidated area that every slice of a pneumonia patient shows at least: subtle at 250, lobar from about 2000 on."""
_SMALLEST_LUNG_PIXELS: Final = 4000
_ATTEMPTS: Final = 400


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Slices of one patient, (512, 512) float32 HU before the scanner, with what they show."""

    site: Site
    foci: list[Focus]
    slices: list[NDArray[np.float32]]
    shown_mm2: float
    """Consolidated area of the slice with the least of it; in a normal patient what the foci would have shown."""
    painted: bool

    @property
    def finding_area_mm2(self) -> float:
        """Consolidated area that is really there."""
        return self.shown_mm2 if self.painted else 0.0


def write_cohort(
    anatomy: Anatomy,
    out: Path,
    *,
    patients: int,
    slices: int,
    seed: int,
    codecs: bool,
    finding_mm2: float = SMALLEST_FINDING_MM2,
) -> list[dict[str, Any]]:
    """Write every patient, labels.json, labels.csv and README.txt under `out`; the studies as labels.json has them."""
    out.mkdir(parents=True, exist_ok=True)
    write = partial(_write_patient, out=out, slices=slices, seed=seed, codecs=codecs, finding_mm2=finding_mm2)
    with ProcessPoolExecutor(initializer=_ANATOMY.append, initargs=(anatomy,)) as pool:  # a process for each core
        studies = list(pool.map(write, range(patients)))
    labels = {"schema": "cohort-labels/1", "seed": seed, "semi_synthetic": True, "studies": studies}
    (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")
    rows = ["study_instance_uid,label", *(f"{study['study_uid']},{study['finding']}" for study in studies)]
    (out / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")  # what `make train COHORT=DIR` reads
    (out / "README.txt").write_text(CREDIT, encoding="utf-8")
    return studies


def draw_patient(
    anatomy: Anatomy,
    rng: np.random.Generator,
    *,
    pneumonia: bool,
    slices: int,
    finding_mm2: float = SMALLEST_FINDING_MM2,
) -> Patient:
    """A patient whose every slice shows lung and, with pneumonia, the finding; drawn again until it does.

    Normals are drawn by the same test with foci that are then not painted: else the places where a finding shows well
    would tell the label.
    """
    for _ in range(_ATTEMPTS):
        warp, site = draw_warp(rng), draw_site(anatomy, rng, slices)
        foci = draw_foci(anatomy, site, rng, slices)
        patient = _image(anatomy, warp, site, foci, slices, keep=pneumonia, least_mm2=finding_mm2)
        if patient is not None:
            return patient
    raise CohortError(
        f"no patient whose every slice shows {finding_mm2:.0f} mm2 of the finding could be drawn: ask for less"
    )


def _image(
    anatomy: Anatomy, warp: Warp, site: Site, foci: list[Focus], slices: int, *, keep: bool, least_mm2: float
) -> Patient | None:
    """The patient, or None at the first slice that shows too little lung or finding: most draws end there."""
    images: list[NDArray[np.float32]] = []
    smallest = np.inf
    for index in range(slices):
        where = coordinates(warp, float(site.centre[0]), index - (slices - 1) / 2)
        image, lobes = sample(anatomy, where)
        if np.count_nonzero(lobes) < _SMALLEST_LUNG_PIXELS:
            return None
        painted, area = paint(image, lobes, where, foci)
        if area < least_mm2:
            return None
        images.append(painted if keep else image)
        smallest = min(smallest, area)
    return Patient(site=site, foci=foci if keep else [], slices=images, shown_mm2=float(smallest), painted=keep)


_ANATOMY: Final[list[Anatomy]] = []
"""What all patients of a worker process are made from."""


def _write_patient(
    number: int, *, out: Path, slices: int, seed: int, codecs: bool, finding_mm2: float
) -> dict[str, Any]:
    anatomy = _ANATOMY[0]
    rng = np.random.default_rng([seed, number])
    pneumonia = number % 2 == 1
    patient = draw_patient(anatomy, rng, pneumonia=pneumonia, slices=slices, finding_mm2=finding_mm2)
    person = draw_person(rng, number)
    # scanner and syntax follow the pair of patients, so that neither tells the finding
    scanner = SCANNERS[number // 2 % len(SCANNERS)]
    syntaxes = CODED_SYNTAXES if codecs else PLAIN_SYNTAXES
    study_uid = uid_from(seed, number, "study")
    identity = StudyIdentity(
        person=person,
        scanner=scanner,
        study_uid=study_uid,
        series_uid=uid_from(seed, number, "series"),
        frame_uid=uid_from(seed, number, "frame"),
        serial_number=f"{scanner.station}-{70_000 + 37 * (number // 2 % len(SCANNERS))}",
        transfer_syntax=syntaxes[number // 2 % len(syntaxes)],
    )
    folder = out / f"patient-{number + 1:04d}"
    folder.mkdir(exist_ok=True)
    table_mm = round(float(rng.uniform(-200, 200)), 1)
    files: list[str] = []
    for index, image in enumerate(patient.slices):
        z = anatomy.origin_mm[2] + SPACING_MM[2] * (patient.site.centre[0] + index) + table_mm
        pixels = reconstruct(image, scanner, rng)
        path = folder / f"image-{index + 1:02d}.dcm"
        path.write_bytes(write_slice(identity, index + 1, pixels, (*anatomy.origin_mm[:2], z)))
        files.append(path.relative_to(out).as_posix())
    return {
        "study_uid": study_uid,
        "patient_id": person.patient_id,
        "finding": "pneumonia" if pneumonia else "normal",
        "lobe": LOBES[patient.site.lobe],
        "foci": len(patient.foci),
        "transfer_syntax": identity.transfer_syntax.name,
        "files": files,
    }
