"""`python -m services.frame_proxy --config FILE`: serve until SIGTERM, then let what is under way end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from lambda_shared.logs import STANDARD_FIELDS, IdentifierFilter
from services.frame_proxy import certificates
from services.frame_proxy.app import App
from services.frame_proxy.settings import Settings, SettingsError, load
from services.frame_proxy.wiring import build


class JsonFormatter(logging.Formatter):
    """One JSON object a line, after the identifier filter has cleaned the record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its extra fields."""
        extra = {name: value for name, value in record.__dict__.items() if name not in STANDARD_FIELDS}
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage(), **extra}
        return json.dumps(line, default=str)


class Server(uvicorn.Server):
    """uvicorn that goes on answering for a while after SIGTERM, until the load balancer has looked away.

    A load balancer still sends new requests for some seconds after a task is told to stop; a listener that closes at
    once would answer them with a refused connection.
    """

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn gives it
        """First SIGTERM: not ready any more, stop in a while. SIGINT or a second signal: stop now."""
        if sig == signal.SIGTERM and not self._app.draining:
            self._app.draining = True
            seconds = self._app.services.settings.lame_duck_seconds
            asyncio.get_running_loop().call_later(seconds, self._stop)
            return
        self._stop()

    def _stop(self) -> None:
        """Not uvicorn's own way: that raises the signal again at the end, and the process dies of it with status 143,
        its private key still on the disk.
        """
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(settings: Settings) -> int:
    """Serve in this process; the exit status."""
    app = build(settings)
    with contextlib.ExitStack() as stack:
        certificate, key = settings.tls_certificate, settings.tls_key
        if settings.tls_self_signed:
            certificate, key = stack.enter_context(certificates.self_signed())
        Server(_configuration(settings, app, certificate, key), app).run()
    return 0


def _configuration(settings: Settings, app: App, certificate: str, key: str) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,  # paths hold UIDs, queries may hold more: the audit says who read what
        server_header=False,
        date_header=True,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
        timeout_graceful_shutdown=int(settings.drain_seconds),
        timeout_keep_alive=75,  # longer than the load balancer's 60 s: it closes idle connections, not we
        backlog=4096,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m services.frame_proxy", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, help="YAML file with the settings")
    source.add_argument("--environment", action="store_true", help="all settings from FRAME_PROXY_* (the default)")
    parser.add_argument("--check", action="store_true", help="check the configuration and end")
    options = parser.parse_args(arguments)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(IdentifierFilter())
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    try:
        settings = load(options.config)
        return 0 if options.check else serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"frame_proxy: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
