"""The model server: the HTTP contract of a SageMaker inference container on a loopback port.

    python local_serving_http.py MODEL_FOLDER PORT_FILE

GET /ping, POST /invocations, and the TensorFlow Serving REST paths that an inference script may call. Runs under the
train interpreter: standard library only, TensorFlow is loaded by `local_serving_model`.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local_serving_model import Application, Reply, RequestError


class Handler(BaseHTTPRequestHandler):
    """One request. `application` is set on the class before the server starts."""

    application: Application
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: a second one would wait for the first one's delayed acknowledgement
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Health, and the model's state as TensorFlow Serving tells it."""
        if self.path == "/ping":
            self._send(Reply(b"{}", "application/json"))
        elif self.path.startswith("/v1/models/"):
            self._guarded(lambda: self.application.state(self.path))
        else:
            self._send(Reply(b'{"error": "not found"}', "application/json", 404))

    def do_POST(self) -> None:
        """An invocation, or a prediction by the REST API of TensorFlow Serving."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/invocations":
            self._guarded(lambda: self.application.invoke(body, self.headers))
        elif self.path.startswith("/v1/models/"):
            self._guarded(lambda: self.application.predict(self.path, body))
        else:
            self._send(Reply(b'{"error": "not found"}', "application/json", 404))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - the base class's own name
        """One line per request but health checks; never the body, which may hold study data."""
        if self.path != "/ping":
            print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}", flush=True)

    def _guarded(self, work: Any) -> None:
        try:
            self._send(work())
        except RequestError as error:
            self._send(Reply(json.dumps({"error": str(error)}).encode(), "application/json", error.status))
        except Exception as error:
            print(f"inference failed: {type(error).__name__}", flush=True)
            self._send(Reply(json.dumps({"error": str(error)}).encode(), "application/json", 500))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()


def main() -> None:
    """Load the model, listen, write the port."""
    model_folder, port_file = Path(sys.argv[1]), Path(sys.argv[2])
    # The script's folder must not offer its modules to the model's own imports.
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = server.server_address[1]
    Handler.application = Application(model_folder, port, os.environ)
    scratch = port_file.with_suffix(".tmp")
    scratch.write_text(str(port))
    scratch.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
