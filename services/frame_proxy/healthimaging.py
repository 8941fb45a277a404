"""HealthImaging's data API over pooled connections, signed with Signature Version 4.

GetImageFrame and GetImageSetMetadata of the native API rather than the DICOMweb host: its quotas are 1,000 and 50 calls
a second against 50 for all of WADO-RS together.
"""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, Protocol

import aiohttp
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from services.frame_proxy.errors import ProxyError
from services.frame_proxy.gate import UpstreamGate

SERVICE: Final = "medical-imaging"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5, sock_read=20)
_PAGE: Final = 50
_DEFAULT_PAUSE_SECONDS: Final = 1
_MAX_METADATA_BYTES: Final = 512 * 1024 * 1024
_THROTTLED: Final = frozenset({429, 503})

Document = dict[str, Any]


class Credentials(Protocol):
    """What botocore's credential objects offer."""

    def get_frozen_credentials(self) -> Any:
        """A set of keys that belong together; may refresh, which takes a call: run it off the event loop."""
        ...


class HealthImaging:
    """The four operations that reading needs."""

    def __init__(
        self,
        *,
        datastore_id: str,
        region: str,
        endpoint_url: str,
        dicomweb_endpoint_url: str,
        ca_bundle: str,
        credentials: Credentials,
        gate: UpstreamGate,
        observe: Callable[[str, int, float], None],
    ) -> None:
        self._base = (endpoint_url or f"https://runtime-{SERVICE}.{region}.amazonaws.com").rstrip("/")
        self._dicomweb = (dicomweb_endpoint_url or f"https://dicom-{SERVICE}.{region}.amazonaws.com").rstrip("/")
        self._datastore = datastore_id
        self._region = region
        self._tls = ssl.create_default_context(cafile=ca_bundle or None)
        self._credentials = credentials
        self._frozen: tuple[float, Any] = (float("-inf"), None)
        self._gate = gate
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool of connections; they are kept for as long as upstream keeps them."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls, keepalive_timeout=75, ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def frame(self, image_set: str, frame: str) -> bytes:
        """One image frame as it is stored. Raises ProxyError."""
        path = f"/datastore/{self._datastore}/imageSet/{image_set}/getImageFrame"
        body, _ = await self._call("GetImageFrame", "POST", self._base + path, {"imageFrameId": frame})
        return body

    async def metadata(self, image_set: str, version: int) -> Document:
        """The metadata document of one version of an image set. Raises ProxyError."""
        path = f"/datastore/{self._datastore}/imageSet/{image_set}/getImageSetMetadata"
        body, headers = await self._call(
            "GetImageSetMetadata", "POST", self._base + path, None, query={"version": str(version)}
        )
        return await asyncio.to_thread(_unpack, body, headers.get("Content-Encoding", ""))

    async def search(self, criteria: Document) -> AsyncGenerator[Document]:
        """Summaries of every image set that meets the criteria, page by page. Raises ProxyError."""
        token = ""
        while True:
            query = {"maxResults": str(_PAGE), **({"nextToken": token} if token else {})}
            body, _ = await self._call(
                "SearchImageSets",
                "POST",
                f"{self._base}/datastore/{self._datastore}/searchImageSets",
                criteria,
                query=query,
            )
            page = orjson.loads(body)
            for summary in page["imageSetsMetadataSummaries"]:
                yield summary
            token = page.get("nextToken") or ""
            if not token:
                return

    async def bulk_data(self, study: str, series: str, instance: str, name: str) -> bytes:
        """A value that HealthImaging keeps apart from the metadata (DICOMweb host, quota of WADO-RS).

        Raises ProxyError.
        """
        path = f"/datastore/{self._datastore}/studies/{study}/series/{series}/instances/{instance}/bulkdata/{name}"
        body, _ = await self._call("GetDICOMBulkdata", "GET", self._dicomweb + path, None)
        return body

    async def _call(
        self, operation: str, method: str, url: str, body: Document | None, query: dict[str, str] | None = None
    ) -> tuple[bytes, Any]:
        if self._session is None:
            raise ProxyError(503, "NOT_STARTED", "the service is starting", retry_after=1)
        async with self._gate.place():
            started = time.monotonic()
            status = 0
            try:
                request = await self._signed(method, url, b"" if body is None else orjson.dumps(body), query or {})
                async with self._session.request(
                    method, request.url, params=request.params, data=request.data, headers=dict(request.headers)
                ) as answer:
                    status = answer.status
                    content = await answer.read()
                    if status != 200:
                        raise self._failure(status, answer.headers)
                    return content, answer.headers
            except TimeoutError as error:
                raise ProxyError(504, "UPSTREAM_TIMEOUT", "the image store did not answer in time") from error
            except (aiohttp.ClientError, OSError) as error:
                raise ProxyError(502, "UPSTREAM_UNREACHABLE", "the image store broke off", retry_after=1) from error
            finally:
                self._observe(operation, status, time.monotonic() - started)

    async def _signed(self, method: str, url: str, body: bytes, query: dict[str, str]) -> Any:
        now = time.monotonic()
        if now - self._frozen[0] > 60:  # botocore refreshes keys minutes before they end; asking again is cheap
            try:
                self._frozen = (now, await asyncio.to_thread(self._credentials.get_frozen_credentials))
            except BotoCoreError as error:
                raise ProxyError(503, "NO_CREDENTIALS", "the image store cannot be asked now", retry_after=5) from error
        headers = {"Content-Type": "application/json"} if body else {}
        request = AWSRequest(method=method, url=url, data=body, params=query, headers=headers)
        SigV4Auth(self._frozen[1], SERVICE, self._region).add_auth(request)
        return request

    def _failure(self, status: int, headers: Any) -> ProxyError:
        """Upstream's refusal as ours: 403, 404 and 429 stay what they are."""
        if status in _THROTTLED:
            pause = _retry_after(headers.get("Retry-After"))
            self._gate.close_for(pause)
            return ProxyError(429, "UPSTREAM_THROTTLED", "the image store asks to wait", retry_after=pause)
        if status == 404:
            return ProxyError(404, "UPSTREAM_NOT_FOUND", "the image store has no such object")
        if status in (401, 403):
            return ProxyError(403, "UPSTREAM_REFUSED", "the image store refuses this read")
        return ProxyError(502, "UPSTREAM_FAILED", "the image store failed", retry_after=1)


def _retry_after(text: str | None) -> int:
    """Seconds of a Retry-After header; a date or nothing counts as one second (RFC 9110 10.2.3)."""
    return min(int(text), 60) if text and text.isdigit() and int(text) else _DEFAULT_PAUSE_SECONDS


def _unpack(body: bytes, encoding: str) -> Document:
    """JSON of a metadata blob, gzip or not; bounded when inflated."""
    if encoding == "gzip" or body[:2] == b"\x1f\x8b":
        try:
            inflater = zlib.decompressobj(wbits=31)
            body = inflater.decompress(body, _MAX_METADATA_BYTES)
            if inflater.unconsumed_tail or not inflater.eof:
                raise ProxyError(502, "UPSTREAM_METADATA", "the image store's metadata is not whole or too large")
        except zlib.error as error:
            raise ProxyError(502, "UPSTREAM_METADATA", "the image store's metadata cannot be read") from error
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProxyError(502, "UPSTREAM_METADATA", "the image store's metadata cannot be read") from error
