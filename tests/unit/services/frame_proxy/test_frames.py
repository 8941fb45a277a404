"""Frames: the stored bytes, any lower resolution of them bit for bit, and parts by Range."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from imaging import htj2k

pytestmark = pytest.mark.anyio

PIXELS = np.random.default_rng(1).integers(-1000, 1000, (64, 80)).astype(np.int16)


def path_of(dataset: Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


def only_part(content_type: str, body: bytes) -> tuple[str, bytes]:
    """(content type, content) of the single part of a multipart answer."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = str(message.get_param("boundary")).encode()
    _, part, end = body.split(b"--" + boundary)
    assert end == b"--\r\n"
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    return head.decode(), content.removesuffix(b"\r\n")


async def test_a_frame_is_the_stored_codestream_in_the_form_the_viewer_asks_for(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    one = dataset(PIXELS)
    store.put(one)
    client = await start()
    answer = await client.get(f"{path_of(one)}/frames/1")
    head, content = only_part(answer.headers["content-type"], answer.content)
    assert head == "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.202"
    assert np.array_equal(htj2k.decode(content), PIXELS)


SHAPES = [((64, 80), "int16"), ((65, 33), "uint16"), ((40, 51), "uint8"), ((48, 47, 3), "uint8"), ((31, 64), "int8")]


def noise(shape: tuple[int, ...], kind: str) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.random.default_rng(3).integers(limits.min, limits.max, shape, endpoint=True).astype(kind)


@pytest.mark.parametrize(("shape", "kind"), SHAPES, ids=str)
async def test_every_level_is_bit_equal_to_the_reduced_decode_of_the_whole(
    start: Any, store: Any, dataset: Callable[..., Dataset], shape: tuple[int, ...], kind: str
) -> None:
    pixels = noise(shape, kind)
    one = dataset(pixels)
    store.put(one)
    client = await start()
    whole = only_part_of(await client.get(f"{path_of(one)}/frames/1"))
    listed = (await client.get(f"{path_of(one)}/frames/1/resolutions", Accept="application/json")).json()
    assert (listed["rows"], listed["columns"], listed["bytes"]) == (*shape[:2], len(whole))
    top = len(listed["resolutions"]) - 1
    for level in listed["resolutions"]:
        answer = await client.get(f"{path_of(one)}/frames/1?resolution={level['resolution']}")
        cut = only_part_of(answer)
        discarded = top - level["resolution"]
        reduced = htj2k.decode(cut, discard_levels=discarded)
        assert np.array_equal(reduced, htj2k.decode(whole, discard_levels=discarded))
        assert reduced.shape[:2] == (level["rows"], level["columns"])
        assert len(cut) == level["bytes"]
        expected = "full" if discarded == 0 else f"{level['resolution']}; {level['columns']}x{level['rows']}"
        assert answer.headers["frame-resolution"] == expected
    assert store.called("getImageFrame") == 1, "one call to the store serves every level"
    above = await client.get(f"{path_of(one)}/frames/1?resolution=32")
    assert only_part_of(above) == whole


def only_part_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.text
    return only_part(answer.headers["content-type"], answer.content)[1]


async def test_a_level_that_is_no_number_is_refused(start: Any, store: Any, dataset: Callable[..., Dataset]) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    for level in ("-1", "x", "33", "1.5"):
        assert (await client.get(f"{path_of(one)}/frames/1?resolution={level}")).status_code == 400, level


RANGES = [
    ("bytes=0-99", 206, slice(0, 100)),
    ("bytes=100-", 206, slice(100, None)),
    ("bytes=-50", 206, slice(-50, None)),
    ("bytes=8000-999999", 206, slice(8000, None)),
    ("bytes=0-0", 206, slice(0, 1)),
    ("bytes=5-2", 200, slice(None)),
    ("bytes=0-1,5-6", 200, slice(None)),
    ("bytes=-", 200, slice(None)),
    ("lines=1-2", 200, slice(None)),
]


async def test_a_range_is_that_part_of_the_whole_answer(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    url = f"{path_of(one)}/frames/1"
    whole = await client.get(url)
    for wanted, status, part in RANGES:
        answer = await client.get(url, Range=wanted)
        assert (answer.status_code, answer.content) == (status, whole.content[part]), wanted
        assert answer.headers["etag"] == whole.headers["etag"]
        if status == 206:
            first, last = part.indices(len(whole.content))[:2]
            assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(whole.content)}"
    for outside in ("bytes=999999-", "bytes=-0"):
        assert (await client.get(url, Range=outside)).status_code == 416


async def test_entity_tags_name_bytes_and_save_them(start: Any, store: Any, dataset: Callable[..., Dataset]) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    url = f"{path_of(one)}/frames/1"
    whole = await client.get(url)
    tag = whole.headers["etag"]
    again = await client.get(url, If_None_Match=f'"other", W/{tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await client.get(url, If_None_Match="*")).status_code == 304
    assert (await client.get(url, If_None_Match='"other"')).status_code == 200
    assert (await client.get(url, Range="bytes=0-9", If_Range=tag)).status_code == 206
    assert (await client.get(url, Range="bytes=0-9", If_Range='"other"')).status_code == 200
    tags = {tag, (await client.get(url, Accept="image/jphc")).headers["etag"]}
    tags |= {(await client.get(f"{url}?resolution={level}")).headers["etag"] for level in range(3)}
    assert len(tags) == 5, "each representation has a tag of its own"
    assert whole.headers["cache-control"] == "private, max-age=3600, immutable"
    assert "Authorization" in whole.headers["vary"]


FORMS = [
    ("image/jphc", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
    ("image/jph", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
    ("image/*", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
    (
        "application/octet-stream; transfer-syntax=*",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.202",
    ),
    ("application/octet-stream", "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"),
    ("text/html;q=0.9, image/jphc;q=0.1", "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"),
]


async def test_a_single_frame_comes_without_multipart_when_asked_so(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    for accept, content_type in [*FORMS, *FORMS]:  # fetched, then held
        answer = await client.get(f"{path_of(one)}/frames/1", Accept=accept)
        assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
        if content_type.endswith(".1"):
            assert answer.content == PIXELS.tobytes()
        else:
            assert np.array_equal(htj2k.decode(answer.content), PIXELS)


async def test_forms_that_are_not_to_be_had_are_not_acceptable(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    others = ["text/html", "image/jpeg", "multipart/related; type=image/png", "image/jphc; transfer-syntax=1.2.3"]
    for accept in [*others, *others]:
        assert (await client.get(f"{path_of(one)}/frames/1", Accept=accept)).status_code == 406
        await client.get(f"{path_of(one)}/frames/1")


async def test_uncompressed_frames_of_a_level_are_the_reduced_samples(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    answer = await client.get(f"{path_of(one)}/frames/1?resolution=4", Accept="application/octet-stream")
    assert answer.content == htj2k.decode(htj2k.encode(PIXELS), discard_levels=1).tobytes()


async def test_several_frames_come_as_parts_in_their_order(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    pixels = noise((3, 32, 40), "uint16")
    store.put(one := dataset(pixels, NumberOfFrames=3))
    client = await start()
    answer = await client.get(f"{path_of(one)}/frames/3,1")
    boundary = answer.headers["content-type"].split("boundary=")[1].split(";")[0].encode()
    parts = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in answer.content.split(b"--" + boundary)]
    assert [np.array_equal(htj2k.decode(part), pixels[at]) for part, at in zip(parts[1:3], (2, 0), strict=True)] == [
        True,
        True,
    ]
    assert (await client.get(f"{path_of(one)}/frames/3,1", Accept="image/jphc")).status_code == 400
    assert (await client.get(f"{path_of(one)}/frames/2,1", If_None_Match=answer.headers["etag"])).status_code == 200
    assert (await client.get(f"{path_of(one)}/frames/3,1", If_None_Match=answer.headers["etag"])).status_code == 304


async def test_frames_that_do_not_exist_are_said_so(start: Any, store: Any, dataset: Callable[..., Dataset]) -> None:
    store.put(one := dataset(PIXELS))
    client = await start()
    for frames, status in [("2", 404), ("0", 404), ("x", 400), ("1,", 400), ("1," * 200 + "1", 400)]:
        assert (await client.get(f"{path_of(one)}/frames/{frames}")).status_code == status, frames


async def test_frames_kept_in_another_syntax_come_as_they_are_or_decoded(
    start: Any, store: Any, dataset: Callable[..., Dataset]
) -> None:
    import imagecodecs
    from pydicom.encaps import encapsulate

    pixels = noise((32, 48), "uint8")
    coded = {
        "1.2.840.10008.1.2.4.50": imagecodecs.jpeg_encode(pixels, level=90),
        "1.2.840.10008.1.2.4.91": imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k"),
    }
    made = []
    for syntax, data in coded.items():
        one = dataset(pixels, syntax=syntax)
        one.PixelData = encapsulate([bytes(data)])
        one["PixelData"].is_undefined_length = True
        made.append(one)
    store.put(*made)
    client = await start()
    for one, (syntax, data) in zip(made, coded.items(), strict=True):
        url = f"{path_of(one)}/frames/1"
        stored = only_part_of(await client.get(url))
        assert stored.rstrip(b"\0") == bytes(data).rstrip(b"\0")
        assert only_part_of(await client.get(f"{url}?resolution=0")) == stored, "no prefix of it is a picture"
        decode = imagecodecs.jpeg_decode if syntax.endswith("50") else imagecodecs.jpeg2k_decode
        raw = await client.get(url, Accept="application/octet-stream")
        assert raw.content == decode(bytes(data)).tobytes()
