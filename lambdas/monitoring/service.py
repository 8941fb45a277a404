"""Health of the parts, and lag of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambda_shared.clock import Clock
from lambda_shared.events.models import MetricViolation
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.logs import describe, logger
from lambda_shared.metrics import Meter
from monitoring.ports import Probes

AUDIT_LAG_LIMIT_SECONDS = 15 * 60


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Monitoring over its ports."""

    probes: Probes
    publisher: Publisher
    meter: Meter
    clock: Clock

    def health(self) -> dict[str, object]:
        """Ask every part one question; never raises, because a broken part is the answer and not an error."""
        checks: dict[str, Callable[[], object]] = {
            "data_store": self.probes.data_store,
            "tracking_table": self.probes.tracking_table,
            "state_machine": self.probes.state_machine,
            "import_queue": self.probes.import_queue,
        }
        states = {name: self._ask(name, check) for name, check in checks.items()}
        self.meter.count("DataStoreErrors", 0 if states["data_store"] == "ok" else 1)
        lag: list[float | None] = []
        states["audit_log"] = self._ask("audit_log", lambda: lag.append(self.audit_lag()["audit_lag_seconds"]))
        self._measure_retrieval()
        self.meter.count("HealthCheckFailed", sum(state != "ok" for state in states.values()))
        return {
            "healthy": all(state == "ok" for state in states.values()),
            "checks": states,
            "audit_lag_seconds": next(iter(lag), None),
        }

    def _ask(self, name: str, check: Callable[[], object]) -> str:
        try:
            check()
        except Exception as error:
            logger().error("A health check failed", extra={"check": name, **describe(error)})
            return describe(error)["error_code"]
        return "ok"

    def _measure_retrieval(self) -> None:
        try:
            read = self.probes.retrieval()
        except Exception as error:
            self.meter.count("DataStoreErrors")  # there is no latency to tell: the alarm on errors has to hear of it
            logger().error("The retrieval probe failed", extra=describe(error))
            return
        if read is not None:
            self.meter.count("RetrievalLatency", read.milliseconds, "Milliseconds")
            self.meter.count("CompressionRatio", read.compression_ratio, "None")

    def audit_lag(self) -> dict[str, float | None]:
        """Seconds since CloudTrail last delivered; None (and no metric) where there is no trail."""
        delivered = self.probes.last_audit_delivery()
        if delivered is None:
            return {"audit_lag_seconds": None}
        now = self.clock.now()
        lag = max((now - delivered).total_seconds(), 0.0)
        self.meter.count("AuditLogLagSeconds", lag, "Seconds")
        if lag > AUDIT_LAG_LIMIT_SECONDS:
            event = MetricViolation(
                subject="audit-log",
                metric="AuditLogLagSeconds",
                value=lag,
                threshold=AUDIT_LAG_LIMIT_SECONDS,
                detail="CloudTrail has not delivered for longer than allowed.",
            )
            self.publisher.publish(event, deterministic_event_id("AuditLag", now.strftime("%Y-%m-%dT%H")))
        return {"audit_lag_seconds": lag}
