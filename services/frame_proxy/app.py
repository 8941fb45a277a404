"""The ASGI application: routes to handlers, refusals to answers, and the life of what they use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Send

from lambda_shared.logs import describe
from services.frame_proxy import hot, pictures, responses, retrieving, searching
from services.frame_proxy.call import Call, Handler
from services.frame_proxy.errors import ProxyError, answer
from services.frame_proxy.hot import HotFrames
from services.frame_proxy.identity import Person
from services.frame_proxy.services import Services

log = logging.getLogger("frame_proxy")
_EMBEDDED_SECONDS: Final = 60.0
_S: Final = "/studies/{study}"
_E: Final = _S + "/series/{series}"
_I: Final = _E + "/instances/{instance}"
# (path, name, action of the audit, handler, methods); the hottest first, since they are tried in this order
_ROUTES: Final[list[tuple[str, str, str, Handler, list[str]]]] = [
    (f"{_I}/frames/{{frames}}", "frames", "frame", retrieving.retrieve_frames, ["GET"]),
    (f"{_I}/frames/{{frames}}/resolutions", "resolutions", "frame", retrieving.list_resolutions, ["GET"]),
    (f"{_I}/frames/{{frames}}/rendered", "rendered", "rendered", pictures.rendered, ["GET"]),
    (f"{_I}/frames/{{frames}}/thumbnail", "thumbnail", "rendered", pictures.thumbnail, ["GET"]),
    (f"{_I}/rendered", "rendered", "rendered", pictures.rendered, ["GET"]),
    (f"{_I}/thumbnail", "thumbnail", "rendered", pictures.thumbnail, ["GET"]),
    (f"{_E}/thumbnail", "thumbnail", "rendered", pictures.thumbnail, ["GET"]),
    (f"{_S}/thumbnail", "thumbnail", "rendered", pictures.thumbnail, ["GET"]),
    (f"{_I}/metadata", "metadata", "metadata", retrieving.metadata, ["GET"]),
    (f"{_E}/metadata", "metadata", "metadata", retrieving.metadata, ["GET"]),
    (f"{_S}/metadata", "metadata", "metadata", retrieving.metadata, ["GET"]),
    (f"{_I}/bulkdata/{{path:path}}", "bulkdata", "bulkdata", retrieving.retrieve_bulk_data, ["GET"]),
    ("/studies", "search", "search", searching.search_studies, ["GET", "POST"]),
    ("/series", "search", "search", searching.search_series, ["GET", "POST"]),
    (f"{_S}/series", "search", "search", searching.search_series, ["GET", "POST"]),
    (f"{_S}/instances", "search", "search", searching.search_instances, ["GET", "POST"]),
    (f"{_E}/instances", "search", "search", searching.search_instances, ["GET", "POST"]),
    (_I, "instances", "instance", retrieving.retrieve_instances, ["GET"]),
    (_E, "instances", "instance", retrieving.retrieve_instances, ["GET"]),
    (_S, "instances", "instance", retrieving.retrieve_instances, ["GET"]),
]


class App:
    """One process: its services, its background work, and whether it is going away."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.draining = False
        self._tasks: list[asyncio.Task[None]] = []
        root = services.settings.root
        self._hot = HotFrames(services)
        self._starlette = Starlette(
            routes=[
                *(
                    Route(root + path, self._endpoint(name, action, handler), methods=methods)
                    for path, name, action, handler, methods in _ROUTES
                ),
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
            ],
            lifespan=self.lifespan,
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and not self.draining:
            ready = self._hot.answer(scope)
            if ready is not None:
                await hot.send(ready, send)
                return
        await self._starlette(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncGenerator[None]:
        services = self.services
        await services.upstream.start()
        services.audit.start()
        self._tasks = [
            asyncio.create_task(self._every(services.settings.directory_seconds, self._refresh)),
            asyncio.create_task(self._every(_EMBEDDED_SECONDS, self._embedded, later=True)),
        ]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await services.audit.close()
            await services.upstream.close()
            services.metrics.write_embedded()

    @staticmethod
    async def _every(seconds: float, work: Callable[[], Awaitable[None]], *, later: bool = False) -> None:
        if later:
            await asyncio.sleep(seconds)
        while True:
            await work()
            await asyncio.sleep(seconds)

    async def _refresh(self) -> None:
        try:
            await self.services.directory.refresh()
        except ProxyError as error:
            log.warning("the list of studies was not refreshed: %s", error.code)
        except Exception as error:  # the loop goes on: the next look may succeed
            log.warning("the list of studies was not refreshed", extra=describe(error))

    async def _embedded(self) -> None:
        self.services.metrics.write_embedded()

    def _endpoint(self, name: str, action: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        services = self.services
        seconds = services.metrics.seconds.labels(name)
        counters = {status: services.metrics.requests.labels(name, str(status)) for status in (200, 206, 304)}

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            person: Person | None = None
            try:
                person = await services.verifier.person(request.headers.get("authorization"))
                with services.persons.place(person.subject):
                    response = await handler(Call(services, request, person, action))
            except ProxyError as error:
                services.record(person, action, str(request.path_params.get("study", "")), error.code)
                response = answer(error)
            except Exception as error:  # a fault of this program: the caller learns nothing of it, the log its place
                log.critical("unexpected failure", extra={"route": name, **describe(error)})
                services.record(person, action, str(request.path_params.get("study", "")), "INTERNAL")
                response = answer(ProxyError(500, "INTERNAL", "this service failed"))
            response.headers.update(responses.SECURITY)
            if self.draining:
                response.headers["Connection"] = "close"
            seconds.observe(time.perf_counter() - started)
            counter = counters.get(response.status_code)
            (counter or services.metrics.requests.labels(name, str(response.status_code))).inc()
            return response

        return endpoint

    async def _alive(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def _ready(self, _: Request) -> Response:
        ready = self.services.directory.is_listed and not self.draining
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(self.services.metrics.text(), media_type="text/plain; version=0.0.4")
