"""Sending and fetching survive a kill at any request, and wrong bytes are never kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.client import Client, DeliveryError
from delivery.fetching import fetch, fetch_study
from delivery.sending import Journal, Sender

PART = 10


class Killed(BaseException):
    """The command line was killed."""


class FakeClient:
    """The API and S3 behind it; dies at the request of that number."""

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        self.transfers: dict[str, dict[int, bytes]] = {}
        self.requests, self.dies_at = 0, -1
        self.content = b""

    def _request(self) -> None:
        self.requests += 1
        if self.requests == self.dies_at:
            raise Killed

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self._request()
        if path == "/uploads":
            return {"uploads": [{"upload_id": f"u{self.requests}", "url": f"whole/u{self.requests}", "headers": {}}]}
        if path == "/transfers":
            name = f"t{self.requests}"
            self.transfers[name] = {}
            return {
                "upload_id": name,
                "transfer_id": name,
                "part_bytes": PART,
                "part_count": -(-body["size_bytes"] // PART),
            }
        parts = self.transfers[body["transfer_id"]]
        if path.endswith("/progress"):
            if body["transfer_id"] in self.uploads:
                raise DeliveryError("gone (UNKNOWN_TRANSFER)")
            return {"parts": [{"number": number} for number in parts]}
        if path.endswith("/completion"):
            self.uploads[body["transfer_id"]] = b"".join(parts[number] for number in sorted(parts))
            assert len(self.uploads[body["transfer_id"]]) == body["size_bytes"]
            self._request()  # done, and the answer is lost
            return {}
        return {
            "parts": [
                {
                    "number": p["number"],
                    "url": f"{body['transfer_id']}/{p['number']}",
                    "headers": {"Content-MD5": p["md5"]},
                }
                for p in body["parts"]
            ]
        }

    def put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        self._request()
        name, number = url.split("/")
        if name == "whole":
            self.uploads[number] = content
            return
        digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        assert headers["Content-MD5"] == digest
        self.transfers[name][int(number)] = content

    def stream(self, url: str, offset: int) -> Iterator[bytes]:
        for start in range(offset, len(self.content), 4):
            self._request()
            yield self.content[start : start + 4]


def send_until_done(client: FakeClient, folder: Path, files: list[Path]) -> list[int]:
    """Runs the sender until it is not killed; answers the bytes that the last run said are safe."""
    while True:
        safe: list[int] = []
        sender = Sender(client, Journal(folder / "journal.json"), safe.append, parts_from=PART)  # type: ignore[arg-type]
        try:
            for file in files:
                sender.send(file)
        except Killed:
            continue
        return safe


@pytest.mark.parametrize("dies_at", range(1, 15))
def test_a_kill_at_any_request_loses_nothing_and_sends_no_large_file_twice(tmp_path: Path, dies_at: int) -> None:
    files = [tmp_path / "large.dcm", tmp_path / "small.dcm"]
    files[0].write_bytes(bytes(range(35)))
    files[1].write_bytes(b"tiny")
    client = FakeClient()
    client.dies_at = dies_at
    safe = send_until_done(client, tmp_path, files)
    assert set(client.uploads.values()) == {bytes(range(35)), b"tiny"}
    assert sum(content == bytes(range(35)) for content in client.uploads.values()) == 1
    assert sum(safe) <= 35 + 4
    before = client.requests
    send_until_done(client, tmp_path, files)
    assert client.requests == before, "what the journal has as done is not asked for again"


def test_a_file_that_was_changed_is_sent_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.dcm"
    client = FakeClient()
    for content in (b"one", b"other"):
        file.write_bytes(content)
        send_until_done(client, tmp_path, [file])
    assert set(client.uploads.values()) == {b"one", b"other"}


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_download_goes_on_where_it_stopped(tmp_path: Path, dies_at: int) -> None:
    client = FakeClient()
    client.content, client.dies_at = b"0123456789", dies_at
    place = {"url": "x", "size_bytes": 10, "sha256": hashlib.sha256(client.content).hexdigest()}
    target = tmp_path / "i.dcm"
    with pytest.raises(Killed):
        fetch(client, place, target, lambda count: None)  # type: ignore[arg-type]
    assert not target.exists(), "a partial file never has the name of a whole one"
    fetch(client, place, target, lambda count: None)  # type: ignore[arg-type]
    assert target.read_bytes() == client.content
    before = client.requests
    fetch(client, place, target, lambda count: None)  # type: ignore[arg-type]
    assert client.requests == before


def test_wrong_bytes_are_not_kept(tmp_path: Path) -> None:
    client = FakeClient()
    client.content = b"0123456789"
    place = {"url": "x", "size_bytes": 10, "sha256": "0" * 64}
    with pytest.raises(DeliveryError, match="SHA-256"):
        fetch(client, place, tmp_path / "i.dcm", lambda count: None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def answers(*statuses: int, **options: Any) -> tuple[Client, list[httpx.Request]]:
    """A client whose API answers these statuses in turn."""
    seen: list[httpx.Request] = []
    left = list(statuses)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(left.pop(0), **options)

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="https://api.invalid")
    return Client(http, http), seen


def test_what_a_network_does_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.client.FIRST_PAUSE_SECONDS", 0)
    client, seen = answers(503, 429, 200, json={"ok": 1})
    assert client.get("/x") == {"ok": 1}
    assert len(seen) == 3


def test_a_refusal_is_said_in_the_services_words_and_at_once() -> None:
    problem = {"title": "Conflict", "code": "INCOMPLETE_UPLOAD", "detail": "1 of 2 bytes have arrived"}
    client, seen = answers(409, headers={"content-type": "application/problem+json"}, json=problem)
    with pytest.raises(DeliveryError, match="INCOMPLETE_UPLOAD"):
        client.post("/x", {})
    assert len(seen) == 1
    with pytest.raises(DeliveryError, match="sign in again"):
        answers(401)[0].get("/x")


def test_a_storage_without_ranges_is_no_reason_to_mix_up_bytes() -> None:
    with pytest.raises(DeliveryError, match="byte ranges"):
        list(answers(200, content=b"x")[0].stream("https://s3.invalid/x", 5))
    client, seen = answers(206, content=b"rest")
    assert b"".join(client.stream("https://s3.invalid/x", 5)) == b"rest"
    assert seen[0].headers["range"] == "bytes=5-"


def test_a_study_is_fetched_whole_and_what_is_missing_is_named(tmp_path: Path) -> None:
    content = b"0123456789"

    class Api(FakeClient):
        def get(self, path: str) -> Any:
            states = ("VALIDATED", "IMPORTED", "QUARANTINED")
            return {"images": [{"image_key": f"k{n}", "status": state} for n, state in enumerate(states)]}

        def post(self, path: str, body: dict[str, Any]) -> Any:
            assert body["image_keys"] == ["k0", "k1"], "what was refused is not asked for"
            digest = hashlib.sha256(content).hexdigest()
            place = {"url": "x", "file_name": "k0.dcm", "size_bytes": len(content), "sha256": digest}
            return {"missing": ["k1"], "downloads": [place]}

    client = Api()
    client.content = content
    assert fetch_study(client, "s", tmp_path / "out", lambda count: None) == (1, ["k1"])  # type: ignore[arg-type]
    assert (tmp_path / "out" / "k0.dcm").read_bytes() == content
