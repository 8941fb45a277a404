"""Writes the OpenAPI document: ``python -m api.openapi`` -> api/openapi.json (a test checks that it is current)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from api.app import create_app
from api.ports import Ports

FILE = Path(__file__).parent / "openapi.json"


def text() -> str:
    """The document, with sorted keys."""
    app = create_app(cast("Ports", None))  # describing the routes touches no port
    document: dict[str, Any] = app.openapi()
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
