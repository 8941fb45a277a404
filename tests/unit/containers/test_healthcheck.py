"""The health check of images that have no shell."""

from __future__ import annotations

import runpy
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "containers" / "healthcheck.py"
healthy: Callable[[str], bool] = runpy.run_path(str(SCRIPT))["healthy"]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """A service on loopback."""
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_that_answers_is_healthy_and_one_that_refuses_is_not(port: int) -> None:
    assert healthy(f"http://127.0.0.1:{port}/health")
    assert not healthy(f"http://127.0.0.1:{port}/other")
    assert healthy(f"tcp://127.0.0.1:{port}")


def test_a_port_where_nobody_listens_is_not_healthy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take it meanwhile
        port = taken.getsockname()[1]
        assert not healthy(f"tcp://127.0.0.1:{port}")
        assert not healthy(f"http://127.0.0.1:{port}/health")


@pytest.mark.parametrize("address", ["https://127.0.0.1:1/", "file:///etc/passwd", "tcp://127.0.0.1", "127.0.0.1:80"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be http://"):
        healthy(address)
