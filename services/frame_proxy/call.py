"""One request of a person who is known, and what its path and query mean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.frame_proxy.audit import Read
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import bad_request
from services.frame_proxy.identity import Person
from services.frame_proxy.image_sets import Instance
from services.frame_proxy.services import Services, Study

_MAX_FRAMES: Final = 200


@dataclass(frozen=True)
class Call:
    """One request of a person who is known."""

    services: Services
    request: Request
    person: Person
    action: str

    def path(self, name: str) -> str:
        """A part of the path, "" if the route has none of the name."""
        return str(self.request.path_params.get(name, ""))

    @property
    def accept(self) -> str:
        """What is accepted; the query parameter wins (PS3.18 8.3.3.1)."""
        return self.request.query_params.get("accept") or self.request.headers.get("accept", "")

    async def study(self) -> Study:
        """The study of the path, if it is this person's. Raises ProxyError."""
        return await self.services.study(self.person, self.path("study"))

    async def instance(self) -> tuple[Study, ImageSet, Instance]:
        """The instance of the path, with its study and image set. Raises ProxyError."""
        study = await self.study()
        row, instance = await self.services.instance(study, self.path("series"), self.path("instance"))
        return study, row, instance

    async def audited(self, study_key: str, images: str | dict[str, int] = "") -> None:
        """Audit the read that is about to be answered. Raises ProxyError 503."""
        await self.services.audit.read(Read(self.person.subject, self.action, study_key, "read"), images)


Handler = Callable[[Call], Awaitable[Response]]


@lru_cache(maxsize=4096)
def frame_numbers(text: str) -> tuple[int, ...]:
    """Frame numbers of a path. Raises ProxyError 400."""
    parts = text.split(",")
    if len(parts) > _MAX_FRAMES or not all(part.isdigit() and len(part) < 10 for part in parts):
        raise bad_request(f"frames are named by numbers from 1 on, at most {_MAX_FRAMES} at once")
    return tuple(int(part) for part in parts)


@lru_cache(maxsize=256)
def resolution_level(text: str | None) -> int | None:
    """The `resolution` parameter. Raises ProxyError 400."""
    if text is None or text == "":
        return None
    if not text.isdigit() or int(text) > 32:
        raise bad_request("resolution is a number from 0 (the smallest) on")
    return int(text)
