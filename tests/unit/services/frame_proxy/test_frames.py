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
