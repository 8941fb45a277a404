"""Writes the JSON Schemas of the events beside the models: ``python -m lambda_shared.events.schemas``."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lambda_shared.events.models import DETAIL_TYPES, Envelope

FOLDER = Path(__file__).parent


def file_name(detail_type: str) -> str:
    """``ImageVerified`` -> ``image-verified.schema.json``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", detail_type).lower() + ".schema.json"


def schemas() -> dict[str, str]:
    """File name -> text of the JSON Schema (draft 2020-12) of each event's Detail."""
    result: dict[str, str] = {}
    for detail_type, model in DETAIL_TYPES.items():
        schema = Envelope[model].model_json_schema()
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": detail_type}
        result[file_name(detail_type)] = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    return result


def main() -> None:
    """Write every schema file."""
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
