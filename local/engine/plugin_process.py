"""What each plugin process of ours owes the engine: end on its signal, and with it."""

from __future__ import annotations

import os
import signal
import threading
import time


def follow_engine() -> None:
    """End quietly when the engine signals, and when the engine is gone: one that was killed tells nobody."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
