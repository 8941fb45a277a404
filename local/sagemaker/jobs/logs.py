"""A job's output to CloudWatch Logs while it runs, in chunks, and its metrics by regular expressions."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.ports import Credentials, LogsError

_CHUNK_LINES = 500
_CHUNK_SECONDS = 1.0
_MAX_LINE = 200_000  # bytes of one log event: CloudWatch Logs takes 256 KiB
logger = logging.getLogger(__name__)


class LogShipper:
    """Collects lines and writes them to one stream every second; a refusal ends shipping, never the job (as on AWS)."""

    def __init__(self, context: Context, caller: Credentials, group: str, stream: str) -> None:
        self._context, self._caller = context, caller
        self.group, self.stream = group, stream
        self._lines: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._refused = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, line: str) -> None:
        """Take one line of output."""
        with self._lock:
            self._lines.append((int(self._context.clock.now() * 1000), line[:_MAX_LINE] or " "))

    def close(self) -> None:
        """Write what is left and stop."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(_CHUNK_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        for start in range(0, len(lines), _CHUNK_LINES):
            if self._refused:
                return
            try:
                self._context.cloud.put_logs(self._caller, self.group, self.stream, lines[start : start + _CHUNK_LINES])
            except LogsError as error:
                self._refused = True
                logger.warning("No logs for %s in %s: %s", self.stream, self.group, error)


class MetricReader:
    """Last value of every metric that the MetricDefinitions of a training job find in its output."""

    def __init__(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        self._patterns = [(item["Name"], re.compile(item["Regex"])) for item in definitions]
        self._last: dict[str, tuple[float, float]] = {}

    def read(self, line: str, now: float) -> list[tuple[str, float]]:
        """Metrics found in one line; the first group of the expression is the number."""
        found = []
        for name, pattern in self._patterns:
            match = pattern.search(line)
            if match and match.groups():
                try:
                    value = float(match.group(1))
                except ValueError:
                    continue  # the expression caught something that is no number: the service drops it too
                self._last[name] = (value, now)
                found.append((name, value))
        return found

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList of DescribeTrainingJob."""
        return [{"MetricName": n, "Value": value, "Timestamp": at} for n, (value, at) in self._last.items()]
