"""A generated copy of the project file and the stack files, so that running a stack never edits a tracked file.

The CLI writes each stack's encryption salt into its stack file; here that happens to the copy. `main` in the copied
project file points back at the checkout: program, components and archives are the tracked ones.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from local.engine.paths import ROOT

_OWN_KEYS = ("encryptionsalt", "secretsprovider", "encryptedkey")  # what the CLI adds to a stack file


def write_project(folder: Path, source: Path = ROOT, program: Path | None = None) -> Path:
    """Copy Pulumi.yaml and Pulumi.*.yaml of `source` into `folder`; returns the folder to run `pulumi` in.

    `program` is the folder of another `__main__.py` to run on the same settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    project = yaml.safe_load((source / "Pulumi.yaml").read_text())
    project["main"] = os.path.relpath(program or source / project.get("main", "."), folder)
    project["runtime"] = "python"  # the stand-in host runs the interpreter it was started with
    project.pop("backend", None)
    _write(folder / "Pulumi.yaml", project)
    for path in sorted(source.glob("Pulumi.*.yaml")):
        target = folder / path.name
        before = yaml.safe_load(target.read_text()) if target.exists() else {}
        stack = {k: v for k, v in (yaml.safe_load(path.read_text()) or {}).items() if k not in _OWN_KEYS}
        _write(target, stack | {k: v for k, v in (before or {}).items() if k in _OWN_KEYS and k == "encryptionsalt"})
    return folder


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
