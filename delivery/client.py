"""The API's delivery operations over HTTPS, with tries for what a network does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

TRIES = 5
FIRST_PAUSE_SECONDS = 0.5
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})


class DeliveryError(Exception):
    """A sentence for the person at the command line."""


class Client:
    """The API as one person, and S3 through its presigned places (which never see the person's token)."""

    def __init__(self, api: httpx.Client, storage: httpx.Client) -> None:
        self._api = api
        self._storage = storage

    @classmethod
    def connect(cls, url: str, token: str, ca_bundle: str | None = None) -> Client:
        """Over TLS, verified by the system's authorities or by `ca_bundle`."""
        import ssl

        context = ssl.create_default_context(cafile=ca_bundle)
        headers = {"Authorization": f"Bearer {token}"}
        api = httpx.Client(base_url=url.rstrip("/"), headers=headers, verify=context, timeout=60)
        return cls(api, httpx.Client(verify=context, timeout=120))

    def get(self, path: str) -> Any:
        """GET of the API."""
        return self._tried(lambda: self._api.get(path)).json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST of the API; every operation of delivery may be repeated."""
        return self._tried(lambda: self._api.post(path, json=body)).json()

    def put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        """PUT to a presigned place."""
        self._tried(lambda: self._storage.put(url, content=content, headers=headers))

    def stream(self, url: str, offset: int) -> Iterator[bytes]:
        """The bytes of a presigned place from an offset on."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._storage.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 416:
                return
            if answer.status_code not in {200, 206}:
                raise DeliveryError(f"the storage answered {answer.status_code}")
            if offset and answer.status_code == 200:
                raise DeliveryError("the storage serves no byte ranges: remove the .part file and start again")
            yield from answer.iter_bytes(1024 * 1024)

    def _tried(self, call: Any) -> httpx.Response:
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                answer: httpx.Response = call()
            except httpx.TransportError as error:
                if last:
                    raise DeliveryError(f"no answer after {TRIES} tries ({type(error).__name__})") from None
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in RETRYABLE or last:
                    raise DeliveryError(_reason(answer))
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")


def _reason(answer: httpx.Response) -> str:
    """A problem document's own words; of anything else the status only."""
    if "problem+json" in answer.headers.get("content-type", ""):
        problem = answer.json()
        return f"{problem.get('title')} ({problem.get('code')}) {problem.get('detail', '')}".strip()
    hint = ": sign in again, the token is not accepted" if answer.status_code in {401, 403} else ""
    return f"the answer was {answer.status_code}{hint}"
