"""What of ministack's memory goes into a snapshot, and how it is written."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.aws.snapshot import Encode, Generations, Snapshotter, write_generation

BLOB_BYTES = 64 * 1024


class Blobs:
    """Large byte strings (layer archives) in files named by their digest, so that a snapshot need not copy them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> dict[str, str]:
        """Write once; returns the reference that stands for it in JSON."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / digest
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.replace(path)
        return {"__blob__": digest}

    def get(self, reference: dict[str, str]) -> bytes:
        """The content of a reference."""
        return (self._folder / reference["__blob__"]).read_bytes()

    def keep_only(self, folder: Path) -> None:
        """Drop what no file of the state in `folder` refers to; before anything is loaded."""
        text = "".join(path.read_text() for path in folder.glob("*.json"))
        for path in self._folder.glob("*") if self._folder.exists() else ():
            if path.stem not in text:
                path.unlink()


def encoder(persistence: Any, service: str, blobs: Blobs) -> Encode:
    """ministack's own file format for one service, large byte strings by reference."""

    def default(value: Any) -> Any:
        if isinstance(value, bytes | bytearray) and len(value) > BLOB_BYTES:
            return blobs.put(bytes(value))
        return persistence._json_default(value)

    def encode(state: Any) -> str:
        wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
        return json.dumps(wrapped, default=default)

    return encode


def read_references(persistence: Any, blobs: Blobs) -> None:
    """Let ministack's loader follow the references."""
    plain = persistence._json_object_hook
    persistence._json_object_hook = lambda value: blobs.get(value) if "__blob__" in value else plain(value)


def keep_sessions() -> None:
    """Keep role sessions too: a presigned URL signed by a role stays good over a restart, as on AWS."""
    from ministack.services import sts

    def get_state() -> dict[str, Any]:
        return {"sessions": dict(sts._sessions)}

    def load_persisted_state(data: dict[str, Any]) -> None:
        sts._sessions.update(data.get("sessions", {}))

    sts.get_state, sts.load_persisted_state = get_state, load_persisted_state


def refuse_unwritten_objects() -> None:
    """Answer an error when an object could not be written to disk: acknowledged means durable.

    ministack only warns, and keeps the object in memory until the process ends.
    """
    from ministack.services import s3

    persist = s3._persist_object

    def persist_or_fail(bucket: str, key: str, record: Any) -> None:
        persist(bucket, key, record)
        if isinstance(record, dict) and record.get("body") is not None:
            raise OSError("the object could not be written to the state folder")

    s3._persist_object = persist_or_fail


def snapshotter(app: Any, generations: Generations, activity: Callable[[], int]) -> Snapshotter:
    """The snapshotter of this ministack; its own saving on stop is replaced by it."""
    from ministack.core import persistence
    from ministack.services import lambda_svc

    lambda_svc._prune_orphan_code_blobs = lambda _referenced: None  # the old generation may still need them
    blobs = Blobs(generations.base / "blobs")
    for one in (blobs, Blobs(generations.blobs)):
        one.keep_only(generations.link)
    read_references(persistence, blobs)

    def write() -> bool:
        states = app._build_persistence_save_dict()
        encoders = {service: encoder(persistence, service, blobs) for service in states}
        readers = {service: _encoded(read, encoders[service]) for service, read in states.items()}
        return write_generation(generations, readers, lambda text: text)

    app.save_all = lambda _services: None
    return Snapshotter(write, activity)


def _encoded(read: Callable[[], Any], encode: Encode) -> Callable[[], str | None]:
    def text() -> str | None:
        state = read()
        return None if state is None else encode(state)

    return text
