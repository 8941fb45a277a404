"""The portal's part: ask the API for presigned URLs and PUT files through them, several at a time."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx

from local.demo.clients import Api

_PER_CALL = 100  # the API's limit


@dataclass(frozen=True)
class Upload:
    """A file that was put: its opaque id in the landing zone, and where it came from on this machine."""

    upload_id: str
    path: Path
    size_bytes: int
    md5: str


def upload_all(
    api: Api, files: list[Path], ca_bundle: str, progress: Callable[[int], None], workers: int = 4
) -> list[Upload]:
    """PUT each file through a presigned URL of its own; `progress` gets the number done so far."""
    done: list[Upload] = []
    with (
        httpx.Client(verify=ssl.create_default_context(cafile=ca_bundle), timeout=120) as http,
        ThreadPoolExecutor(workers) as pool,
    ):
        for some in _chunks(files, _PER_CALL):
            places = api.post("/uploads", {"count": len(some)})["uploads"]
            for upload in pool.map(lambda pair: _put(http, *pair), zip(some, places, strict=True)):
                done.append(upload)
                progress(len(done))
    return done


def _put(http: httpx.Client, path: Path, place: dict) -> Upload:
    content = path.read_bytes()
    answer = http.put(place["url"], content=content, headers=place.get("headers") or {})
    answer.raise_for_status()
    # an ETag under SSE-KMS is no MD5: the digest is kept to compare with what the archive returns
    return Upload(place["upload_id"], path, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())


def _chunks(items: list[Path], size: int) -> Iterator[list[Path]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
