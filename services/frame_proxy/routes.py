"""The resources of DICOMweb (PS3.18 10.4, 10.6) and how each answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.frame_proxy import bulk, frames, hot, negotiate, part10, pixels, responses, search
from services.frame_proxy.audit import Read
from services.frame_proxy.directory import ImageSet, require_listed
from services.frame_proxy.errors import bad_request, not_found
from services.frame_proxy.identity import Person
from services.frame_proxy.image_sets import EXPLICIT_VR_LITTLE_ENDIAN, Instance, Packed
from services.frame_proxy.services import Services, Study

_MAX_FRAMES: Final = 200
_THUMBNAIL: Final = 256


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

    async def audited(self, study_key: str, images: str | dict[str, int] = "") -> None:
        """Audit the read that is about to be answered. Raises ProxyError 503."""
        await self.services.audit.read(Read(self.person.subject, self.action, study_key, "read"), images)


Handler = Callable[[Call], Awaitable[Response]]


# search ----------------------------------------------------------------------------------------------------------


async def _query(call: Call) -> search.Query:
    request = call.request
    parameters = [(str(name), str(value)) for name, value in request.query_params.multi_items()]
    query = search.parse(parameters, identifying_allowed=call.services.settings.identifying_search_keys)
    if request.method != "POST":
        return query
    form = await request.form()
    fields = [(str(name), str(value)) for name, value in form.multi_items()]
    return search.parse([*parameters, *fields], identifying_allowed=True)


def _found(call: Call, objects: list[dict[str, Any]]) -> Response:
    return responses.packed(call.request, Packed(orjson.dumps(objects)), negotiate.json_type(call.accept))


async def search_studies(call: Call) -> Response:
    """GET or POST /studies."""
    query = await _query(call)
    require_listed(call.services.directory)
    url = call.services.studies_url
    visible = await call.services.visible(call.person)
    objects = [search.study(rows, f"{url}/{rows[0].study_uid}") for rows in visible]
    objects.sort(key=lambda one: (_first(one, "00080020"), _first(one, "00080030")), reverse=True)
    found = search.matched(query, objects, search.STUDY_KEYS)
    await call.audited(
        "", {call.services.pseudonymizer.pseudonym("study", _first(one, "0020000D")): 1 for one in found}
    )
    return _found(call, found)


async def search_series(call: Call) -> Response:
    """GET or POST /series, /studies/{study}/series."""
    query = await _query(call)
    url = call.services.studies_url
    if not call.path("study"):
        require_listed(call.services.directory)
        rows = [row for rows in await call.services.visible(call.person) for row in rows]
        objects = [search.series_of_row(row, _series_url(url, row)) for row in rows]
        found = search.matched(query, objects, search.ROW_SERIES_KEYS)
        await call.audited("", {row.study_key: 1 for row in rows})
        return _found(call, found)
    study = await call.study()
    every = await call.services.all_series(study)
    objects = [
        search.series(
            next(iter(one.instances.values())),
            len(one.instances),
            f"{url}/{study.uid}/series/{one.uid}",
            query.fields or frozenset(),
        )
        for _, one in every
        if one.instances
    ]
    found = search.matched(query, objects, search.SERIES_KEYS)
    await call.audited(study.study_key)
    return _found(call, found)


async def search_instances(call: Call) -> Response:
    """GET or POST /studies/{study}/instances, /studies/{study}/series/{series}/instances."""
    query = await _query(call)
    study = await call.study()
    pairs = (
        await call.services.series(study, call.path("series"))
        if call.path("series")
        else await call.services.all_series(study)
    )
    url = f"{call.services.studies_url}/{study.uid}/series"
    objects = [
        search.instance(each, f"{url}/{one.uid}/instances/{each.uid}", query.fields)
        for _, one in pairs
        for each in one.instances.values()
    ]
    found = search.matched(query, objects, search.INSTANCE_KEYS)
    await call.audited(study.study_key)
    return _found(call, found)


def _series_url(url: str, row: ImageSet) -> str:
    return f"{url}/{row.study_uid}/series/{row.tags.get('DICOMSeriesInstanceUID', '')}"


def _first(one: dict[str, Any], tag: str) -> str:
    values: list[Any] = one.get(tag, {}).get("Value") or [""]
    return str(values[0])


# metadata --------------------------------------------------------------------------------------------------------


async def metadata(call: Call) -> Response:
    """GET .../metadata of a study, a series or an instance."""
    media_type = negotiate.json_type(call.accept)
    study = await call.study()
    series_uid, instance_uid = call.path("series"), call.path("instance")
    if instance_uid:
        _, instance = await call.services.instance(study, series_uid, instance_uid)
        await call.audited(study.study_key, instance.image_key)
        return responses.packed(call.request, Packed(b"[" + instance.json + b"]"), media_type)
    pairs = await (call.services.series(study, series_uid) if series_uid else call.services.all_series(study))
    await call.audited(study.study_key)
    if len(pairs) == 1:
        what = pairs[0][1].metadata
        if "gzip" in call.request.headers.get("accept-encoding", "") and "gzip" not in what.__dict__:
            await asyncio.to_thread(lambda: what.gzip)
        return responses.packed(call.request, what, media_type)
    whole = b"[" + b",".join(one.metadata.plain[1:-1] for _, one in pairs if one.instances) + b"]"
    return await asyncio.to_thread(responses.packed, call.request, Packed(whole), media_type)


# frames ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _numbers(text: str) -> tuple[int, ...]:
    """Frame numbers of a path. Raises ProxyError 400."""
    parts = text.split(",")
    if len(parts) > _MAX_FRAMES or not all(part.isdigit() and len(part) < 10 for part in parts):
        raise bad_request(f"frames are named by numbers from 1 on, at most {_MAX_FRAMES} at once")
    return tuple(int(part) for part in parts)


@lru_cache(maxsize=256)
def _level(text: str | None) -> int | None:
    """The `resolution` parameter. Raises ProxyError 400."""
    if text is None or text == "":
        return None
    if not text.isdigit() or int(text) > 32:
        raise bad_request("resolution is a number from 0 (the smallest) on")
    return int(text)


async def _instance(call: Call) -> tuple[Study, ImageSet, Instance]:
    study = await call.study()
    row, instance = await call.services.instance(study, call.path("series"), call.path("instance"))
    return study, row, instance


async def retrieve_frames(call: Call) -> Response:
    """GET .../frames/{numbers}[?resolution=level], whole or by Range."""
    numbers = _numbers(call.path("frames"))
    level = _level(call.request.query_params.get("resolution"))
    study, row, instance = await _instance(call)
    chosen = negotiate.frame(call.accept, instance.stored_syntax)
    if any(not 1 <= number <= len(instance.frames) for number in numbers):
        raise not_found("the instance has no such frame")
    await call.audited(study.study_key, instance.image_key)
    seconds = call.services.settings.browser_cache_seconds
    headers = responses.cached_headers(frames.entity_tag(instance, numbers, chosen, level), seconds)
    if responses.matches(call.request.headers.get("if-none-match"), headers["ETag"]):
        return Response(b"", 304, headers)
    number, *others = numbers
    if others:
        return await _several(call, row, instance, numbers, headers)
    frame = await call.services.frames.get(row.image_set_id, instance, number)
    what = await frames.representation(frame, instance, number, chosen, level)
    if level is not None:
        shown = frame.at(level)
        headers["Frame-Resolution"] = "full" if shown is None else f"{shown.level}; {shown.columns}x{shown.rows}"
    response = responses.send(call.request, what, headers)
    hot.keep(frame, chosen, level, response)
    return response


async def _several(
    call: Call, row: ImageSet, instance: Instance, numbers: tuple[int, ...], headers: dict[str, str]
) -> Response:
    """Several frames as one multipart answer, sent as they come."""
    level = _level(call.request.query_params.get("resolution"))
    chosen = negotiate.frame(call.accept, instance.stored_syntax)
    if not chosen.multipart:
        raise bad_request("several frames are only to be had as multipart/related")
    own = f"{chosen.media_type}; transfer-syntax={chosen.syntax}"

    async def content(number: int) -> bytes | memoryview:
        frame = await call.services.frames.get(row.image_set_id, instance, number)
        return await frames.content_of(frame, instance, chosen, level)

    first = await content(numbers[0])  # what upstream refuses is answered by a status, not by a broken body

    async def body() -> AsyncIterator[bytes]:
        yield b"".join((responses.part_header(own), first))
        for number in numbers[1:]:
            yield b"".join((b"\r\n", responses.part_header(own), await content(number)))
        yield responses.TAIL

    return StreamingResponse(body(), 200, headers, responses.related(chosen.media_type, chosen.syntax))


async def list_resolutions(call: Call) -> Response:
    """GET .../frames/{number}/resolutions: what `resolution` may be and what it costs."""
    numbers = _numbers(call.path("frames"))
    study, row, instance = await _instance(call)
    await call.audited(study.study_key, instance.image_key)
    frame = await call.services.frames.get(row.image_set_id, instance, numbers[0])
    listed = [
        {"resolution": one.level, "columns": one.columns, "rows": one.rows, "bytes": one.end + 2, "end": one.end}
        for one in frame.resolutions
    ]
    body = {
        "transferSyntaxUID": instance.stored_syntax,
        "columns": instance.columns,
        "rows": instance.rows,
        "bytes": len(frame.data),
        "resolutions": listed,
    }
    return responses.packed(call.request, Packed(orjson.dumps(body)), "application/json")


# instances -------------------------------------------------------------------------------------------------------


async def retrieve_instances(call: Call) -> Response:
    """GET of a study, a series or an instance: Part 10 files, one at a time."""
    study = await call.study()
    series_uid, instance_uid = call.path("series"), call.path("instance")
    if instance_uid:
        row, one = await call.services.instance(study, series_uid, instance_uid)
        wanted = [(row, one)]
    else:
        pairs = await (call.services.series(study, series_uid) if series_uid else call.services.all_series(study))
        wanted = [(row, one) for row, series in pairs for one in series.instances.values()]
    chosen = [negotiate.instance(call.accept, one.stored_syntax) for _, one in wanted]
    await call.audited(study.study_key, {one.image_key: 1 for _, one in wanted})
    first = await _file(call, *wanted[0], chosen[0].syntax)
    kind = f"{negotiate.DICOM}; transfer-syntax={chosen[0].syntax}"
    headers = {"Cache-Control": "private, no-cache", "Vary": responses.VARY}
    if len(wanted) == 1 and not chosen[0].multipart:
        return Response(first, 200, headers, kind)

    async def body() -> AsyncIterator[bytes]:
        yield responses.part_header(kind) + first
        for (row, one), how in zip(wanted[1:], chosen[1:], strict=True):
            header = responses.part_header(f"{negotiate.DICOM}; transfer-syntax={how.syntax}")
            yield b"\r\n" + header + await _file(call, row, one, how.syntax)
        yield responses.TAIL

    return StreamingResponse(body(), 200, headers, responses.related(negotiate.DICOM))


async def _file(call: Call, row: ImageSet, instance: Instance, syntax: str) -> bytes:
    services = call.services

    async def fetch(uri: str) -> bytes:
        path = uri.split("/bulkdata/", 1)[-1]
        return await bulk.value(services.upstream, row, instance, path)

    attributes = await part10.inlined(instance.attributes(), fetch)
    chosen = negotiate.Chosen(negotiate.OCTETS, syntax, multipart=False)
    contents = [
        await frames.content_of(await services.frames.get(row.image_set_id, instance, number), instance, chosen, None)
        for number in range(1, len(instance.frames) + 1)
    ]
    return await asyncio.to_thread(part10.write, attributes, instance, contents, syntax)


async def retrieve_bulk_data(call: Call) -> Response:
    """GET .../bulkdata/{path}."""
    study, row, instance = await _instance(call)
    await call.audited(study.study_key, instance.image_key)
    content = await bulk.value(call.services.upstream, row, instance, call.path("path"))
    chosen = negotiate.frame(call.accept, EXPLICIT_VR_LITTLE_ENDIAN)
    headers = {"Cache-Control": "private, no-cache", "Vary": responses.VARY}
    if chosen.multipart and "multipart" in call.accept:
        kind = f"{negotiate.OCTETS}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"
        return Response(responses.multipart([(kind, content)]), 200, headers, responses.related(negotiate.OCTETS))
    return Response(content, 200, headers, negotiate.OCTETS)


# pictures --------------------------------------------------------------------------------------------------------


async def rendered(call: Call) -> Response:
    """GET .../rendered of an instance or a frame (PS3.18 10.4.1.1.4)."""
    return await _picture(call, _view(call, largest=0))


async def thumbnail(call: Call) -> Response:
    """GET .../thumbnail of a study, series, instance or frame: the middle image, small."""
    return await _picture(call, _view(call, largest=_THUMBNAIL))


async def _picture(call: Call, view: pixels.View) -> Response:
    study = await call.study()
    row, instance = await _shown(call, study)
    number = _numbers(call.path("frames"))[0] if call.path("frames") else (len(instance.frames) + 1) // 2 or 1
    await call.audited(study.study_key, instance.image_key)
    frame = await call.services.frames.get(row.image_set_id, instance, number)
    level = _enough(frame, view)

    def draw() -> bytes:
        return pixels.render(frames.decoded(frame, instance, level), instance.attributes(), view)

    headers = {"Cache-Control": "private, no-cache", "Vary": responses.VARY}
    return Response(await asyncio.to_thread(draw), 200, headers, view.media_type)


async def _shown(call: Call, study: Study) -> tuple[ImageSet, Instance]:
    """The instance of the path, else the middle one of the first series with frames."""
    series_uid, uid = call.path("series"), call.path("instance")
    if uid:
        return await call.services.instance(study, series_uid, uid)
    pairs = await (call.services.series(study, series_uid) if series_uid else call.services.all_series(study))
    for row, series in pairs:
        with_frames = [one for one in series.instances.values() if one.frames]
        if with_frames:
            return row, with_frames[len(with_frames) // 2]
    raise not_found("there is no picture in it")


def _enough(frame: frames.Frame, view: pixels.View) -> int | None:
    """The lowest level that is not smaller than the view."""
    if not view.width and not view.height:
        return None
    for one in frame.resolutions:
        if one.columns >= view.width and one.rows >= view.height:
            return one.level
    return None


def _view(call: Call, *, largest: int) -> pixels.View:
    """Rendering parameters (PS3.18 8.3.5.1). Raises ProxyError 400 or 406."""
    query = call.request.query_params
    media_type = negotiate.one_of(call.accept, ("image/jpeg", "image/png"))
    try:
        viewport = [int(part) for part in query.get("viewport", f"{largest},{largest}").split(",")[:2]]
        window = query.get("window", "").split(",")
        centre, width = (float(window[0]), float(window[1])) if window != [""] else (None, None)
        quality = int(query.get("quality", "90"))
    except (ValueError, IndexError):
        raise bad_request("viewport, window or quality is not as PS3.18 8.3.5.1 has it") from None
    if len(viewport) != 2 or min(viewport) < 0 or max(viewport) > 16384 or not 1 <= quality <= 100:
        raise bad_request("viewport or quality is out of bounds")
    if width is not None and not width > 0:
        raise bad_request("the width of a window is positive")
    return pixels.View(
        width=viewport[0],
        height=viewport[1],
        centre=centre,
        width_of_window=width,
        media_type=media_type,
        quality=quality,
    )
