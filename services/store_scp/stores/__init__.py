"""Where received instances are kept: one interface, two stores."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from services.store_scp.spool import Body


class StoreError(Exception):
    """The store could not take the object; nothing may be acknowledged. The text names no identifier."""


class Outcome(Enum):
    """What became of a put.

    STORED: the object is durable, its checksum compared by whoever keeps it.
    IDENTICAL: it was there already, byte for byte.
    CONFLICT: another content is kept under the key, and the caller did not ask to replace it.
    """

    STORED = "stored"
    IDENTICAL = "identical"
    CONFLICT = "conflict"


class Mode(Enum):
    """What a key that is taken already means.

    ADDRESSED: the key says the content, so what is there is identical; nothing needs to be read to know it.
    NEW: what is there is compared; another content is a conflict.
    REPLACE: what is there goes.
    """

    ADDRESSED = "addressed"
    NEW = "new"
    REPLACE = "replace"


class Store(Protocol):
    """Keeps whole objects by key; a put either happens entirely or not at all."""

    def put(self, key: str, body: Body, mode: Mode) -> Outcome:
        """Keep the body under the key. Raises StoreError when that is not certain."""
        ...

    def holds(self, prefix: str) -> bool:
        """Whether an object is kept whose key begins with the prefix. Raises StoreError when it cannot say."""
        ...

    def check(self) -> None:
        """Raises StoreError when the store is not reachable or not writable."""
        ...


def joined(chunks: Iterable[memoryview]) -> bytes:
    """The chunks as one value; for small bodies and parts only."""
    return b"".join(chunks)
