"""The door in front of ministack: TLS, no forged transport header, no password-less root."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from local.aws.certificates import Material
from local.aws.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

logger = logging.getLogger("local.aws.gateway")

# Believed by ministack when it evaluates aws:SecureTransport and aws:SourceIp, so nobody outside may set them.
_FORGEABLE = (b"x-forwarded-proto", b"x-forwarded-for")


class Gateway:
    """Wraps ministack's ASGI application.

    ministack takes `test` and every 12-digit access key for root with any secret. `close_root` ends that once
    the deploy user exists: from then on each request needs a real key, session or signature.
    """

    def __init__(self, application: Application, is_root_key: Callable[[str], bool]) -> None:
        self._application = application
        self._is_root_key = is_root_key
        self._root_open = True
        self.requests_seen = 0
        self.in_flight = 0

    def close_root(self) -> None:
        """Refuse root keys from now on."""
        self._root_open = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        scope = {**scope, "headers": [(n, v) for n, v in scope.get("headers", []) if n.lower() not in _FORGEABLE]}
        if scope["type"] == "http" and self._administrative(scope["path"]):
            await _refuse(send, 404, "NotFound", "The embedded AWS serves no administration paths.")
            return
        key = access_key(scope)
        if not self._root_open and key and self._is_root_key(key):
            await _refuse(send, 403, "InvalidClientTokenId", "The root keys of the embedded AWS are closed.")
            return
        if not key and _account_level(scope):
            await _refuse(send, 403, "AccessDenied", "An unsigned request cannot list, make or delete buckets.")
            return
        self.requests_seen += 1
        self.in_flight += 1
        started = time.monotonic()
        try:
            await self._application(scope, receive, send)
        finally:
            self.in_flight -= 1
        # Never the path: object keys and identifiers are in it.
        logger.debug("%s in %.0f ms", scope.get("method", scope["type"]), (time.monotonic() - started) * 1000)

    @staticmethod
    def _administrative(path: str) -> bool:
        """Paths by which anyone could wipe or reconfigure the service; health and the code downloads stay."""
        return path.startswith(("/_ministack/reset", "/_ministack/config", "/_localstack/state"))


def _account_level(scope: Message) -> bool:
    """Whether a request is S3's ListBuckets, CreateBucket or DeleteBucket, which ministack serves unsigned too."""
    method, path = scope.get("method"), scope.get("path", "")
    signed_later = scope.get("query_string") or any(name == b"x-amz-target" for name, _ in scope["headers"])
    if signed_later:
        return False
    segments = [part for part in path.split("/") if part]
    return (method == "GET" and not segments) or (method in {"PUT", "DELETE"} and len(segments) == 1)


def access_key(scope: Message) -> str:
    """The access key id a request names in its header or presigned query, or an empty text."""
    headers = {name.lower(): value for name, value in scope.get("headers", [])}
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if "Credential=" in authorization:
        return authorization.split("Credential=", 1)[1].split("/", 1)[0]
    if authorization.startswith("AWS "):
        return authorization[4:].split(":", 1)[0]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    credential = (query.get("X-Amz-Credential") or query.get("AWSAccessKeyId") or [""])[0]
    return credential.split("/", 1)[0]


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"__type": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", code.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server:
    """hypercorn on its own thread and event loop."""

    def __init__(self, gateway: Gateway, settings: Settings, material: Material) -> None:
        self._gateway = gateway
        self._settings = settings
        self._material = material
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    @property
    def alive(self) -> bool:
        """False once the server thread has ended, by stop or by an error at start."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to serve; readiness is for the caller to ask over HTTP."""
        self._thread.start()

    def stop(self, seconds: float = 4) -> None:
        """Close the door and let requests under way finish.

        Not waited for longer: a client that keeps an idle TLS connection makes asyncio wait half a minute for its
        closing handshake, and nothing is saved by this thread.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            self._thread.join(0.2)
            if not self._gateway.in_flight:
                return

    def _run(self) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"127.0.0.1:{self._settings.port}"]
        config.certfile, config.keyfile = str(self._material.certificate), str(self._material.key)
        config.keep_alive_timeout, config.loglevel = 75, "WARNING"
        config.graceful_timeout = 2
        config.startup_timeout = 120

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await serve(self._gateway, config, shutdown_trigger=self._stop.wait)  # type: ignore[arg-type]

        asyncio.run(main())
