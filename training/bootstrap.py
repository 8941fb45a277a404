"""First program of a processing container: unpack the code that lies beside it, then become the step's module.

    python3 bootstrap.py training.preprocess --image-size 512 ...

Processing jobs have no script mode: SageMaker copies S3 inputs and starts one command. This file is uploaded beside
sourcedir.tar.gz; it needs the standard library only. Packages of requirements.txt that the image already has in the
pinned version are not installed again, so the same file starts a step where there is no package index at all.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

ARCHIVE = "sourcedir.tar.gz"
_MODULE = re.compile(r"training\.[a-z_]+")
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", re.MULTILINE)


def missing_requirements(text: str) -> list[str]:
    """The `name==version` lines of a requirements file that this interpreter does not have."""
    return [f"{name}=={version}" for name, version in _PINNED.findall(text) if not _is_installed(name, version)]


def _is_installed(name: str, version: str) -> bool:
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def unpack(archive: Path, target: Path) -> None:
    """Unpack the code into `target` (made if needed); members that would leave it are refused by tarfile."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")


def main(arguments: list[str]) -> None:
    """Replace this process by `python -m <module> <arguments>`, so that SIGTERM reaches the step itself."""
    if not arguments or _MODULE.fullmatch(arguments[0]) is None:
        raise SystemExit("usage: bootstrap.py training.<module> [arguments]")
    code = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "code"
    unpack(Path(__file__).resolve().parent / ARCHIVE, code)
    missing = missing_requirements((code / "requirements.txt").read_text())
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *missing], check=True)
    os.chdir(code)
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH", "")]))
    os.execve(sys.executable, [sys.executable, "-m", *arguments], {**os.environ, "PYTHONPATH": path})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
