"""A small GitHub on loopback: the deployments and the comments of one repository, as its REST API tells them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


class Forge:
    """What the repository holds."""

    def __init__(self) -> None:
        self.deployments: list[Json] = []
        self.comments: list[Json] = []
        self.requests: dict[int, Json] = {}

    def answer(self, method: str, address: str, body: Json) -> Any:
        """The answer to one call. Raises KeyError for one that the replay does not need."""
        parts = urlsplit(address)
        kind = parts.path.rsplit("/", 1)[1]
        if method == "GET":
            return self._read(kind, parts.path, parse_qs(parts.query))
        made: Json = {**body, "html_url": f"https://forge.example{parts.path}"}
        if kind == "deployments":
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            made |= {"id": len(self.deployments), "sha": body["ref"], "created_at": at, "statuses": []}
            self.deployments.append(made)
        elif kind == "statuses":
            self.deployments[int(parts.path.split("/")[-2])]["statuses"].insert(0, body)
        elif kind == "comments":
            self.comments.append({**made, "id": len(self.comments), "user": {"type": "Bot"}})
        elif method == "PATCH" and parts.path.split("/")[-2] == "comments":
            self.comments[int(kind)] |= body
        else:
            raise KeyError(address)
        return made

    def _read(self, kind: str, path: str, query: dict[str, list[str]]) -> Any:
        if kind == "statuses":
            return self.deployments[int(path.split("/")[-2])]["statuses"]
        if kind == "comments":
            return self.comments
        if path.split("/")[-2] == "pulls":
            return self.requests[int(kind)]
        return [one for one in self.deployments if one["environment"] == query["environment"][0]]


@contextmanager
def serving(forge: Forge) -> Iterator[str]:
    """The address of the API while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = json.dumps(forge.answer(self.command, self.path, json.loads(body or "{}"))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815  (names of http.server)

        def log_message(self, *_: Any) -> None:
            """Silence: pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
