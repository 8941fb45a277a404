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


def stop_being_root(*folders: Path) -> None:
    """Give `folders` to the user that the image names in IMAGING_RUN_AS (a number) and become that user for good.

    SageMaker mounts its folders as root, so an image that starts as another user cannot write its results; with this
    a job is root for the first milliseconds only. Images that name no user, and processes that are not root, stay as
    they are.
    """
    user = os.environ.get("IMAGING_RUN_AS")
    if user is None or os.geteuid() != 0:
        return
    number = int(user)
    for folder in folders:
        for directory, _, files in os.walk(folder):
            os.chown(directory, number, number)
            for name in files:
                os.chown(os.path.join(directory, name), number, number, follow_symlinks=False)  # noqa: PTH118
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)


def unpack(archive: Path, target: Path) -> None:
    """Unpack the code into `target` (made if needed); members that would leave it are refused by tarfile."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")


def main(arguments: list[str]) -> None:
    """Replace this process by `python -m <module> <arguments>`, so that SIGTERM reaches the step itself."""
    if not arguments or _MODULE.fullmatch(arguments[0]) is None:
        raise SystemExit("usage: bootstrap.py training.<module> [arguments]")
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    code = base / "code"
    code.mkdir(parents=True, exist_ok=True)
    stop_being_root(base / "processing", base / "output", code)
    unpack(Path(__file__).resolve().parent / ARCHIVE, code)
    missing = missing_requirements((code / "requirements.txt").read_text())
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *missing], check=True)
    os.chdir(code)
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH", "")]))
    os.execve(sys.executable, [sys.executable, "-m", *arguments], {**os.environ, "PYTHONPATH": path})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
