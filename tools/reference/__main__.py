"""Write docs/reference and its picture: `python -m tools.reference`, or `make reference`. A test holds it current."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tools.reference import alarms, events, picture, resources, rights
from tools.reference.programs import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES = {
    "RESOURCES.md": resources.document,
    "IAM.md": rights.document,
    "ALARMS.md": alarms.document,
    "EVENTS.md": events.document,
    "../pictures/components.svg": picture.document,
}


def generated() -> Mapping[Path, str]:
    """Every page and what it must hold."""
    return {FOLDER / name: write() for name, write in PAGES.items()}


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated().items():
        path.write_text(text)
        sys.stdout.write(f"written: {path.resolve().relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
