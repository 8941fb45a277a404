"""Asks a service of the same container whether it is well: `healthcheck.py http://127.0.0.1:8080/health` or `tcp://127.0.0.1:11112`.

Images without a shell have no curl; the standard library does. Exit 0 is healthy, 1 is not (Docker's HEALTHCHECK). ECS
reads the health check of its task definition instead, where the same command belongs.
"""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3


def healthy(address: str) -> bool:
    """An http address answers 2xx, or a tcp address takes a connection. Raises ValueError for any other address."""
    target = urlsplit(address)
    if target.scheme not in ("http", "tcp") or target.hostname is None or target.port is None:
        raise ValueError("the address must be http://HOST:PORT/PATH or tcp://HOST:PORT")
    try:
        if target.scheme == "tcp":
            socket.create_connection((target.hostname, target.port), TIMEOUT_SECONDS).close()
            return True
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 (http only, see above)
            return 200 <= reply.status < 300
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1]) else 1)
