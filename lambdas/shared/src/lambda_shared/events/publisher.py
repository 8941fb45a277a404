"""Puts events on the bus and notices when EventBridge refuses one entry of an accepted call."""

from __future__ import annotations

import uuid
from typing import Any, Literal, Protocol

from lambda_shared.clock import Clock, SystemClock, iso
from lambda_shared.errors import TransientError, aws_errors
from lambda_shared.events.models import Envelope, EventData

Source = Literal["imaging.api", "imaging.model-evaluation", "imaging.model-registry", "imaging.monitoring"]
EVENT_NAMESPACE = uuid.UUID("6f0cbe5e-5b0e-5d0a-9a53-2f3e3ad1a0b7")


def deterministic_event_id(*parts: object) -> str:
    """The same fact gets the same event id however often it is published, so that consumers can drop repeats."""
    return str(uuid.uuid5(EVENT_NAMESPACE, "/".join(str(part) for part in parts)))


class Publisher(Protocol):
    """Where a service publishes events."""

    def publish(self, data: EventData, event_id: str) -> None:
        """Publish one event. Raises TransientError when it is not certain that the bus took it."""
        ...


class EventPublisher:
    """Publishes to an EventBridge bus."""

    def __init__(self, events_client: Any, bus_name: str, source: Source, clock: Clock | None = None) -> None:
        self._client = events_client
        self._bus_name = bus_name
        self._source = source
        self._clock = clock or SystemClock()

    def publish(self, data: EventData, event_id: str) -> None:
        """Publish one event; its DetailType is the name of the data's class."""
        detail = Envelope[type(data)](event_id=event_id, occurred_at=iso(self._clock.now()), data=data)
        entry = {
            "Source": self._source,
            "DetailType": type(data).__name__,
            "EventBusName": self._bus_name,
            "Detail": detail.model_dump_json(),
        }
        with aws_errors("PutEvents"):
            answer = self._client.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise TransientError("EVENT_NOT_TAKEN", "the event bus refused the entry")
