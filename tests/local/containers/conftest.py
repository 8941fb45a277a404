"""What an image holds, without a Docker engine: its lock's packages in a clean environment, and what it copies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Image:
    """One image: its /app, its Python, its ENTRYPOINT with that Python."""

    app: Path
    python: Path
    entry: list[str]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """`image(name)` lays out what containers/<name>/Dockerfile would."""

    def lay_out(name: str) -> Image:
        text = re.sub(r"\\\n", " ", (ROOT / "containers" / name / "Dockerfile").read_text())
        folder = tmp_path_factory.mktemp(name)
        for sources, target in re.findall(r"^COPY (?!--from)(\S+) (\./\S*)$", text, re.MULTILINE):
            if sources.startswith("requirements/"):
                continue
            source, place = ROOT / sources, folder / "app" / target
            place = place / source.name if target.endswith("/") and source.is_file() else place
            place.parent.mkdir(parents=True, exist_ok=True)
            _ = shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
        python = folder / "venv" / "bin" / "python"
        uv = shutil.which("uv") or str(ROOT / ".venvs" / "uv" / "bin" / "uv")
        made = [uv, "venv", "-q", "--no-python-downloads", "--python", sys.executable, str(python.parents[1])]
        subprocess.run(made, check=True)
        lock = re.findall(r"^COPY (requirements/\S+\.lock)", text, re.MULTILINE)[0]
        install = [uv, "pip", "install", "-q", "--python", str(python), "--only-binary", ":all:", "--require-hashes"]
        subprocess.run([*install, "-r", str(ROOT / lock)], check=True)
        entry: list[str] = json.loads(re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)[0])
        return Image(folder / "app", python, [str(python), *entry[1:]])

    return lay_out
