"""Uploads that survive a kill: small files in one request, large ones in parts, and a journal of what has arrived.

The journal names a file by its path, size and time of change, so a file that was changed is sent anew. It is written
to another file and renamed, after every step: what it says has happened has happened.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.client import Client, DeliveryError

PARTS_FROM_BYTES = 64 * 1024**2
PLACES_AT_ONCE = 20
Advance = Callable[[int], None]


class Journal:
    """What was sent, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key: str) -> dict[str, Any]:
        """The entry of a file; empty when it was never begun."""
        return self._entries.get(key, {})

    def put(self, key: str, entry: dict[str, Any]) -> None:
        """Keep an entry for good."""
        self._entries[key] = entry
        fresh = self._path.with_suffix(".tmp")
        fresh.write_text(json.dumps(self._entries, indent=1, sort_keys=True))
        fresh.replace(self._path)


@dataclass(frozen=True)
class Sender:
    """Uploads of files through a client; `advance` hears of bytes that are safe."""

    client: Client
    journal: Journal
    advance: Advance
    parts_from: int = PARTS_FROM_BYTES

    def send(self, path: Path) -> str:
        """Upload one file; answers its opaque id. A file that the journal has as done is not sent again."""
        status = path.stat()
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        entry = self.journal.get(key)
        if entry.get("done"):
            self.advance(status.st_size)
            return str(entry["upload_id"])
        upload_id = self._whole(path) if status.st_size < self.parts_from else self._in_parts(path, key, entry)
        self.journal.put(key, {"upload_id": upload_id, "done": True})
        return upload_id

    def _whole(self, path: Path) -> str:
        (place,) = self.client.post("/uploads", {"count": 1})["uploads"]
        content = path.read_bytes()
        self.client.put(place["url"], content, place.get("headers") or {})
        self.advance(len(content))
        return str(place["upload_id"])

    def _in_parts(self, path: Path, key: str, entry: dict[str, Any]) -> str:
        size = path.stat().st_size
        if not entry:
            entry = self.client.post("/transfers", {"size_bytes": size})
            self.journal.put(key, entry)
        base, ids = f"/transfers/{entry['upload_id']}", {"transfer_id": entry["transfer_id"]}
        arrived = {part["number"] for part in self._arrived(base, ids)}
        length = entry["part_bytes"]
        self.advance(sum(min(length, size - (number - 1) * length) for number in arrived))
        missing = [number for number in range(1, entry["part_count"] + 1) if number not in arrived]
        for numbers in _groups(missing, PLACES_AT_ONCE):
            self._send_parts(path, base, ids, length, numbers)
        self.client.post(f"{base}/completion", {**ids, "size_bytes": size})
        return str(entry["upload_id"])

    def _arrived(self, base: str, ids: dict[str, str]) -> list[dict[str, Any]]:
        try:
            return list(self.client.post(f"{base}/progress", ids)["parts"])
        except DeliveryError as error:
            if "UNKNOWN_TRANSFER" in str(error):
                return []  # completed before the journal was written, or expired: completion tells
            raise

    def _send_parts(self, path: Path, base: str, ids: dict[str, str], length: int, numbers: list[int]) -> None:
        with path.open("rb") as source:
            digests = {number: _md5(_part(source, number, length)) for number in numbers}
            wanted = [{"number": number, "md5": digest} for number, digest in digests.items()]
            for place in self.client.post(f"{base}/parts", {**ids, "parts": wanted})["parts"]:
                content = _part(source, place["number"], length)
                self.client.put(place["url"], content, place["headers"])
                self.advance(len(content))


def _part(source: Any, number: int, length: int) -> bytes:
    source.seek((number - 1) * length)
    content: bytes = source.read(length)
    return content


def _md5(content: bytes) -> str:
    """As Content-MD5 wants it (RFC 1864): S3 refuses a part that changed on the way."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _groups(numbers: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]
