"""Runs the project's own `__main__.py` inside a mutant program."""

import os
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run_real_program() -> None:
    """As the engine would: in the checkout's folder, so that relative archives are found."""
    os.chdir(ROOT)
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
