"""The entry of one version in CHANGELOG.md, which follows Keep a Changelog."""

from __future__ import annotations

import re

from gitops.errors import RefusedError


def entry(changelog: str, version: str) -> str:
    """The text under the heading of a version. Raises RefusedError when it has none: nobody releases the untold."""
    found = re.search(
        rf"^## \[?v?{re.escape(version)}\]?(?:[^\S\n][^\n]*)?\n(?P<body>.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if found is None or not found["body"].strip():
        raise RefusedError(f"CHANGELOG.md says nothing about {version}: write its entry first.")
    return found["body"].strip() + "\n"
