"""WADO-RS resources (PS3.18 10.4): metadata, frames, instances, bulk data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.responses import Response, StreamingResponse

from services.frame_proxy import bulk, frames, hot, negotiate, part10, responses
from services.frame_proxy.call import Call, frame_numbers, resolution_level
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import bad_request, not_found
from services.frame_proxy.image_sets import EXPLICIT_VR_LITTLE_ENDIAN, Instance, Packed


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


async def retrieve_frames(call: Call) -> Response:
    """GET .../frames/{numbers}[?resolution=level], whole or by Range."""
    numbers = frame_numbers(call.path("frames"))
    level = resolution_level(call.request.query_params.get("resolution"))
    study, row, instance = await call.instance()
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
    level = resolution_level(call.request.query_params.get("resolution"))
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
    numbers = frame_numbers(call.path("frames"))
    study, row, instance = await call.instance()
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
    study, row, instance = await call.instance()
    await call.audited(study.study_key, instance.image_key)
    content = await bulk.value(call.services.upstream, row, instance, call.path("path"))
    chosen = negotiate.frame(call.accept, EXPLICIT_VR_LITTLE_ENDIAN)
    headers = {"Cache-Control": "private, no-cache", "Vary": responses.VARY}
    if chosen.multipart and "multipart" in call.accept:
        kind = f"{negotiate.OCTETS}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"
        return Response(responses.multipart([(kind, content)]), 200, headers, responses.related(negotiate.OCTETS))
    return Response(content, 200, headers, negotiate.OCTETS)
