"""A cache bounded by bytes, shared by everybody: it holds what was read, never who may read it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedCache(Generic[K, V]):
    """Least recently used goes first; one load per key at a time, whoever asks meanwhile waits for it.

    Attributes:
        bytes: what the values held weigh.
        hits, misses, evictions: since the start.
    """

    def __init__(self, limit_bytes: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit_bytes
        self._weigh = weigh
        self._held: OrderedDict[K, V] = OrderedDict()
        self._loading: dict[K, asyncio.Future[V]] = {}
        self.bytes = 0
        self.hits = self.misses = self.evictions = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        """A value that is held."""
        found = self._held.get(key)
        if found is None:
            return None
        self.hits += 1
        self._held.move_to_end(key)
        return found

    async def load(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The value held, else the one that `make` brings; an error of `make` reaches all who wait and is not kept.

        Whoever gives up waiting does not stop the load for the others.
        """
        found = self.get(key)
        if found is not None:
            return found
        loading = self._loading.get(key)
        if loading is None:
            self.misses += 1
            loading = asyncio.ensure_future(self._make(key, make))
            self._loading[key] = loading
            loading.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(loading)

    def _ended(self, key: K, done: asyncio.Future[V]) -> None:
        self._loading.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, for the case that nobody waits any more

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        value = await make()
        self._keep(key, value)
        return value

    def _keep(self, key: K, value: V) -> None:
        weight = self._weigh(value)
        if weight > self._limit:
            return
        self._held[key] = value
        self.bytes += weight
        while self.bytes > self._limit:
            _, oldest = self._held.popitem(last=False)
            self.bytes -= self._weigh(oldest)
            self.evictions += 1
