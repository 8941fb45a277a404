"""The one origin that a browser talks to, over TLS: what CloudFront is on AWS.

The viewer's files; /dicom-web to frame_proxy; /api to API Gateway; sign-in to Cognito's pages of the embedded AWS.
Every answer carries the headers of `viewer.headers`. No path, query or header of a request is logged.
"""

from __future__ import annotations

import argparse
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from viewer import configuration, headers, release

# Hop-by-hop (RFC 9110 section 7.6.1), and what the server in front writes itself.
_NOT_PASSED = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
_NOT_PASSED |= {"transfer-encoding", "date", "server", "strict-transport-security"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
_BODY_LIMIT = 1 << 20  # the largest body that goes through here is a note; images go to S3


class Origin:
    """The application; `facts` is what `local.viewer_process` wrote beside the run."""

    def __init__(self, facts: dict[str, Any], cache: Path) -> None:
        self._facts = facts
        dist = release.fetch(cache)
        self._assets = release.assets(dist, cache / "viewer-compressed")
        self._headers = headers.page_headers(dist / "index.html")
        self._script_headers = headers.script_headers()
        sign_in = configuration.SignIn(
            issuer=facts["issuer"], client_id=facts["client_id"], authorize_origin=facts["origin"]
        )
        self._config = configuration.text(facts["origin"], sign_in)
        context = ssl.create_default_context(cafile=facts["ca_bundle"])
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(verify=context, timeout=60, limits=limits, follow_redirects=False)

    def application(self) -> Starlette:
        """The ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self._http.aclose()

        aws, api, frames = (self._facts[name] for name in ("aws_url", "api_url", "frame_proxy_url"))
        routes = [
            Route("/app-config.js", self.config),
            self._proxied("/dicom-web/{path:path}", f"{frames}/dicom-web/"),
            self._proxied("/api/{path:path}", f"{api}/"),
            self._proxied("/oauth2/{path:path}", f"{aws}/oauth2/"),
            Route("/login", self._forward(f"{aws}/login"), methods=["POST"]),
            Route("/logout", self._forward(f"{aws}/logout"), methods=["GET"]),
            Route("/{path:path}", self.file),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    async def config(self, _: Request) -> Response:
        """The generated configuration."""
        return Response(self._config, media_type="text/javascript", headers=self._with({"Cache-Control": "no-cache"}))

    async def file(self, request: Request) -> Response:
        """A file of the viewer; a path without a file is one of the application's own pages."""
        path = request.path_params["path"]
        asset = self._assets.get(path)
        if asset is None:
            if "." in path.rsplit("/", 1)[-1]:
                return PlainTextResponse("not found", 404, headers=self._with({}))
            asset = self._assets["index.html"]
        more = {"Cache-Control": headers.IMMUTABLE if asset.immutable else headers.REVALIDATE}
        if asset.encoding:
            more |= {"Content-Encoding": asset.encoding, "Vary": "Accept-Encoding"}
        fixed = self._script_headers if asset.media_type == "text/javascript" else self._headers
        return FileResponse(asset.file, media_type=asset.media_type, headers={**fixed, **more})

    def _proxied(self, pattern: str, target: str) -> Route:
        return Route(pattern, self._forward(target), methods=_METHODS)

    def _forward(self, target: str) -> Any:
        async def forward(request: Request) -> Response:
            body = await request.body() if request.method in {"POST", "PUT"} else b""
            if len(body) > _BODY_LIMIT:
                return PlainTextResponse("too large", 413, headers=self._with({}))
            url = httpx.URL(target + request.path_params.get("path", ""), query=request.url.query.encode())
            passed = [(n, v) for n, v in request.headers.raw if n.decode() not in _NOT_PASSED | {"host"}]
            asked = self._http.build_request(request.method, url, headers=passed, content=body)
            try:
                answer = await self._http.send(asked, stream=True)
            except httpx.TransportError:
                return PlainTextResponse("a part of the platform does not answer", 503, headers=self._with({}))
            return self._answer(answer)

        return forward

    def _answer(self, answer: httpx.Response) -> Response:
        """The upstream's bytes as they are, still compressed, under this origin's headers."""
        response = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.decode().lower() not in _NOT_PASSED
        ]
        page = answer.headers.get("content-type", "").startswith("text/html")
        for name, value in self._headers.items():
            # Cognito's page brings its own inline style and script; its policy is its own matter, as on AWS
            if not (page and name == "Content-Security-Policy"):
                response.headers[name] = value
        return response

    def _with(self, more: dict[str, str]) -> dict[str, str]:
        return {**self._headers, **more}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.viewer_origin", description=__doc__)
    parser.add_argument("--facts", type=Path, required=True, help="JSON written by the local stack")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the viewer's release")
    args = parser.parse_args()
    facts = json.loads(args.facts.read_text())
    uvicorn.run(
        Origin(facts, args.cache).application(),
        host="127.0.0.1",
        port=int(facts["origin"].rsplit(":", 1)[1]),
        ssl_certfile=facts["certificate"],
        ssl_keyfile=facts["key"],
        access_log=False,  # paths hold UIDs
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
