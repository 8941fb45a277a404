"""A checker that is written in Go: `python -m tools.go_tool helm` prints where it is.

The one on PATH, else one that is built once from the Go module proxy into the cache, by the Go on PATH or PyPI's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.engine.paths import CACHE
from local.engine.pulumi_cli import find_go

MODULES = {
    "actionlint": ("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12"),
    "helm": ("helm.sh/helm/v3/cmd/helm", "v3.19.0"),
}


def find(name: str) -> Path:
    """The tool. Raises CalledProcessError when it could not be built; Go's words are above."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    package, version = MODULES[name]
    folder = CACHE / "bin" / f"{name}-{version}"
    if not (folder / name).exists():
        sys.stderr.write(f"Building {name} {version} from Go modules: once (helm takes two minutes on two cores) ...\n")
        env = {**os.environ, "GOBIN": str(folder), "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
        subprocess.run([str(find_go()), "install", f"{package}@{version}"], env=env, check=True)
    return folder / name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(MODULES))
    try:
        sys.stdout.write(f"{find(parser.parse_args().name)}\n")
    except subprocess.CalledProcessError:
        sys.stderr.write("go_tool: it could not be built: is a Go module proxy reachable (GOPROXY)?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
