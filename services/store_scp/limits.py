"""Rates and counts a peer may use, shared by the associations of one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class Rate:
    """A token bucket: `per_second` on average, one second's worth at once, never less than one."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._tokens = self._capacity = max(1.0, per_second)
        self._seen = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one; the answer is how many seconds to wait before going on, 0 when it was there."""
        with self._lock:
            self._refill()
            self._tokens -= 1.0
            return 0.0 if self._tokens >= 0 else -self._tokens / self._per_second

    def try_take(self) -> bool:
        """Take one if it is there."""
        with self._lock:
            self._refill()
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._seen) * self._per_second)
        self._seen = now


class AddressRates:
    """A rate for each address that calls; only the last few thousand are remembered, so strangers cost no memory."""

    REMEMBERED = 4096

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._rates: OrderedDict[str, Rate] = OrderedDict()
        self._lock = threading.Lock()

    def allow(self, address: str) -> bool:
        """Whether this address may open another association now."""
        with self._lock:
            rate = self._rates.pop(address, None) or Rate(self._per_second)
            self._rates[address] = rate
            if len(self._rates) > self.REMEMBERED:
                self._rates.popitem(last=False)
        return rate.try_take()


class Places:
    """Counts what is in use under a name, up to a limit."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, name: str, limit: int) -> bool:
        """Take a place; False when all are taken."""
        with self._lock:
            if self._used.get(name, 0) >= limit:
                return False
            self._used[name] = self._used.get(name, 0) + 1
            return True

    def give_back(self, name: str) -> None:
        """Give the place back."""
        with self._lock:
            left = self._used.get(name, 0) - 1
            if left > 0:
                self._used[name] = left
            else:
                self._used.pop(name, None)

    def used(self, name: str) -> int:
        """Places in use."""
        return self._used.get(name, 0)
