"""Real DICOM files of many modalities and transfer syntaxes, as the pydicom packages ship them for their tests."""

import shutil
from importlib.util import find_spec
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from imaging.errors import ImageRejected
from imaging.parse import read

_LARGEST_BYTES: Final = 6 * 1024 * 1024
_PACKAGES: Final = ("pydicom", "data_store")
"""pydicom itself, and the optional package pydicom-data, which installs as data_store."""


def find_real_files() -> list[Path]:
    """Readable files, one of each SOP Class and transfer syntax first, then the rest; nothing is downloaded."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(_candidates(), key=lambda path: (path.stat().st_size, path.name)):
        try:
            parsed = read(path.read_bytes())
        except ImageRejected:
            continue
        kind = (parsed.text(0x00020002), str(parsed.transfer_syntax))
        groups.setdefault(kind, []).append(path)
    rounds = zip_longest(*(groups[kind] for kind in sorted(groups)))
    return [path for path in chain.from_iterable(rounds) if path is not None]


def _candidates() -> set[Path]:
    found: set[Path] = set()
    for package in _PACKAGES:
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            for path in Path(location).joinpath("data").rglob("*"):
                if path.is_file() and path.suffix in (".dcm", "") and path.stat().st_size <= _LARGEST_BYTES:
                    found.add(path)
    return found


def copy_real_files(folder: Path, limit: int) -> list[Path]:
    """Copy at most `limit` of them into `folder`, unchanged, with the identifiers their authors invented."""
    folder.mkdir(parents=True, exist_ok=True)
    copies: list[Path] = []
    for path in find_real_files()[:limit]:
        copy = folder / f"{path.stem}.dcm"
        shutil.copyfile(path, copy)
        copies.append(copy)
    return copies
