"""Downloads that survive a kill: a `.part` file grows by byte ranges and becomes the file when its SHA-256 is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from delivery.client import Client, DeliveryError

AT_ONCE = 50


def fetch_study(client: Client, study_key: str, folder: Path, advance: Callable[[int], None]) -> tuple[int, list[str]]:
    """Fetch every image of a study into the folder; answers how many are there, and the keys of those that are not."""
    study = client.get(f"/studies/{study_key}")
    keys = sorted({image["image_key"] for image in study["images"] if image["status"] in {"VALIDATED", "IMPORTED"}})
    folder.mkdir(parents=True, exist_ok=True)
    fetched, missing = 0, list[str]()
    for start in range(0, len(keys), AT_ONCE):
        answer = client.post(f"/studies/{study_key}/downloads", {"image_keys": keys[start : start + AT_ONCE]})
        missing += answer["missing"]
        for place in answer["downloads"]:
            fetch(client, place, folder / place["file_name"], advance)
            fetched += 1
    return fetched, missing


def fetch(client: Client, place: dict[str, Any], target: Path, advance: Callable[[int], None]) -> None:
    """Fetch one file, going on where an earlier run stopped.

    Raises:
        DeliveryError: the bytes do not have the SHA-256 that was recorded at validation; the partial file is removed.
    """
    if target.exists() and _sha256(target) == place["sha256"]:
        advance(place["size_bytes"])
        return
    partial = target.with_suffix(".part")
    offset = partial.stat().st_size if partial.exists() else 0
    advance(offset)
    if offset < place["size_bytes"]:
        with partial.open("ab") as sink:
            for piece in client.stream(place["url"], offset):
                sink.write(piece)
                advance(len(piece))
    if _sha256(partial) != place["sha256"]:
        partial.unlink()
        raise DeliveryError(f"{target.name} arrived with another SHA-256: fetch it again")
    partial.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
