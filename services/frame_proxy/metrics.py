"""What the service counts: Prometheus text at /metrics (inside the VPC only), and EMF lines for CloudWatch."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

NAMESPACE: Final = "ImagingPlatform"
_SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Metrics:
    """Counters of one process; labels are closed sets, never an identifier."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("frame_proxy_requests", "Requests", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "frame_proxy_seconds", "Time to the answer", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.upstream = Counter(
            "frame_proxy_upstream_calls", "Calls to HealthImaging", ["operation", "status"], registry=self.registry
        )
        self.upstream_seconds = Histogram(
            "frame_proxy_upstream_seconds", "Time of a call", ["operation"], buckets=_SECONDS, registry=self.registry
        )
        self._last: dict[str, float] = {}

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when it is asked for."""
        Gauge(f"frame_proxy_{name}", text, registry=self.registry).set_function(read)

    def called(self, operation: str, status: int, seconds: float) -> None:
        """One call to HealthImaging; status 0 is no answer."""
        self.upstream.labels(operation, str(status)).inc()
        self.upstream_seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """Prometheus exposition format."""
        return generate_latest(self.registry)

    def embedded(self) -> str:
        """One EMF document with what was counted since the last one; alarms name its metrics."""
        values: dict[str, float] = {
            "FrameProxyRequests": self._since("FrameProxyRequests", "12345"),
            "FrameProxyErrors": self._since("FrameProxyErrors", "5"),
            "FrameProxyRefused": self._since("FrameProxyRefused", ("401", "403")),
            "FrameProxyThrottled": self._since("FrameProxyThrottled", ("429",)),
        }
        document: dict[str, object] = {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [[]],
                        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
                    }
                ],
            },
            **values,
        }
        return json.dumps(document, separators=(",", ":"))

    def write_embedded(self) -> None:
        """Print the EMF document: the log driver takes it to CloudWatch."""
        sys.stdout.write(self.embedded() + "\n")
        sys.stdout.flush()

    def _since(self, name: str, statuses: str | tuple[str, ...]) -> float:
        """Requests since the last document: of the classes in a text of first digits, or of whole statuses."""
        total = sum(
            sample.value
            for family in self.requests.collect()
            for sample in family.samples
            if sample.name.endswith("_total") and _is_one(sample.labels["status"], statuses)
        )
        before = self._last.get(name, 0.0)
        self._last[name] = total
        return total - before


def _is_one(status: str, wanted: str | tuple[str, ...]) -> bool:
    return status in wanted if isinstance(wanted, tuple) else status[0] in wanted
