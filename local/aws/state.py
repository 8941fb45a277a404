"""What of ministack's memory goes into a snapshot, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from local.aws.snapshot import Encode, Generations, Snapshotter, write_generation


def encoder(persistence: Any, service: str) -> Encode:
    """ministack's own file format for one service, so that its own loader reads it back."""

    def encode(state: Any) -> str:
        wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
        return json.dumps(wrapped, default=persistence._json_default)

    return encode


def keep_sessions() -> None:
    """Keep role sessions too: a presigned URL signed by a role stays good over a restart, as on AWS."""
    from ministack.services import sts

    def get_state() -> dict[str, Any]:
        return {"sessions": dict(sts._sessions)}

    def load_persisted_state(data: dict[str, Any]) -> None:
        sts._sessions.update(data.get("sessions", {}))

    sts.get_state, sts.load_persisted_state = get_state, load_persisted_state


def snapshotter(app: Any, generations: Generations, activity: Callable[[], int]) -> Snapshotter:
    """The snapshotter of this ministack; its own saving on stop is replaced by it."""
    from ministack.core import persistence
    from ministack.services import lambda_svc

    lambda_svc._prune_orphan_code_blobs = lambda _referenced: None  # the old generation may still need them

    def write() -> bool:
        states = app._build_persistence_save_dict()
        encoders = {service: encoder(persistence, service) for service in states}
        readers = {service: _encoded(read, encoders[service]) for service, read in states.items()}
        return write_generation(generations, readers, lambda text: text)

    app.save_all = lambda _services: None
    return Snapshotter(write, activity)


def _encoded(read: Callable[[], Any], encode: Encode) -> Callable[[], str | None]:
    def text() -> str | None:
        state = read()
        return None if state is None else encode(state)

    return text
