"""Answers that may be asked for again or in part: entity tags, 304, 206 and 416 (RFC 9110 13, 14), multipart/related.

`private` keeps every shared cache out; `Vary: Authorization` keeps one person's answer from the next one who signs in
at the same browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.frame_proxy.errors import ProxyError
from services.frame_proxy.image_sets import Packed

# Fixed, so that the same representation is always the same bytes and a range of it stays valid. 128 random bits, so
# that no stored value holds it.
BOUNDARY: Final = "frame-proxy-2d1f4c0a7e7b4e2f9b4d6a0c53e9"
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
SECURITY: Final = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
VARY: Final = "Authorization, Accept, Accept-Encoding"


@dataclass(frozen=True)
class Representation:
    """Bytes ready to send.

    Attributes:
        head, content, tail: what the body is made of: part header, value, closing boundary (both empty if single).
        content_type: of the whole answer.
        etag: strong entity tag of the whole answer.
    """

    head: bytes
    content: bytes | memoryview
    tail: bytes
    content_type: str
    etag: str

    def body(self) -> bytes | memoryview:
        """The whole body."""
        return b"".join((self.head, self.content, self.tail)) if self.head else self.content


def part_header(content_type: str) -> bytes:
    """Start of a part. The viewer looks for `Content-Type:` spelled just so."""
    return f"--{BOUNDARY}\r\nContent-Type: {content_type}\r\n\r\n".encode()


TAIL: Final = f"\r\n--{BOUNDARY}--\r\n".encode()


def related(media_type: str, syntax: str = "") -> str:
    """Content-Type of a multipart/related answer."""
    suffix = f"; transfer-syntax={syntax}" if syntax else ""
    return f'multipart/related; type="{media_type}"; boundary={BOUNDARY}{suffix}'


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names a tag; weakly, as it must (RFC 9110 13.1.2)."""
    if not header:
        return False
    return header.strip() == "*" or etag in [one.strip().removeprefix("W/") for one in header.split(",")]


def cached_headers(etag: str, seconds: int) -> dict[str, str]:
    """Headers of an answer that a browser may keep."""
    control = f"private, max-age={seconds}, immutable" if seconds else "private, no-cache"
    return {"ETag": etag, "Cache-Control": control, "Vary": VARY, **SECURITY}


def send(request: Request, what: Representation, headers: dict[str, str]) -> Response:
    """The representation, the part of it that Range asks for, or 304. Raises ProxyError 416."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    if matches(request.headers.get("if-none-match"), what.etag):
        return Response(b"", 304, headers)
    body = what.body()
    wanted = request.headers.get("range")
    if wanted and request.headers.get("if-range", what.etag) == what.etag:
        part = byte_range(wanted, len(body))
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(body)}"
            return Response(body[part.start : part.stop], 206, headers, what.content_type)
    return Response(body, 200, headers, what.content_type)


def byte_range(header: str, length: int) -> range | None:
    """The bytes that a Range header asks for; None for one that is to be ignored (several ranges, another unit).

    Raises:
        ProxyError: 416.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < int(first):
            return None
    if start >= length or start >= stop:
        raise ProxyError(416, "RANGE", "the range lies outside")
    return range(start, stop)


def packed(request: Request, what: Packed, media_type: str, seconds: int = 0) -> Response:
    """A JSON answer, compressed if that is accepted, or 304."""
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'{what.etag[:-1]}-gzip"' if zipped else what.etag
    headers = cached_headers(etag, seconds)
    if matches(request.headers.get("if-none-match"), etag):
        return Response(b"", 304, headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(what.gzip if zipped else what.plain, 200, headers, media_type)


def multipart(parts: Iterable[tuple[str, bytes | memoryview]]) -> bytes:
    """Several parts as one body."""
    pieces: list[bytes | memoryview] = []
    for content_type, content in parts:
        pieces += [b"\r\n" if pieces else b"", part_header(content_type), content]
    return b"".join([*pieces, TAIL])
