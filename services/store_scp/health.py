"""Health and metrics over HTTP: /healthz (the process lives), /readyz (instances are taken), /metrics (Prometheus)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.store_scp import metrics

Probe = Callable[[], str]
"""Why no instances are taken, "" when they are."""


class HealthServer(ThreadingHTTPServer):
    """Answers probes and scrapes; it takes no input but the path."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], *, probe: Probe, totals: Callable[[], dict[str, float]]) -> None:
        super().__init__(address, _Handler)
        self.probe = probe
        self.totals = totals

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A probe that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = 5
    server_version = "store-scp"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, "alive\n")
        elif self.path == "/readyz":
            reason = self.server.probe()
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n")
        elif self.path == "/metrics":
            ready = not self.server.probe()
            self._answer(200, metrics.prometheus(self.server.totals(), ready=ready))
        else:
            self._answer(404, "healthz, readyz or metrics\n")

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Probes come every few seconds; they are not logged."""
