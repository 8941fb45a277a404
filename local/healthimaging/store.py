"""What the service remembers: one SQLite file and one file per image frame, written before an answer is given."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.healthimaging.ports import Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL, id TEXT NOT NULL, parent TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS documents_by_parent ON documents (kind, parent);
CREATE TABLE IF NOT EXISTS versions (
  image_set TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, metadata BLOB NOT NULL,
  PRIMARY KEY (image_set, version));
CREATE TABLE IF NOT EXISTS frames (
  id TEXT PRIMARY KEY, image_set TEXT NOT NULL, data_store TEXT NOT NULL, content_type TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS frames_by_image_set ON frames (image_set);
"""


def new_id() -> str:
    """An identifier as the service makes them: 32 characters of [0-9a-z]."""
    return secrets.token_hex(16)


class Store:
    """Documents by kind and id, image-set versions with their metadata, frames. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._frames = folder / "frames"
        self._connection = sqlite3.connect(folder / "state.sqlite", check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._depth = 0
        # WAL with NORMAL: a committed transaction survives the end of the process, which is what is promised here.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also for other threads; may be nested."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    # documents -------------------------------------------------------------------------------------------------

    def put(self, kind: str, identifier: str, body: Document, parent: str = "") -> None:
        """Write one document."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", (kind, identifier, parent, json.dumps(body))
            )

    def get(self, kind: str, identifier: str) -> Document | None:
        """Read one document."""
        with self._lock:
            row = self._connection.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, identifier)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def all(self, kind: str, parent: str | None = None) -> list[Document]:
        """All documents of a kind, of one parent if given, in the order of their ids."""
        question, values = "SELECT body FROM documents WHERE kind = ?", [kind]
        if parent is not None:
            question, values = f"{question} AND parent = ?", [kind, parent]
        with self._lock:
            rows = self._connection.execute(f"{question} ORDER BY id", values).fetchall()
        return [json.loads(row[0]) for row in rows]

    def remove(self, kind: str, identifier: str) -> None:
        """Forget one document."""
        with self._lock:
            self._connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identifier))

    # image-set versions ----------------------------------------------------------------------------------------

    def put_version(self, image_set: str, version: int, body: Document, metadata: bytes) -> None:
        """Write one version of an image set; `metadata` is gzip JSON."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?)", (image_set, version, json.dumps(body), metadata)
            )

    def version(self, image_set: str, version: int) -> Document | None:
        """The properties of one version."""
        with self._lock:
            row = self._connection.execute(
                "SELECT body FROM versions WHERE image_set = ? AND version = ?", (image_set, version)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def versions(self, image_set: str) -> list[Document]:
        """The properties of all versions, newest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM versions WHERE image_set = ? ORDER BY version DESC", (image_set,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def metadata(self, image_set: str, version: int) -> bytes | None:
        """The gzip JSON of one version."""
        with self._lock:
            row = self._connection.execute(
                "SELECT metadata FROM versions WHERE image_set = ? AND version = ?", (image_set, version)
            ).fetchone()
        return None if row is None else row[0]

    # frames ----------------------------------------------------------------------------------------------------

    def write_frame(self, data_store: str, frame: str, data: bytes) -> None:
        """Write a frame's bytes; it exists for callers once `add_frame` has named its image set."""
        path = self._frame_path(data_store, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(data)
        fresh.replace(path)

    def add_frame(self, data_store: str, image_set: str, frame: str, content_type: str) -> None:
        """Make a written frame part of an image set."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?)", (frame, image_set, data_store, content_type)
            )

    def frame(self, data_store: str, image_set: str, frame: str) -> tuple[bytes, str] | None:
        """(bytes, content type) of a frame of that image set, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT content_type FROM frames WHERE id = ? AND image_set = ? AND data_store = ?",
                (frame, image_set, data_store),
            ).fetchone()
        return None if row is None else (self._frame_path(data_store, frame).read_bytes(), row[0])

    def remove_image_set(self, data_store: str, image_set: str) -> None:
        """Forget an image set with all versions and frames."""
        with self.transaction():
            rows = self._connection.execute("SELECT id FROM frames WHERE image_set = ?", (image_set,)).fetchall()
            self._connection.execute("DELETE FROM frames WHERE image_set = ?", (image_set,))
            self._connection.execute("DELETE FROM versions WHERE image_set = ?", (image_set,))
            self.remove("image-set", image_set)
        for (frame,) in rows:
            self._frame_path(data_store, frame).unlink(missing_ok=True)

    def remove_frames_of(self, data_store: str) -> None:
        """Drop what is left of a deleted data store on disk."""
        shutil.rmtree(self._frames / data_store, ignore_errors=True)

    def _frame_path(self, data_store: str, frame: str) -> Path:
        return self._frames / data_store / frame[:2] / frame
