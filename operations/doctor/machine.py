"""Can this machine run the checkout? Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from pathlib import Path

from operations.doctor.finding import FAULT, OK, SKIPPED, WARNING, Check, Finding

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)
GIB = 2**30
DISK_GIB = 8
"""Environments 3 GB, CLI and its build cache 2.5 GB, layers, cohort and a run of the demo."""
MEMORY_GIB = 4
"""TensorFlow, the embedded AWS and the engine beside each other."""
PORT = 4600
"""Where the embedded AWS listens unless PORT says otherwise (local/aws_process.py)."""
LOCKS = {
    "project": (".venv", "dev.lock"),
    "aws": (".venvs/aws", "aws.lock"),
    "lambda": (".venvs/lambda", "lambda.lock"),
    "train": (".venvs/train", "train.lock"),
}


def python_version(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """3.11 here, 3.12 on AWS."""
    said = ".".join(str(part) for part in version)
    if version[:2] >= OLDEST:
        return Finding("Python", OK, said)
    wanted = ".".join(str(part) for part in OLDEST)
    return Finding(
        "Python", FAULT, f"{said} is too old", f"install Python {wanted} or newer, then: make PYTHON3=python{wanted}"
    )


def programs(path: str | None = None) -> Finding:
    """make and git."""
    missing = [name for name in ("make", "git") if shutil.which(name, path=path) is None]
    if missing:
        return Finding("programs", FAULT, f"not on PATH: {', '.join(missing)}", f"install {' and '.join(missing)}")
    return Finding("programs", OK, "make and git are here")


def disk(folder: Path = ROOT, free: int | None = None) -> Finding:
    """Space for what setup makes."""
    gib = (shutil.disk_usage(folder).free if free is None else free) / GIB
    made = (folder / ".venv").exists()
    if gib >= DISK_GIB or (made and gib >= 2):
        return Finding("disk", OK, f"{gib:.0f} GiB free")
    remedy = "free space, `make clean` removes environments and caches of this checkout"
    return Finding("disk", FAULT, f"{gib:.1f} GiB free, setup and a demo take {DISK_GIB}", remedy)


def memory(meminfo: Path = Path("/proc/meminfo")) -> Finding:
    """What is available now, not what is built in."""
    if not meminfo.exists():
        return Finding("memory", SKIPPED, "this system does not tell what is available")
    words = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable")).split()
    gib = int(words[1]) * 1024 / GIB
    if gib >= MEMORY_GIB:
        return Finding("memory", OK, f"{gib:.0f} GiB available")
    remedy = "close programs, or train with fewer patients: make demo PATIENTS=24"
    return Finding("memory", WARNING, f"{gib:.1f} GiB available, training wants {MEMORY_GIB}", remedy)


def package_installer(root: Path = ROOT, path: str | None = None) -> Finding:
    """uv, or what setup installs it with."""
    if shutil.which("uv", path=path) or (root / ".venvs" / "uv" / "bin" / "uv").exists():
        return Finding("uv", OK, "uv is here")
    try:
        import ensurepip  # noqa: F401  (Debian leaves it out of python3)
    except ImportError:
        return Finding("uv", FAULT, "neither uv nor ensurepip is here", "install python3-venv, or uv")
    return Finding("uv", OK, "uv is not here: setup installs it from the package index")


def pulumi_cli(root: Path = ROOT, path: str | None = None) -> Finding:
    """The CLI on PATH or built; else what it would be built with."""
    built = sorted((root / ".cache" / "bin").glob("pulumi-*/pulumi"))
    if shutil.which("pulumi", path=path) or built:
        return Finding("Pulumi CLI", OK, "on PATH" if not built else f"built: {built[-1].parent.name}")
    if shutil.which("go", path=path):
        return Finding("Pulumi CLI", OK, "not here yet: setup builds it with the Go on PATH, about two minutes")
    return Finding("Pulumi CLI", OK, "not here yet: setup fetches a Go toolchain (270 MB) and builds it once")


def environments(root: Path = ROOT, version: str = sys.version) -> Finding:
    """Made from the lock files as they are now, by the Python that runs now."""
    missing, stale = [], []
    for name, (folder, lock) in LOCKS.items():
        stamp, source = root / folder / ".made-from", root / "requirements" / lock
        if not stamp.exists():
            missing.append(name)
        elif stamp.read_text() != hashlib.sha256(source.read_bytes() + version.encode()).hexdigest():
            stale.append(name)
    if missing or stale:
        said = [f"not made: {', '.join(missing)}"] * bool(missing) + [
            f"older than its lock: {', '.join(stale)}"
        ] * bool(stale)
        return Finding("environments", WARNING, "; ".join(said), "make setup")
    return Finding("environments", OK, f"{len(LOCKS)} are made from their lock files")


def writable(root: Path = ROOT) -> Finding:
    """Nothing of another user in the folders that commands write, as after one run with sudo."""
    owned = [
        folder for folder in (root, root / ".cache", root / ".run", root / ".venv", root / "build") if folder.exists()
    ]
    closed = [str(folder.relative_to(root.parent)) for folder in owned if not os.access(folder, os.W_OK)]
    if closed:
        return Finding("files", FAULT, f"not writable: {', '.join(closed)}", f"sudo chown -R $USER {' '.join(closed)}")
    return Finding("files", OK, "the folders can be written")


def port(number: int | None = None, run: Path | None = None) -> Finding:
    """Free, or held by this checkout's own stack."""
    folder = (run or Path(os.environ.get("IMAGING_RUN_DIR", str(ROOT / ".run")))) / "aws"
    kept = folder / "port"
    wanted = int(kept.read_text()) if kept.exists() else number or int(os.environ.get("PORT", str(PORT)))
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", wanted)) == 0
    if not taken:
        return Finding("port", OK, f"{wanted} is free")
    if (folder / "pid").exists():
        return Finding("port", OK, f"{wanted} is held by this checkout's stack")
    return Finding("port", FAULT, f"{wanted} is taken by another program", f"make demo PORT={wanted + 100}")


CHECKS: list[Check] = [
    python_version,
    programs,
    disk,
    memory,
    package_installer,
    pulumi_cli,
    environments,
    writable,
    port,
]
