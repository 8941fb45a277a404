"""Builds the Lambda layers: ``python -m tools.layers --runtime python3.12 [--only shared]``.

The result, build/layers/<runtime>/<layer>/python, is the same byte for byte on every machine: wheels come by hash from
the lock file, nothing is compiled, and what an installer writes about itself is removed. A stamp of all inputs makes
a repeated call return at once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import find_uv

ROOT = Path(__file__).resolve().parent.parent
RUNTIMES = ("python3.11", "python3.12", "python3.13")
PLATFORM = "x86_64-manylinux_2_28"  # Amazon Linux 2023, the base of Lambda's Python runtimes, has glibc 2.34
LAMBDA_UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024  # AWS Lambda quotas: function and all its layers together
BUILDER_VERSION = "2"
MEBIBYTE = 1024 * 1024
# Dropped from wheels: tests, stubs of C sources and command line entry points have no use inside a function.
UNWANTED_FOLDERS = frozenset({"__pycache__", "tests", "test", "testing", "bin", "benchmarks"})
# Folders of those names that the libraries do import.
NEEDED_FOLDERS = frozenset({"numpy/testing", "numpy/_core/tests", "pydantic/v1/testing"})
UNWANTED_SUFFIXES = (".pyc", ".pyo", ".pyx", ".pxd", ".c", ".h", ".cpp", ".hpp", ".a", ".pyi")
INSTALLER_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"})
FIXED_TIME = 315_532_800  # 1980-01-01, the first moment a zip archive can express


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer. sources are packages of this repository that are copied in (folder -> name in the layer)."""

    name: str
    sources: tuple[tuple[str, str], ...] = ()
    left_out: frozenset[str] = frozenset()

    @property
    def lock(self) -> Path:
        """The lock file with hashes."""
        return ROOT / "requirements" / f"layer-{self.name}.lock"


LAYERS = (
    Layer(
        name="shared",
        sources=(("lambdas/shared/src/lambda_shared", "lambda_shared"), ("imaging", "imaging")),
        left_out=frozenset({"pydicom/data/test_files", "pydicom/data/charset_files", "pydicom/data/palettes"}),
    ),
    Layer(
        name="evaluation",
        left_out=frozenset(
            {
                "onnxruntime/tools",
                "onnxruntime/transformers",
                "onnxruntime/quantization",
                "onnxruntime/datasets",
                "numpy/f2py",
            }
        ),
    ),
    Layer(name="api"),
)
# The layers that each function loads together; their sum must stay below Lambda's limit.
TOGETHER = (("shared",), ("shared", "evaluation"), ("shared", "api"))


def source_files(folder: Path) -> Iterator[Path]:
    """The files of a package of this repository that belong into a layer, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in UNWANTED_SUFFIXES:
            yield path


def stamp(layer: Layer, runtime: str) -> str:
    """Digest of everything that the layer is made of."""
    # sorted: the order of a set changes from process to process
    made_of = f"{BUILDER_VERSION}/{runtime}/{PLATFORM}/{layer.name}/{layer.sources}/{sorted(layer.left_out)}"
    digest = hashlib.sha256(made_of.encode())
    digest.update(layer.lock.read_bytes())
    for folder, name in layer.sources:
        for path in source_files(ROOT / folder):
            digest.update(f"{name}/{path.relative_to(ROOT / folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def install(layer: Layer, runtime: str, target: Path) -> None:
    """Unpack the locked wheels for Lambda's platform into a folder; no source distribution is ever run."""
    command = [find_uv(), "pip", "install", "--quiet", "--target", str(target), "--require-hashes", "--no-deps"]
    command += ["--python-version", runtime.removeprefix("python"), "--python-platform", PLATFORM]
    command += ["--only-binary", ":all:", "--no-compile-bytecode", "--link-mode", "copy", "-r", str(layer.lock)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, check=True, env=environment, cwd=ROOT)


def clean(layer: Layer, target: Path) -> None:
    """Remove what functions do not use and what differs between two builds."""
    for relative in sorted(layer.left_out):
        shutil.rmtree(target / relative, ignore_errors=True)
    for path in sorted(target.rglob("*"), key=lambda found: len(found.parts), reverse=True):
        relative = path.relative_to(target).as_posix()
        if path.is_dir():
            unwanted = path.name in UNWANTED_FOLDERS and relative not in NEEDED_FOLDERS
            if unwanted or not any(path.iterdir()):
                shutil.rmtree(path)
        elif path.name in INSTALLER_FILES or path.suffix in UNWANTED_SUFFIXES:
            path.unlink()


def copy_sources(layer: Layer, target: Path) -> None:
    """Copy this repository's packages into the layer."""
    for folder, name in layer.sources:
        for path in source_files(ROOT / folder):
            destination = target / name / path.relative_to(ROOT / folder)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, destination)


def settle(target: Path) -> None:
    """The same mode and time for every file: archives of equal layers are equal."""
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def build(layer: Layer, runtime: str, output: Path) -> tuple[Path, bool]:
    """Build one layer unless its inputs are unchanged; answers its folder and whether it was built.

    The new layer is made beside the old one and moved into place, so that an interrupted build leaves no half layer.
    """
    folder = output / runtime / layer.name
    stamp_file = output / runtime / f"{layer.name}.stamp"
    wanted = stamp(layer, runtime)
    if folder.is_dir() and stamp_file.is_file() and stamp_file.read_text() == wanted:
        for bytecode in list(folder.rglob("__pycache__")):
            shutil.rmtree(bytecode)  # an interpreter that used the folder left it; it would change the archive
        return folder, False
    fresh = output / runtime / f".{layer.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    target = fresh / "python"
    target.mkdir(parents=True)
    install(layer, runtime, target)
    clean(layer, target)
    copy_sources(layer, target)
    settle(fresh)
    stamp_file.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    stamp_file.write_text(wanted)
    return folder, True


def size_bytes(folder: Path) -> int:
    """Unzipped size."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def too_large(sizes: dict[str, int]) -> list[str]:
    """Sentences about sets of layers that no function could load."""
    problems: list[str] = []
    for names in TOGETHER:
        total = sum(sizes.get(name, 0) for name in names)
        if total > LAMBDA_UNZIPPED_LIMIT_BYTES:
            problems.append(f"{' + '.join(names)} has {total / MEBIBYTE:.0f} MiB, Lambda loads at most 250 MiB")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Status 1 when a set of layers is larger than Lambda loads."""
    parser = argparse.ArgumentParser(prog="python -m tools.layers", description=__doc__)
    parser.add_argument("--runtime", required=True, choices=RUNTIMES)
    parser.add_argument("--only", action="append", choices=[layer.name for layer in LAYERS])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "layers")
    options = parser.parse_args(arguments)
    sizes: dict[str, int] = {}
    for layer in LAYERS:
        folder = options.output / options.runtime / layer.name
        if not options.only or layer.name in options.only:
            folder, built = build(layer, options.runtime, options.output)
            state = "built" if built else "unchanged"
            sys.stdout.write(f"{layer.name:<11} {size_bytes(folder) / MEBIBYTE:7.1f} MiB  {state}\n")
        if folder.is_dir():
            sizes[layer.name] = size_bytes(folder)
    problems = too_large(sizes)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
