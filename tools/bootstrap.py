"""Make every environment of a fresh checkout: `python3 tools/bootstrap.py [project aws lambda train layers cli]`.

Standard library only, since it runs before anything is installed. Each environment is made from its lock file (hashes,
no index addresses) and is left alone while that file is unchanged, so running it again costs nothing. uv comes from
PATH, else from PyPI into a folder of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV_VERSION = "0.13.9"
ENVIRONMENTS = {
    "project": (ROOT / ".venv", "dev.lock", "Pulumi, the libraries of the program, tests (about 1.1 GB)"),
    "aws": (ROOT / ".venvs" / "aws", "aws.lock", "the embedded AWS"),
    "lambda": (ROOT / ".venvs" / "lambda", "lambda.lock", "what AWS gives a Python Lambda: boto3 only"),
    "train": (
        ROOT / ".venvs" / "train",
        "train.lock",
        "TensorFlow, as the SageMaker containers have it (about 1.5 GB)",
    ),
}
OPTIONAL_ENVIRONMENTS = {
    "check": (ROOT / ".venvs" / "check", "check.lock", "linters of policies, state machines and plans (about 0.3 GB)"),
    "pixels": (ROOT / ".venvs" / "pixels", "pixels.lock", "the engines that find text in pixels (about 0.5 GB)"),
    "bench-deid": (ROOT / ".venvs" / "bench-deid", "bench-deid.lock", "other de-identifiers, to compare with"),
    "scan": (ROOT / ".venvs" / "scan", "scan.lock", "scanners of workflows, dependencies and secrets (about 0.1 GB)"),
    "site": (ROOT / ".venvs" / "site", "site.lock", "what makes the documents a site"),
    "fuzz": (ROOT / ".venvs" / "fuzz", "fuzz.lock", "coverage-guided fuzzing"),
}
"""Made only when named: no other command needs them."""
PARTS = [*ENVIRONMENTS, "layers", "cli"]


class SetupError(Exception):
    """Setting up failed; the message says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the environments of this checkout (safe to repeat).")
    known = [*PARTS, *OPTIONAL_ENVIRONMENTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(known)}")
    parser.add_argument("--layer-runtimes", default="python3.11", help="comma-separated Lambda runtimes to build for")
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in known]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(known)}")
    if sys.version_info < (3, 11):  # noqa: UP036  (the very machine that has an older one needs the sentence)
        sys.stderr.write(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.\n")
        return 1
    wanted = args.parts or PARTS
    try:
        uv = find_uv()
        for name in (n for n in {**ENVIRONMENTS, **OPTIONAL_ENVIRONMENTS} if n in wanted):
            make_environment(uv, name)
        python = str(ENVIRONMENTS["project"][0] / "bin" / "python")
        if "layers" in wanted:
            for runtime in args.layer_runtimes.split(","):
                run([python, "-m", "tools.layers", "--runtime", runtime], uv, "The Lambda layers could not be built.")
        if "cli" in wanted:
            run(
                [python, "-c", "from local.engine import ensure_cli; ensure_cli()"],
                uv,
                "The Pulumi CLI could not be set up.",
            )
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


def find_uv() -> str:
    """uv from PATH, else installed from PyPI into .venvs/uv."""
    on_path = shutil.which("uv")
    if on_path:
        return on_path
    home = ROOT / ".venvs" / "uv"
    binary = home / "bin" / "uv"
    if not binary.exists():
        say("uv", f"installing uv {UV_VERSION} from PyPI")
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run([str(home / "bin" / "pip"), "install", "-q", f"uv=={UV_VERSION}"], check=True)
        except subprocess.CalledProcessError as error:
            raise SetupError(
                "uv could not be installed: is python3-venv there, and does pip reach a package index?"
            ) from error
    return str(binary)


def make_environment(uv: str, name: str) -> None:
    """One virtual environment from its lock file, unless it is there already."""
    folder, lock_name, purpose = {**ENVIRONMENTS, **OPTIONAL_ENVIRONMENTS}[name]
    lock = ROOT / "requirements" / lock_name
    stamp = folder / ".made-from"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say(name, f"{purpose} ...")
    started = time.monotonic()
    failed = f"the environment {name!r} could not be made from requirements/{lock_name}."
    # never a Python that uv downloads: the one that runs this file is the one that was chosen
    base = getattr(sys, "_base_executable", sys.executable)
    run([uv, "venv", "-q", "--clear", "--no-python-downloads", "--python", base, str(folder)], uv, failed)
    python = str(folder / "bin" / "python")
    run([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(lock)], uv, failed)
    stamp.write_text(digest)
    say(name, f"done in {time.monotonic() - started:.0f} s")


def run(command: list[str], uv: str, failed: str) -> None:
    """Run a step in the checkout with uv reachable; SetupError with its last words if it fails."""
    path = os.pathsep.join([str(Path(uv).parent), os.environ["PATH"]])
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise SetupError(f"{failed} Does this machine reach the package registries, and has its disk 6 GB free?")


def say(part: str, text: str) -> None:
    sys.stdout.write(f"[setup {part}] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
