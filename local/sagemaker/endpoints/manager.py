"""The fleets of running model servers: creation, exchange, idle rest, lazy return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.sagemaker import events
from local.sagemaker.context import Context
from local.sagemaker.endpoints import deployment
from local.sagemaker.endpoints.capture import Capture
from local.sagemaker.endpoints.server import ModelServer
from local.sagemaker.errors import ServiceError
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.state import Record, StoreClosed

MODEL, CONFIG, ENDPOINT = "Model", "EndpointConfig", "Endpoint"
RUNNING = "RunningConfig"
"""By endpoint: its configuration with what updates retained and what was scaled since; no resource of the API."""
IDLE_SECONDS = 900.0  # a TensorFlow server keeps half a gigabyte: one that nobody asks for this long goes to rest
_LOOK_SECONDS = 15.0
logger = logging.getLogger(__name__)


@dataclass
class Fleet:
    """Servers of one endpoint, by variant, and what they were started from."""

    config: Record
    servers: dict[str, ModelServer]
    capture: Capture | None = None
    used_at: float = 0.0
    busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """End all servers."""
        if self.capture is not None:
            self.capture.close()
        for server in self.servers.values():
            server.close()


class Manager:
    """All endpoints of this process. Fleets exist for endpoints that were used since the last start."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._fleets: dict[str, Fleet] = {}
        self._waiting: dict[str, Fleet] = {}  # of updates under way: what was in service
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        threading.Thread(target=self._rest_idle, daemon=True).start()

    def create(self, name: str) -> None:
        """Start the servers of a new endpoint in the background."""
        self._background(self._create, name)

    def update(self, name: str, config: Record, guards: Mapping[str, Any]) -> None:
        """Exchange the servers in the background; the old ones stay when the new ones fail or an alarm sounds."""
        self._background(self._update, name, config, guards)

    def scale(self, name: str, config: Record) -> None:
        """Share the requests as that configuration says, in the background; the servers stay."""
        self._background(self._scale, name, config)

    def running(self, endpoint: Record) -> Record:
        """What an endpoint runs, or would run once it is asked."""
        found = self._context.store.get(RUNNING, endpoint["EndpointName"])
        return found or self._context.store.require(CONFIG, endpoint["EndpointConfigName"])

    def delete(self, name: str) -> None:
        """End the servers of a deleted endpoint in the background."""
        fleet = self._fleets.pop(name, None)  # now: the name may be given again at once
        if fleet is not None:
            self._background(_drain, fleet)

    def fleet(self, name: str) -> Fleet:
        """The running servers of an endpoint that is InService, started now if they rest. Raises JobFailedError."""
        with self._lock(name):
            fleet = self._fleets.get(name)
            if fleet is not None and all(server.alive() for server in fleet.servers.values()):
                fleet.used_at = self._context.clock.now()
                return fleet
            if fleet is not None:
                fleet.close()
                del self._fleets[name]
            endpoint = self._context.store.require(ENDPOINT, name)
            self._fleets[name] = fleet = self._build(name, self.running(endpoint))
            return fleet

    def resume(self) -> None:
        """After a restart: creations start again, updates are given up, the others wait for their first use."""
        for endpoint in self._context.store.all(ENDPOINT):
            name = endpoint["EndpointName"]
            if endpoint["EndpointStatus"] == "Creating":
                self.create(name)
            elif endpoint["EndpointStatus"] in ("Updating", "RollingBack"):
                self._settle(name, "InService", FailureReason="The update was interrupted by a restart; rolled back")

    def close(self) -> None:
        """End all servers."""
        with self._guard:
            fleets, self._fleets, self._waiting = [*self._fleets.values(), *self._waiting.values()], {}, {}
        for fleet in fleets:
            fleet.close()

    def _create(self, name: str) -> None:
        with self._lock(name):
            try:
                endpoint = self._context.store.require(ENDPOINT, name)
                fleet = self._build(name, self.running(endpoint))
            except Exception as error:  # whatever it was, the endpoint must leave Creating
                self._settle(name, "Failed", FailureReason=_reason(error))
                return
            if self._settle(name, "InService", FailureReason=None):
                self._fleets[name] = fleet
            else:
                fleet.close()

    def _update(self, name: str, config: Record, guards: Mapping[str, Any]) -> None:
        try:
            fresh = self._build(name, config)
        except Exception as error:  # whatever it was, the endpoint must leave Updating
            with self._lock(name):
                self._settle(name, "InService", FailureReason=_reason(error))
            return
        with self._lock(name):  # the traffic goes to the new servers; the old ones wait
            old = self._fleets.pop(name, None)
            self._fleets[name] = fresh
            if old is not None:
                self._waiting[name] = old
        try:
            why = deployment.alarm(self._context, next(iter(fresh.servers.values())).caller, guards)
        except Exception as error:  # likewise: what cannot be judged is undone
            why = _reason(error)
        settled = self._roll_back(name, old, why) if why else self._take_over(name, config)
        with self._lock(name):
            self._waiting.pop(name, None)
            if not settled and self._fleets.get(name) is fresh:  # deleted before the new servers were in their place
                del self._fleets[name]
                why = "deleted"
        for fleet in ([fresh] if why else []) + ([old] if old and not (why and settled) else []):
            _drain(fleet)

    def _take_over(self, name: str, config: Record) -> bool:
        with self._context.store.lock:
            if self._context.store.get(ENDPOINT, name) is None:
                return False
            self._context.store.put(RUNNING, name, config)
        return self._settle(
            name,
            "InService",
            EndpointConfigName=config["EndpointConfigName"],
            ProductionVariants=deployment.variants(config),
            FailureReason=None,
            **({"DataCaptureConfig": None} | deployment.capture(config)),
        )

    def _roll_back(self, name: str, old: Fleet | None, why: str) -> bool:
        """The old servers answer again, started anew where they ended meanwhile."""
        if not self._settle(name, "RollingBack", FailureReason=why):
            return False
        with self._lock(name):
            self._fleets.pop(name, None)
            if old is not None:
                self._fleets[name] = old
        try:
            self.fleet(name)
        except Exception as error:  # nothing may leave the endpoint in RollingBack
            return self._settle(name, "UpdateRollbackFailed", FailureReason=f"{why}; then: {_reason(error)}")
        return self._settle(name, "InService", FailureReason=why)

    def _scale(self, name: str, config: Record) -> None:
        with self._lock(name):
            fleet = self._fleets.get(name)
            if fleet is not None:
                fleet.config = config
        with self._context.store.lock:
            if self._context.store.get(ENDPOINT, name) is not None:
                self._context.store.put(RUNNING, name, config)
        self._settle(name, "InService", ProductionVariants=deployment.variants(config))

    def _build(self, name: str, config: Record) -> Fleet:
        fleet = Fleet(config=config, servers={}, used_at=self._context.clock.now())
        try:
            for variant in config["ProductionVariants"]:
                model = self._context.store.require(MODEL, variant["ModelName"])
                server = ModelServer(self._context, name, variant["VariantName"], model)
                fleet.servers[variant["VariantName"]] = server
                server.start()
        except BaseException:
            fleet.close()
            raise
        if (config.get("DataCaptureConfig") or {}).get("EnableCapture", "DataCaptureConfig" in config):
            caller = next(iter(fleet.servers.values())).caller
            if caller is not None:
                fleet.capture = Capture(self._context, name, config["DataCaptureConfig"], caller)
        return fleet

    def _settle(self, name: str, status: str, **changes: Any) -> bool:
        """Write the new status and tell it; False when the endpoint was deleted meanwhile."""
        with self._context.store.lock:
            if self._context.store.get(ENDPOINT, name) is None:
                return False
            changes |= {"EndpointStatus": status, "LastModifiedTime": self._context.clock.now()}
            if status in ("InService", "Failed", "UpdateRollbackFailed"):
                changes["PendingDeploymentSummary"] = None
            record = self._context.store.update(ENDPOINT, name, **changes)
        events.endpoint_changed(self._context, record)
        return True

    def _rest_idle(self) -> None:
        while not self._context.closing.wait(_LOOK_SECONDS):
            oldest = self._context.clock.now() - IDLE_SECONDS
            for name in list(self._fleets):
                with self._lock(name):
                    fleet = self._fleets.get(name)
                    if fleet is not None and fleet.busy == 0 and fleet.used_at < oldest:
                        del self._fleets[name]
                        fleet.close()

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def _background(self, work: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            try:
                work(*arguments)
            except StoreClosed:
                return  # the process is ending

        threading.Thread(target=run, daemon=True).start()


def _drain(fleet: Fleet) -> None:
    """Let the requests under way finish, then end the servers."""
    pause = threading.Event()
    for _ in range(600):
        if fleet.busy == 0:
            break
        pause.wait(0.1)
    fleet.close()


def _reason(error: Exception) -> str:
    if isinstance(error, JobFailedError):
        return error.reason
    if isinstance(error, ServiceError):
        return error.message
    if isinstance(error, KeyError):
        return f"ClientError: a resource does not exist any more: {error}"
    logger.error("A model server could not be made", exc_info=error)
    return f"InternalServerError: {type(error).__name__} in the stand-in"
