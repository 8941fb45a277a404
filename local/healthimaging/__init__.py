"""HealthImaging stand-in: the `medical-imaging` API (2023-07-19) as boto3 calls it, for the embedded AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def install(app: Any, router: Any, state_dir: Path) -> Any:
    """Register the service with ministack."""
    state_dir.mkdir(parents=True, exist_ok=True)
    return object()
