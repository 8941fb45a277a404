"""What each plugin process of ours owes the engine: end on its signal, and with it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any


def follow_engine() -> None:
    """End quietly when the engine signals, and when the engine is gone: one that was killed tells nobody."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def serve(register: Callable[[Any], None]) -> None:
    """Serve what `register` adds to a gRPC server until the engine ends; the port on stdout is the plugin protocol."""
    import grpc  # a policy pack's process, which only follows, does not pay for it

    # an S3 object may come through the protocol, and slow calls of one resource must not hold up the others
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", 400 << 20)])
    register(server)
    follow_engine()
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


def _end_with_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
