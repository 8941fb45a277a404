"""The bytes of one instance while it arrives: hashed as they come, in memory up to a size, then in a nameless file.

What all associations of a process hold together is bounded by two budgets, so that no number of peers, however
hostile, makes the process grow: an instance for which there is no room is refused and its bytes are let go.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Final, Self

CHUNK_BYTES: Final = 1 << 20


class NoRoomError(Exception):
    """There is no room for the bytes now: the peer may send the instance again later (PS3.4 B.2.3, A7xx)."""


class TooLargeError(NoRoomError):
    """The instance is larger than the receiver takes at all."""


class Budget:
    """A number of bytes that several threads share. `reserve` never waits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes reserved now."""
        return self._used

    def reserve(self, count: int) -> bool:
        """Take `count` bytes of the budget; False when there is not that much left."""
        with self._lock:
            if self._used + count > self.limit:
                return False
            self._used += count
            return True

    def release(self, count: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._used -= count


class Room:
    """The memory and disk that bodies of one process may take.

    Attributes:
        threshold: bytes of one instance that stay in memory.
        largest: bytes of one instance that are taken at all.
        folder: where larger instances wait, in files that have no name and so vanish with the process.
    """

    def __init__(self, *, memory: int, disk: int, threshold: int, largest: int, folder: str | None = None) -> None:
        self.memory = Budget(memory)
        self.disk = Budget(disk)
        self.threshold = threshold
        self.largest = largest
        self.folder = folder


class Body:
    """One object being received. Use as a context manager: leaving it gives all room back."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._reserved_memory = 0
        self._reserved_disk = 0
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises NoRoomError, after which nothing is held any more."""
        try:
            self._append(data)
        except NoRoomError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise NoRoomError("the spool folder cannot take the instance") from error

    def _append(self, data: bytes | memoryview) -> None:
        count = len(data)
        if self.size + count > self._room.largest:
            raise TooLargeError(f"the instance is larger than {self._room.largest} bytes")
        if self._file is None and not self._fits_memory(count):
            self._spill()
        if self._file is None:
            self._memory += data
        else:
            self._reserve_disk(count)
            self._file.write(data)
        self._digest.update(data)
        self.size += count

    def _fits_memory(self, count: int) -> bool:
        if self.size + count > self._room.threshold or not self._room.memory.reserve(count):
            return False
        self._reserved_memory += count
        return True

    def _reserve_disk(self, count: int) -> None:
        if not self._room.disk.reserve(count):
            raise NoRoomError("the receiver holds as many bytes as it may")
        self._reserved_disk += count

    def _spill(self) -> None:
        self._reserve_disk(self.size)
        self._file = tempfile.TemporaryFile(dir=self._room.folder)  # noqa: SIM115  (closed by `close`)
        self._file.write(self._memory)
        self._release_memory()

    def _release_memory(self) -> None:
        self._memory = bytearray()
        self._room.memory.release(self._reserved_memory)
        self._reserved_memory = 0

    def close(self) -> None:
        """Let the bytes go and give the room back; safe to repeat."""
        self._release_memory()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._room.disk.release(self._reserved_disk)
        self._reserved_disk = 0

    @property
    def sha256(self) -> bytes:
        """Digest of everything written so far, 32 bytes."""
        return self._digest.digest()

    @property
    def sha256_base64(self) -> str:
        """The digest as S3 takes it."""
        return base64.b64encode(self.sha256).decode()

    @property
    def in_memory(self) -> memoryview | None:
        """The whole body where it is in memory, else None."""
        return memoryview(self._memory) if self._file is None else None

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[memoryview]:
        """The body from its beginning in pieces of `size` bytes, the last one shorter."""
        if self._file is None:
            view = memoryview(self._memory)
            yield from (view[start : start + size] for start in range(0, len(view), size))
            return
        self._file.flush()
        position = 0
        while piece := os.pread(self._file.fileno(), size, position):
            position += len(piece)
            yield memoryview(piece)
