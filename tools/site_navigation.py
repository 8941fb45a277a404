"""A hook of mkdocs: `FOLDER/` in the navigation stands for every page of the folder; a new one is in at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Called by mkdocs with the configuration that it read."""
    config["nav"] = _expanded(config["nav"], Path(config["docs_dir"]))
    return config


def _expanded(entry: Any, root: Path) -> Any:
    if isinstance(entry, list):
        return [_expanded(one, root) for one in entry]
    if isinstance(entry, dict):
        return {name: _expanded(value, root) for name, value in entry.items()}
    if not str(entry).endswith("/"):
        return entry
    pages = sorted((root / entry).glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
    return [{_title(page): f"{entry}{page.name}"} for page in pages]


def _title(page: Path) -> str:
    """The heading of the page, up to a colon: what a runbook is called."""
    heading = next(line for line in page.read_text().splitlines() if line.startswith("# "))
    return heading.removeprefix("# ").partition(":")[0]
