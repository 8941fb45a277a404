"""The short way for a frame that is held already: the same questions as on the long way, none of its machinery.

A viewer that scrolls asks for hundreds of frames a second that are in the cache. Every one is authorised and audited
by the same functions as any other request (`Verifier`, `Scope`, `permitted`, `Audit`); whatever is not at hand at once,
or is asked for in an unusual way (Range, If-None-Match, several frames), takes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final

from starlette.responses import Response

from services.frame_proxy import negotiate
from services.frame_proxy.audit import Read
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import ProxyError
from services.frame_proxy.frames import Frame, Ready
from services.frame_proxy.image_sets import Instance
from services.frame_proxy.negotiate import Chosen
from services.frame_proxy.services import Services, permitted

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_UNUSUAL: Final = frozenset({b"range", b"if-none-match"})
_LEVEL: Final = re.compile(rb"resolution=(\d{1,2})")


class HotFrames:
    """Answers GET of one cached frame."""

    def __init__(self, services: Services) -> None:
        self._services = services
        root = re.escape(services.settings.root)
        segment = "([^/]+)"
        path = f"{root}/studies/{segment}/series/{segment}/instances/{segment}/frames/([1-9][0-9]{{0,6}})"
        self._path = lru_cache(maxsize=20_000)(re.compile(path).fullmatch)
        self._count = services.metrics.requests.labels("frames", "200")

    def answer(self, scope: Scope) -> Ready | None:
        """Headers and body, or None for the long way, which also says why something is refused."""
        if scope["method"] != "GET":
            return None
        found = self._path(scope["path"])
        query: bytes = scope["query_string"]
        level = _level(query) if query else None
        if found is None or level == -1:
            return None
        headers = dict(scope["headers"])
        if not _UNUSUAL.isdisjoint(headers):
            return None
        ready = self._ready(found.groups(), level, headers)
        if ready is not None:
            self._count.inc()
        return ready

    def _ready(self, names: tuple[str, ...], level: int | None, headers: dict[bytes, bytes]) -> Ready | None:
        services = self._services
        study, series, instance, number = names
        person = services.verifier.remembered(headers.get(b"authorization", b"").decode("latin-1"))
        within = services.scope.believed(person) if person is not None else None
        rows = services.directory.held(study)
        if person is None or not (person.is_admin or within is not None):
            return None
        if not permitted(rows, None if person.is_admin else within):
            return None
        found = self._find(rows, series, instance, int(number))
        if found is None:
            return None
        one, frame = found
        ready = frame.ready.get((_chosen(headers.get(b"accept", b""), one.stored_syntax), level))
        read = Read(person.subject, "frame", rows[0].study_key, "read")
        return ready if ready is not None and services.audit.read_on(read, one.image_key) else None

    def _find(
        self, rows: tuple[ImageSet, ...], series_uid: str, uid: str, number: int
    ) -> tuple[Instance, Frame] | None:
        for row in rows:
            contents = self._services.contents.get((row.image_set_id, row.version))
            series = contents.series.get(series_uid) if contents is not None else None
            instance = series.instances.get(uid) if series is not None else None
            if instance is not None and number <= len(instance.frames):
                frame = self._services.frames.cache.get((row.image_set_id, instance.frames[number - 1]))
                return (instance, frame) if frame is not None else None
        return None


def _chosen(accept: bytes, stored_syntax: str) -> Chosen | None:
    try:
        return negotiate.frame(accept.decode("latin-1"), stored_syntax)
    except ProxyError:
        return None


@lru_cache(maxsize=64)
def _level(query: bytes) -> int:
    """Level of a query that is nothing but a level; -1 for any other."""
    found = _LEVEL.fullmatch(query)
    return int(found[1]) if found else -1


def keep(frame: Frame, chosen: Chosen, level: int | None, response: Response) -> None:
    """Remember the whole answer to a plain request, unless holding it would cost much more than the frame itself."""
    body = bytes(response.body)
    if response.status_code != 200 or (body is not frame.body and level is None):
        return
    held = sum(len(one) for _, one in frame.ready.values() if one is not frame.body)
    if body is frame.body or held + len(body) <= len(frame.body) // 2:
        frame.ready[chosen, level] = (list(response.raw_headers), body)


async def send(ready: Ready, out: Send) -> None:
    """Put the answer on the wire."""
    await out({"type": "http.response.start", "status": 200, "headers": ready[0]})
    await out({"type": "http.response.body", "body": ready[1]})
