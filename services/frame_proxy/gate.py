"""Bounds on what is under way: calls to HealthImaging, and requests of one person."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from services.frame_proxy.errors import ProxyError


class UpstreamGate:
    """So many calls at once, so many in the queue; closed for as long as upstream asks for it."""

    def __init__(self, concurrency: int, queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._queue = queue
        self._clock = clock
        self._closed_until = float("-inf")
        self.waiting = 0
        self.running = 0

    def close_for(self, seconds: float) -> None:
        """Upstream throttles: let no call through for so long."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """One call's place.

        Raises:
            ProxyError: 429 while upstream throttles, 503 when the queue is full.
        """
        self._check_open()
        if self.waiting >= self._queue and self._places.locked():
            raise ProxyError(503, "BUSY", "too many requests are waiting", retry_after=1)
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            self._check_open()
            yield
        finally:
            self.running -= 1
            self._places.release()

    def _check_open(self) -> None:
        left = self._closed_until - self._clock()
        if left > 0:
            seconds = max(1, math.ceil(left))
            raise ProxyError(429, "UPSTREAM_THROTTLED", "the image store asks to wait", retry_after=seconds)


class PersonGate:
    """So many requests of one person at once, so that one browser cannot take everybody's place."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._running: Counter[str] = Counter()

    @contextmanager
    def place(self, person: str) -> Generator[None]:
        """One request's place. Raises ProxyError 429."""
        if self._running[person] >= self._concurrency:
            raise ProxyError(429, "TOO_MANY_AT_ONCE", "too many of your requests are under way", retry_after=1)
        self._running[person] += 1
        try:
            yield
        finally:
            self._running[person] -= 1
            if not self._running[person]:
                del self._running[person]
