"""What every part of the stand-in shares: names, store, clock, the embedded AWS and the machine's limits."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from local.sagemaker.names import Scope
from local.sagemaker.ports import Clock, Cloud
from local.sagemaker.state import Store


@dataclass(frozen=True, kw_only=True)
class Context:
    """One stand-in. `train_python` is the interpreter that stands for the container images, None when there is none.

    `stop_grace` is the time in seconds between SIGTERM and SIGKILL (AWS: 120).
    """

    scope: Scope
    store: Store
    cloud: Cloud
    clock: Clock
    folder: Path
    train_python: str | None
    stop_grace: float = 120.0
    closing: threading.Event = field(default_factory=threading.Event)
