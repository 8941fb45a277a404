"""Rendered resources (PS3.18 10.4.1.1.4): JPEG and PNG for people, drawn from the lowest resolution that is enough."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response

from services.frame_proxy import frames, negotiate, pixels, responses
from services.frame_proxy.call import Call, frame_numbers
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import bad_request, not_found
from services.frame_proxy.image_sets import Instance
from services.frame_proxy.services import Study

_THUMBNAIL: Final = 256


async def rendered(call: Call) -> Response:
    """GET .../rendered of an instance or a frame (PS3.18 10.4.1.1.4)."""
    return await _picture(call, _view(call, largest=0))


async def thumbnail(call: Call) -> Response:
    """GET .../thumbnail of a study, series, instance or frame: the middle image, small."""
    return await _picture(call, _view(call, largest=_THUMBNAIL))


async def _picture(call: Call, view: pixels.View) -> Response:
    study = await call.study()
    row, instance = await _shown(call, study)
    number = frame_numbers(call.path("frames"))[0] if call.path("frames") else (len(instance.frames) + 1) // 2 or 1
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
