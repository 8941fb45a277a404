"""A plain folder as the store: each object written beside its place, made durable, then linked into it.

A reader sees a whole object or none. After `put` the bytes, the name and the folders on the way are on the disk, so an
acknowledgement survives a power cut as far as the disk itself keeps its word; `durability` says with which syncs. That
holds as well for an object that another association has put a moment ago, and for what `holds` answers.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.store_scp.spool import CHUNK_BYTES, Body
from services.store_scp.stores import Mode, Outcome, StoreError
from services.store_scp.stores.durability import sync_folder, write_out_for

WRITE_BYTES: Final = 16 << 10
"""Larger writes make the kernel look for large folios, which cost it three times as much where memory is fragmented
(measured on ext4: 0.25 ms for 527 KB in such pieces, 0.2 to 1.7 ms in one)."""
INCOMING: Final = ".incoming"
ABANDONED_SECONDS: Final = 86_400
"""Age from which a file beside its place belongs to a process that was killed: no instance takes a day to write."""
_FILE_MODE: Final = 0o640
_FOLDER_MODE: Final = 0o750


class FolderStore:
    """Objects as files below `root`; keys are relative paths made of safe characters by `naming`."""

    def __init__(self, root: Path, *, fsync: bool = True, reserve_bytes: int = 0) -> None:
        self._root = root
        self._fsync = fsync
        self._reserve = reserve_bytes
        self._known: set[Path] = set()
        incoming = root / INCOMING
        incoming.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._incoming = incoming
        self._write_out = write_out_for(incoming)
        self._clear_abandoned()

    def _clear_abandoned(self) -> None:
        """Other processes write here now, so only what is old goes."""
        oldest = time.time() - ABANDONED_SECONDS
        for scratch in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # another worker starts as well
                if scratch.stat().st_mtime < oldest:
                    scratch.unlink()

    def put(self, key: str, body: Body, mode: Mode) -> Outcome:
        """See `Store.put`."""
        place = self._root / key
        scratch = self._incoming / uuid.uuid4().hex
        try:
            self._room_for(body.size)
            self._make_folder(place.parent)
            try:
                self._write(scratch, body)
                return self._publish(scratch, place, body, mode)
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder could not take the object ({errno.errorcode.get(error.errno or 0, 'I/O')})"
            ) from None

    def _room_for(self, count: int) -> None:
        if self._reserve:
            state = os.statvfs(self._root)
            if state.f_bavail * state.f_frsize < self._reserve + count:
                raise OSError(errno.ENOSPC, "the disk is nearly full")

    def _make_folder(self, folder: Path) -> None:
        if folder in self._known:
            return
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        for parent in (folder, *folder.relative_to(self._root).parents):
            self._sync_folder(self._root / parent)
        self._known.add(folder)
        if len(self._known) > 10_000:
            self._known = {folder}

    def _write(self, scratch: Path, body: Body) -> None:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            for chunk in body.chunks():
                written = 0
                while written < len(chunk):
                    written += os.write(descriptor, chunk[written : written + WRITE_BYTES])
            if self._fsync:
                self._write_out(descriptor)
        finally:
            os.close(descriptor)

    def _publish(self, scratch: Path, place: Path, body: Body, mode: Mode) -> Outcome:
        if mode is Mode.REPLACE:
            scratch.replace(place)
        else:
            try:
                os.link(scratch, place)  # fails where a rename would silently replace
            except FileExistsError:
                if _digest(place) == body.sha256:
                    self._sync_folder(place.parent)  # whoever put it may still be waiting for this
                    return Outcome.IDENTICAL
                if mode is Mode.NEW:
                    return Outcome.CONFLICT
                scratch.replace(place)  # the name says this content: what was there is damaged
        self._sync_folder(place.parent)
        return Outcome.STORED

    def _sync_folder(self, folder: Path) -> None:
        if self._fsync:
            sync_folder(folder)

    def holds(self, prefix: str) -> bool:
        """See `Store.holds`."""
        folder, _, start = prefix.rpartition("/")
        try:
            with os.scandir(self._root / folder) as entries:
                found = any(entry.name.startswith(start) for entry in entries)
            if found:
                self._sync_folder(self._root / folder)  # a name is visible a moment before it is durable
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError("the folder could not be read") from error
        return found

    def check(self) -> None:
        """See `Store.check`: a file is made and taken away."""
        scratch = self._incoming / uuid.uuid4().hex
        try:
            self._room_for(0)
            scratch.touch(mode=_FILE_MODE)
            scratch.unlink()
        except OSError as error:
            raise StoreError("the folder is not writable") from error


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.digest()
