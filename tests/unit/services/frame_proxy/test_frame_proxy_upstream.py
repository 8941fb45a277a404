"""What the image store refuses, throttles or breaks reaches the reader as it is, and never as a wrong image."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from pydicom.dataset import Dataset

from services.frame_proxy.errors import ProxyError
from services.frame_proxy.gate import PersonGate, UpstreamGate

pytestmark = pytest.mark.anyio

PIXELS = np.random.default_rng(5).integers(-900, 900, (64, 64)).astype(np.int16)


def frame_of(dataset: Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}/frames/1"


def only(operation: str, answer: Callable[[], Any]) -> Callable[[str], Any]:
    """A fault of one operation."""
    return lambda path: answer() if path.endswith(operation) else None


REFUSALS = {
    "403": (lambda: web.Response(status=403), 403, "UPSTREAM_REFUSED"),
    "404": (lambda: web.Response(status=404), 404, "UPSTREAM_NOT_FOUND"),
    "429": (lambda: web.Response(status=429, headers={"Retry-After": "7"}), 429, "UPSTREAM_THROTTLED"),
    "503": (lambda: web.Response(status=503), 429, "UPSTREAM_THROTTLED"),
    "500": (lambda: web.Response(status=500), 502, "UPSTREAM_FAILED"),
    "empty": (lambda: web.Response(body=b""), 502, "UPSTREAM_FRAME"),
    "junk": (lambda: web.Response(body=b"<html>busy</html>"), 502, "UPSTREAM_FRAME"),
}


@pytest.mark.parametrize(("fault", "status", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_of_the_store_is_passed_on_and_not_kept(  # noqa: PLR0917
    start: Any, store: Any, dataset: Any, fault: Any, status: int, code: str
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    store.fault = only("getImageFrame", fault)
    answer = await client.get(frame_of(one))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 429:
        assert answer.headers["retry-after"] in ("7", "1")
    store.fault = lambda path: None
    client.app.services.upstream._gate._closed_until = 0
    assert (await client.get(frame_of(one))).status_code == 200


async def test_a_frame_that_is_not_whole_or_not_the_instances_is_never_shown(
    start: Any, store: Any, dataset: Any
) -> None:
    store.put(one := dataset(PIXELS), other := dataset(PIXELS[:32]))
    client = await start()
    whole = (await client.get(frame_of(one), Accept="image/jphc")).content
    small = (await client.get(frame_of(other), Accept="image/jphc")).content
    client.app.services.frames.cache._held.clear()
    for wrong in (whole[:-1], whole[: len(whole) // 2], whole[: len(whole) // 2] + b"\xff\xd9", small):
        store.fault = only("getImageFrame", lambda wrong=wrong: web.Response(body=wrong))
        for query in ("", "?resolution=0", "?resolution=3"):
            answer = await client.get(frame_of(one) + query)
            assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_FRAME")


async def test_while_the_store_throttles_nothing_more_is_asked_of_it(start: Any, store: Any, dataset: Any) -> None:
    made = [dataset(PIXELS) for _ in range(6)]
    store.put(*made)
    client = await start(upstream_concurrency=1)
    assert (await client.get(frame_of(made[0]))).status_code == 200
    store.fault = only("getImageFrame", lambda: web.Response(status=429, headers={"Retry-After": "30"}))
    before = store.called("getImageFrame")
    answers = await asyncio.gather(*(client.get(frame_of(one)) for one in made))
    assert [answer.status_code for answer in answers].count(429) == 5
    assert {answer.headers.get("retry-after") for answer in answers} == {None, "30"}
    assert answers[0].status_code == 200, "what is held is still shown"
    assert store.called("getImageFrame") == before + 1


async def test_a_store_that_breaks_off_or_does_not_answer_is_a_bad_gateway(
    start: Any, store: Any, dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aiohttp

    from services.frame_proxy import healthimaging

    store.put(one := dataset(PIXELS))
    monkeypatch.setattr(healthimaging, "_TIMEOUT", aiohttp.ClientTimeout(total=0.3))
    client = await start()

    async def never() -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    store.fault = only("getImageFrame", never)
    assert (await client.get(frame_of(one))).status_code == 504
    client.app.services.upstream._base = "http://127.0.0.1:9"
    answer = await client.get(frame_of(one))
    assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_UNREACHABLE")


METADATA = {
    "not gzip": b"\x1f\x8bjunk",
    "cut": gzip.compress(b"{}" * 1000)[:-9],
    "not JSON": b"nonsense",
    "no study": b'{"Patient": {"DICOM": {}}}',
    "no UID": b'{"ImageSetID": "x", "Patient": {"DICOM": {}}, "Study": {"DICOM": {}, "Series": {}}}',
}


async def test_metadata_that_cannot_be_read_is_said_so(start: Any, store: Any, dataset: Any) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    for name, body in METADATA.items():
        store.fault = only("getImageSetMetadata", lambda body=body: web.Response(body=body))
        answer = await client.get(frame_of(one))
        assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_METADATA"), name
    import json as module

    plain = module.dumps(module.loads(gzip.decompress(await _metadata(client, store))))
    store.fault = only("getImageSetMetadata", lambda: web.Response(body=plain.encode()))
    assert (await client.get(frame_of(one))).status_code == 200, "also without gzip"


async def _metadata(client: Any, store: Any) -> bytes:
    (row,) = client.app.services.directory.held("1.2.826.0.1.1")
    path = f"/datastore/{store.id}/imageSet/{row.image_set_id}/getImageSetMetadata"
    return store.service.handle("POST", path, {}, b"")[2]


async def test_calls_are_signed_and_one_fetch_serves_all_who_ask_at_once(start: Any, store: Any, dataset: Any) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    answers = await asyncio.gather(*(client.get(frame_of(one)) for _ in range(25)))
    assert {answer.status_code for answer in answers} == {200}
    assert store.called("getImageFrame") == store.called("getImageSetMetadata") == 1
    signed = [headers["Authorization"] for headers in store.headers]
    assert all(one.startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/") for one in signed)
    assert all("/us-east-1/medical-imaging/aws4_request" in one for one in signed)


async def test_the_cache_stays_within_its_bound(start: Any, store: Any, dataset: Any) -> None:
    made = [dataset(PIXELS + number) for number in range(8)]
    store.put(*made)
    client = await start(frame_cache_bytes=40_000)
    cache = client.app.services.frames.cache
    for _ in range(2):
        for one in made:
            assert (await client.get(frame_of(one))).status_code == 200
            assert cache.bytes <= 40_000
    assert cache.evictions > 0
    assert 0 < len(cache) < 8
    client = await start(frame_cache_bytes=0)
    assert (await client.get(frame_of(made[0]))).status_code == 200, "too large to be kept is shown all the same"


async def test_the_upstream_gate_lets_so_many_through_and_so_many_wait() -> None:
    now = 0.0
    gate = UpstreamGate(1, 1, clock=lambda: now)
    release = asyncio.Event()

    async def call() -> str:
        try:
            async with gate.place():
                await release.wait()
                return "done"
        except ProxyError as error:
            return error.code

    tasks = [asyncio.ensure_future(call()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (gate.running, gate.waiting) == (1, 1)
    gate.close_for(5)
    release.set()
    assert sorted(await asyncio.gather(*tasks)) == ["BUSY", "UPSTREAM_THROTTLED", "done"]
    assert await call() == "UPSTREAM_THROTTLED"
    now = 5.0
    assert await call() == "done"
    assert (gate.running, gate.waiting) == (0, 0)


def test_one_person_cannot_take_every_place() -> None:
    gate = PersonGate(2)
    with gate.place("one"), gate.place("one"), gate.place("two"):
        with pytest.raises(ProxyError) as refused, gate.place("one"):
            pytest.fail("a third place")
        assert (refused.value.status, refused.value.retry_after) == (429, 1)
    with gate.place("one"):
        assert gate._running == {"one": 1}


async def test_a_new_version_of_an_image_set_is_shown_and_the_old_one_is_not(
    start: Any, store: Any, dataset: Any
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    before = await client.get(frame_of(one))
    store.put(dataset(PIXELS + 1, SOPInstanceUID=str(one.SOPInstanceUID)))
    await client.app.services.directory.refresh()
    after = await client.get(frame_of(one))
    assert after.status_code == 200
    assert before.headers["etag"] != after.headers["etag"]
    assert before.content != after.content


async def test_a_study_that_comes_in_later_is_found_by_its_uid_and_a_removed_one_goes(
    start: Any, store: Any, dataset: Any
) -> None:
    client = await start(directory_seconds=3600)
    store.put(one := dataset(PIXELS))
    assert (await client.get(frame_of(one))).status_code == 200
    directory = client.app.services.directory
    (row,) = directory.held(str(one.StudyInstanceUID))
    assert directory.held(row.study_key) == (row,), "the pseudonym names it too"
    store.service.handle("POST", f"/datastore/{store.id}/imageSet/{row.image_set_id}/deleteImageSet", {}, b"")
    directory._listed = 0
    await directory.refresh()
    assert len(directory) == 0
    assert (await client.get(frame_of(one))).status_code == 403


async def test_the_list_survives_a_store_that_does_not_answer(start: Any, store: Any, dataset: Any) -> None:
    store.put(dataset(PIXELS))
    client = await start()
    for fault in (lambda: web.Response(status=500), lambda: web.Response(body=b"[]")):
        store.fault = only("searchImageSets", fault)
        await client.app._refresh()
        assert len(client.app.services.directory) == 1
