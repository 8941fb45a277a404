"""The store: one JSON file per record, replaced atomically, so that a killed process loses nothing it has answered."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class StoreClosed(BaseException):
    """The process is ending: work in progress must leave its records as they are (like KeyboardInterrupt)."""


class Store:
    """Records by kind and key. Everything given out is a copy; `lock` makes read-decide-write sequences safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: dict[str, dict[str, Record]] = {}
        self._order: dict[tuple[str, str], int] = {}
        self._closed = False
        self.lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        found = [(path.parent.name, json.loads(path.read_text())) for path in folder.glob("*/*.json")]
        for kind, content in sorted(found, key=lambda item: item[1]["order"]):
            self._records.setdefault(kind, {})[content["key"]] = content["record"]
            self._order[kind, content["key"]] = content["order"]
        self._next = 1 + max(self._order.values(), default=0)

    def put(self, kind: str, key: str, record: Mapping[str, Any]) -> Record:
        """Create or replace one record and write it to disk before returning."""
        path = self._path(kind, key)
        with self.lock:
            if self._closed:
                raise StoreClosed
            if (kind, key) not in self._order:
                self._order[kind, key], self._next = self._next, self._next + 1
            text = json.dumps({"key": key, "order": self._order[kind, key], "record": record})
            path.parent.mkdir(exist_ok=True)
            scratch = path.with_suffix(".tmp")
            scratch.write_text(text)
            os.replace(scratch, path)  # noqa: PTH105 - the one call that is atomic over an existing file everywhere
            self._records.setdefault(kind, {})[key] = json.loads(text)["record"]
        return self.require(kind, key)

    def get(self, kind: str, key: str) -> Record | None:
        """A copy of the record, or None."""
        with self.lock:
            record = self._records.get(kind, {}).get(key)
            return copy.deepcopy(record)

    def require(self, kind: str, key: str) -> Record:
        """A copy of a record that must exist. Raises KeyError."""
        record = self.get(kind, key)
        if record is None:
            raise KeyError(f"{kind} {key}")
        return record

    def update(self, kind: str, key: str, **changes: Any) -> Record:
        """Change some members; a member set to None is removed."""
        with self.lock:
            record = self.require(kind, key) | changes
            return self.put(kind, key, {name: value for name, value in record.items() if value is not None})

    def delete(self, kind: str, key: str) -> None:
        """Forget a record; one that does not exist is no error."""
        with self.lock:
            self._records.get(kind, {}).pop(key, None)
            self._order.pop((kind, key), None)
            self._path(kind, key).unlink(missing_ok=True)

    def all(self, kind: str) -> list[Record]:
        """Copies of all records of a kind, in order of creation."""
        with self.lock:
            return copy.deepcopy(list(self._records.get(kind, {}).values()))

    def close(self) -> None:
        """Write nothing more. What was running is found as running by the next start, which settles it."""
        with self.lock:
            self._closed = True

    def _path(self, kind: str, key: str) -> Path:
        return self._folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"
