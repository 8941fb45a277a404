"""Counters of all processes in one piece of shared memory: added to by workers, read by the supervisor alone.

A row belongs to one process, so no lock is shared between processes and a killed worker leaves nothing locked; what
it had counted stays counted. Names and labels are fixed here: nothing that a peer sends becomes a label.
"""

from __future__ import annotations

import json
import mmap
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

COUNTERS: Final = {
    "connections_total": "connections accepted",
    "connections_refused_total": "connections closed at once: too many, or no TLS handshake",
    "associations_total": "associations accepted",
    "associations_rejected_total": "associations rejected: title, address, certificate, rate or number",
    "protocol_errors_total": "PDUs that broke the upper layer protocol or its bounds",
    "instances_stored_total": "instances acknowledged and durable",
    "instances_identical_total": "instances acknowledged that were there already, byte for byte",
    "instances_conflicting_total": "instances whose UID was known with another content",
    "instances_refused_total": "instances refused for their own fault",
    "instances_failed_total": "instances refused because the store or the room failed: the sender sends again",
    "bytes_stored_total": "bytes of acknowledged instances",
    "store_seconds_total": "seconds spent in the store",
    "echoes_total": "C-ECHO answered",
    "commitments_total": "instances reported as committed",
    "commitments_failed_total": "instances reported as not committed",
    "commitment_reports_lost_total": "commitment results that could not be delivered",
}
GAUGES: Final = {
    "connections": "open connections",
    "receiving_bytes": "bytes of instances being received, in memory and on disk",
    "store_failures_in_a_row": "puts that failed since the last that did not",
}
_NAMES: Final = (*COUNTERS, *GAUGES)
_INDEX: Final = {name: index for index, name in enumerate(_NAMES)}
_ROW: Final = len(_NAMES) * 8


class Board:
    """The shared memory. Make it before the workers are forked."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._memory = mmap.mmap(-1, max(rows, 1) * _ROW)

    def row(self, index: int) -> Row:
        """The row of one worker."""
        return Row(self._memory, index * _ROW)

    def totals(self) -> dict[str, float]:
        """Every value, summed over the workers."""
        rows = [struct.unpack_from(f"<{len(_NAMES)}d", self._memory, index * _ROW) for index in range(self._rows)]
        return {name: sum(row[index] for row in rows) for index, name in enumerate(_NAMES)}

    def failing(self) -> float:
        """The longest run of failed puts that a worker has."""
        index = _INDEX["store_failures_in_a_row"]
        return max((self._value(row, index) for row in range(self._rows)), default=0.0)

    def _value(self, row: int, index: int) -> float:
        return float(struct.unpack_from("<d", self._memory, row * _ROW + index * 8)[0])


class Row:
    """What one worker counts."""

    def __init__(self, memory: Any, offset: int) -> None:
        self._memory = memory
        self._offset = offset
        self._lock = threading.Lock()

    def add(self, name: str, value: float = 1.0) -> None:
        """Add to a counter or gauge; a name that does not exist is a KeyError."""
        place = self._offset + _INDEX[name] * 8
        with self._lock:
            (old,) = struct.unpack_from("<d", self._memory, place)
            struct.pack_into("<d", self._memory, place, old + value)

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        struct.pack_into("<d", self._memory, self._offset + _INDEX[name] * 8, value)

    def get(self, name: str) -> float:
        """The value of this worker."""
        return float(struct.unpack_from("<d", self._memory, self._offset + _INDEX[name] * 8)[0])

    def clear_gauges(self) -> None:
        """After a restart nothing of the old worker is open any more."""
        for name in GAUGES:
            self.set(name, 0.0)


def prometheus(totals: Mapping[str, float], *, ready: bool) -> str:
    """The text exposition format, version 0.0.4."""
    lines: list[str] = []
    for name in _NAMES:
        kind = "counter" if name in COUNTERS else "gauge"
        lines += [
            f"# HELP store_scp_{name} {COUNTERS.get(name) or GAUGES[name]}",
            f"# TYPE store_scp_{name} {kind}",
            f"store_scp_{name} {totals[name]:.17g}",
        ]
    lines += ["# HELP store_scp_ready 1 when instances are taken", "# TYPE store_scp_ready gauge"]
    return "\n".join([*lines, f"store_scp_ready {int(ready)}", ""])


def emf(totals: Mapping[str, float], before: Mapping[str, float], namespace: str) -> str:
    """One line in CloudWatch's embedded metric format: what was counted since `before`, and the gauges as they are."""
    values = {name: totals[name] - before.get(name, 0.0) for name in COUNTERS}
    values.update({name: totals[name] for name in GAUGES})
    definition = {
        "Namespace": namespace,
        "Dimensions": [["service"]],
        "Metrics": [
            {"Name": name, "Unit": "Bytes" if "bytes" in name else "Seconds" if "seconds" in name else "Count"}
            for name in _NAMES
        ],
    }
    head = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}, "service": "store-scp"}
    return json.dumps({**head, **values}, separators=(",", ":"))
