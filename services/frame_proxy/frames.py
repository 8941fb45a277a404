"""Frames: fetched once, proven whole, kept for everybody, cut at a resolution when that is all that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from imaging.codestream import (
    CodestreamError,
    MainHeader,
    NotProgressiveError,
    Resolution,
    is_whole,
    prefix,
    read_main_header,
    resolutions,
)
from services.frame_proxy import pixels, responses
from services.frame_proxy.cache import SharedCache
from services.frame_proxy.errors import ProxyError
from services.frame_proxy.image_sets import EXPLICIT_VR_LITTLE_ENDIAN, Instance
from services.frame_proxy.negotiate import OCTETS, Chosen
from services.frame_proxy.responses import Representation

HTJ2K: Final = frozenset({"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"})
_FRAME_OVERHEAD: Final = 2_000


class FrameSource(Protocol):
    """What this needs of HealthImaging."""

    def frame(self, image_set: str, frame: str) -> Awaitable[bytes]:
        """One stored frame."""
        ...


@dataclass(frozen=True)
class Frame:
    """A stored frame, held once, within the multipart body that viewers ask for.

    Attributes:
        body: multipart/related body with the frame as octets of its own syntax; not printed.
        resolutions: lowest first; empty when no prefix of it is a picture.
        ready: raw headers and bodies made before, for `hot`.
    """

    body: bytes = field(repr=False)
    start: int
    resolutions: tuple[Resolution, ...]
    ready: dict[tuple[Chosen | None, int | None], Ready] = field(
        default_factory=dict[tuple["Chosen | None", "int | None"], "Ready"]
    )

    @classmethod
    def of(cls, data: bytes, syntax: str, resolutions: tuple[Resolution, ...] = ()) -> Frame:
        """Hold the bytes of a frame."""
        head = _described(Chosen(OCTETS, syntax, multipart=True))[0]
        return cls(b"".join((head, data, responses.TAIL)), len(head), resolutions)

    @property
    def data(self) -> memoryview:
        """The bytes as they are stored."""
        return memoryview(self.body)[self.start : -len(responses.TAIL)]

    def at(self, level: int | None) -> Resolution | None:
        """The resolution of a level; None for the whole frame, also when there is no such lower one."""
        if level is None or level >= len(self.resolutions) - 1:
            return None
        return self.resolutions[level]

    def cut(self, level: int | None) -> bytes | memoryview:
        """The codestream of a level, ended properly."""
        resolution = self.at(level)
        return self.data if resolution is None else prefix(self.data, resolution)


class Frames:
    """Frames of every image set that is read."""

    def __init__(self, upstream: FrameSource, limit_bytes: int) -> None:
        self._upstream = upstream
        self.cache: SharedCache[tuple[str, str], Frame] = SharedCache(
            limit_bytes,
            lambda frame: len(frame.body) * 3 // 2 + _FRAME_OVERHEAD,  # with what `hot` keeps ready
        )

    async def get(self, image_set: str, instance: Instance, number: int) -> Frame:
        """Frame `number`, from 1 on (PS3.18 10.4.1).

        Raises:
            ProxyError: 404 for no such frame; what upstream refused; 502 for a frame that is not whole.
        """
        if not 1 <= number <= len(instance.frames):
            raise ProxyError(404, "NO_SUCH_FRAME", "the instance has no such frame")
        name = instance.frames[number - 1]
        held = self.cache.get((image_set, name))
        if held is not None:
            return held
        return await self.cache.load((image_set, name), lambda: self._fetch(image_set, instance, name))

    async def _fetch(self, image_set: str, instance: Instance, name: str) -> Frame:
        data = await self._upstream.frame(image_set, name)
        if instance.stored_syntax not in HTJ2K:
            if not data:
                raise ProxyError(502, "UPSTREAM_FRAME", "the image store sent an empty frame", retry_after=1)
            return Frame.of(data, instance.stored_syntax)
        return Frame.of(data, instance.stored_syntax, levels_of(data, instance))


def levels_of(data: bytes, instance: Instance) -> tuple[Resolution, ...]:
    """Resolutions of an HTJ2K frame; empty when its prefixes are no pictures.

    Raises:
        ProxyError: 502, the frame is cut short or is not the instance's. A decoder might show it all the same.
    """
    try:
        header = read_main_header(data)
    except CodestreamError as error:
        raise ProxyError(502, "UPSTREAM_FRAME", "the image store sent no readable frame", retry_after=1) from error
    if not is_whole(header, data) or not _fits(header, instance):
        raise ProxyError(502, "UPSTREAM_FRAME", "the image store sent a frame that is not whole", retry_after=1)
    try:
        return resolutions(header)
    except NotProgressiveError:
        return ()


def _fits(header: MainHeader, instance: Instance) -> bool:
    size = (header.bottom - header.top, header.right - header.left, header.components)
    return size == (instance.rows, instance.columns, instance.samples)


@lru_cache(maxsize=256)
def _described(chosen: Chosen) -> tuple[bytes, str, str]:
    """(part header, content type of the answer, short name for the entity tag)."""
    own = f"{chosen.media_type}; transfer-syntax={chosen.syntax}"
    name = f"{chosen.syntax.rsplit('.', 1)[-1]}{chosen.media_type[0]}{'m' if chosen.multipart else 's'}"
    if not chosen.multipart:
        return b"", own, name
    return responses.part_header(own), responses.related(chosen.media_type, chosen.syntax), name


def entity_tag(instance: Instance, numbers: tuple[int, ...], chosen: Chosen, level: int | None) -> str:
    """Entity tag of frames in a representation, told without having the frames: their ids name their bytes."""
    names = "+".join(instance.frames[number - 1] for number in numbers)
    return f'"{names}.{"whole" if level is None else level}.{_described(chosen)[2]}"'


Ready = tuple[list[tuple[bytes, bytes]], bytes]


async def representation(
    frame: Frame, instance: Instance, number: int, chosen: Chosen, level: int | None
) -> Representation:
    """One frame as it was asked for. Raises ProxyError 406."""
    head, content_type, _ = _described(chosen)
    if chosen == Chosen(OCTETS, instance.stored_syntax, multipart=True) and frame.at(level) is None:
        tag = entity_tag(instance, (number,), chosen, level)
        return Representation(b"", frame.body, b"", content_type, tag)
    content = await content_of(frame, instance, chosen, level)
    tag = entity_tag(instance, (number,), chosen, level)
    return Representation(head, content, responses.TAIL if chosen.multipart else b"", content_type, tag)


async def content_of(frame: Frame, instance: Instance, chosen: Chosen, level: int | None) -> bytes | memoryview:
    """Bytes of a frame in the chosen syntax."""
    if chosen.syntax == instance.stored_syntax:
        return frame.cut(level)
    if chosen.syntax != EXPLICIT_VR_LITTLE_ENDIAN:
        raise ProxyError(406, "NOT_ACCEPTABLE", "the frame is not to be had in that transfer syntax")
    samples = await asyncio.to_thread(decoded, frame, instance, level)
    return pixels.native(samples)


def decoded(frame: Frame, instance: Instance, level: int | None) -> pixels.Samples:
    """Samples of a frame at a level; called off the event loop. Raises ProxyError 406."""
    resolution = frame.at(level)
    discard = len(frame.resolutions) - 1 - resolution.level if resolution is not None else 0
    return pixels.decode(frame.cut(level), instance, discard)
