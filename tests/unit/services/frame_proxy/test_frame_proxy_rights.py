"""Who may read what: every route refuses whoever may not, and the audit knows of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from lambda_shared.errors import TransientError

pytestmark = pytest.mark.anyio

PIXELS = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
MINE, THEIRS = "1.2.826.0.1.1", "1.2.826.0.1.2"


def studies(dataset: Callable[..., Dataset]) -> list[Dataset]:
    """A study of the assigned patient and one of another."""
    mine = dataset(PIXELS, SOPInstanceUID=f"{MINE}.1.1")
    theirs = dataset(
        PIXELS + 1,
        SOPInstanceUID=f"{THEIRS}.1.1",
        StudyInstanceUID=THEIRS,
        SeriesInstanceUID=f"{THEIRS}.1",
        PatientID="P-2",
        PatientName="Other^Person",
    )
    theirs.add_new(0x00091001, "UN", b"x" * 40_000)
    theirs.add_new(0x00090010, "LO", "PRIVATE")
    return [mine, theirs]


def routes(study: str) -> dict[str, dict[str, str]]:
    """Every route that names a study, with the headers that make it what its name says."""
    series = f"/studies/{study}/series/{study}.1"
    instance = f"{series}/instances/{study}.1.1"
    as_json = {"Accept": "application/dicom+json"}
    whole = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    return {
        f"{instance}/frames/1": {},
        f"{instance}/frames/1,1": {},
        f"{instance}/frames/1?resolution=0": {},
        f"{instance}/frames/1?resolution=3": {"Range": "bytes=0-9"},
        f"{instance}/frames/1?": {"Range": "bytes=0-99"},
        f"{instance}/frames/1?resolution=": {"If-None-Match": "*"},
        f"{instance}/frames/1/resolutions": {"Accept": "application/json"},
        f"{instance}/frames/1/rendered": {"Accept": "image/png"},
        f"{instance}/frames/1/thumbnail": {"Accept": "image/jpeg"},
        f"{instance}/rendered": {"Accept": "image/png"},
        f"{instance}/thumbnail": {"Accept": "image/jpeg"},
        f"{series}/thumbnail": {"Accept": "image/jpeg"},
        f"/studies/{study}/thumbnail": {"Accept": "image/jpeg"},
        f"{instance}/metadata": as_json,
        f"{series}/metadata": as_json,
        f"/studies/{study}/metadata": as_json,
        f"/studies/{study}/series": as_json,
        f"/studies/{study}/instances": as_json,
        f"{series}/instances": as_json,
        instance: whole,
        series: whole,
        f"/studies/{study}": whole,
    }


BULK = f"/studies/{THEIRS}/series/{THEIRS}.1/instances/{THEIRS}.1.1/bulkdata/00091001"


async def get(client: Any, path: str, headers: dict[str, str]) -> Any:
    return await client.http.get(f"/dicom-web{path}", headers=headers)


async def test_every_route_serves_the_patients_assigned_and_refuses_all_others_even_what_is_held(
    start: Any, store: Any, dataset: Callable[..., Dataset], records: Any, pool: Any
) -> None:
    store.put(*studies(dataset))
    client = await start()
    admin = {"Authorization": f"Bearer {pool.token(sub='boss', **{'cognito:groups': ['admin']})}"}
    for path, headers in routes(THEIRS).items():  # an administrator's reads put everything into the caches
        for _ in range(2):
            answer = await get(client, path, {**headers, **admin})
            assert answer.status_code in (200, 206, 304), (path, answer.text)
    assert b"x" * 40_000 in (await get(client, BULK, admin)).content
    held = len(client.app.services.frames.cache)
    assert held == 1
    calls = len([call for call in store.calls if "searchImageSets" not in call])
    for path, headers in {**routes(THEIRS), BULK: {}}.items():
        answer = await get(client, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ASSIGNED"), path
        assert answer.headers["cache-control"] == "no-store"
        for word in ("P-2", "Other", THEIRS):
            assert word not in answer.text
    assert len([call for call in store.calls if "searchImageSets" not in call]) == calls, "refused before any read"
    for path, headers in routes(MINE).items():
        answer = await get(client, path, headers)
        assert answer.status_code in (200, 206, 304), (path, answer.text)
    worklist = await get(client, "/studies", {"Accept": "application/dicom+json"})
    assert [one["0020000D"]["Value"] for one in worklist.json()] == [[MINE]]
    every = await get(client, "/series", {"Accept": "application/dicom+json"})
    assert [one["0020000D"]["Value"] for one in every.json()] == [[MINE]]
    await client.app.services.audit.close()
    refused = [line for line in records.lines if line["outcome"] == "NOT_ASSIGNED"]
    assert sum(line["count"] for line in refused) == len(routes(THEIRS)) + 1
    assert {line["action"] for line in refused} == {
        "frame", "rendered", "metadata", "search", "instance", "bulkdata"
    }  # fmt: skip
    own = [line for line in records.lines if line["outcome"] == "read" and line["person"] != "boss"]
    assert sum(line["count"] for line in own) == len(routes(MINE)) + 2
    text = json.dumps(records.lines)
    for word in ("P-1", "P-2", "Planted", "Other", MINE):
        assert word not in text, "the audit knows pseudonyms only"


TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": 1}, "TOKEN_EXPIRED"),
    "of another pool": ({"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"}, "TOKEN_INVALID"),
    "of another client": ({"client_id": "other"}, "TOKEN_CLIENT"),
    "an id token": ({"token_use": "id", "client_id": None, "aud": "viewer-client"}, "TOKEN_INVALID"),
    "an id token with a client": ({"token_use": "id"}, "TOKEN_USE"),
    "without a person": ({"sub": None}, "TOKEN_INVALID"),
    "not valid yet": ({"nbf": int(time.time()) + 3600}, "TOKEN_INVALID"),
}


async def test_no_route_answers_without_a_token_of_this_platform(
    start: Any, store: Any, dataset: Callable[..., Dataset], records: Any, pool: Any
) -> None:
    store.put(*studies(dataset))
    client = await start()
    for path, headers in routes(MINE).items():
        assert (await get(client, path, headers)).status_code in (200, 206, 304)
    stranger = type(pool)("key-1")  # the key id of the pool, another key
    unknown = type(pool)("key-9")
    unsigned = "eyJhbGciOiJub25lIn0.e30."
    wrong = {
        "": "NO_TOKEN",
        "Basic dXNlcjpwYXNz": "NO_TOKEN",
        "Bearer": "NO_TOKEN",
        "Bearer junk": "TOKEN_UNREADABLE",
        f"Bearer {unsigned}": "TOKEN_KEY",
        f"Bearer {stranger.token()}": "TOKEN_INVALID",
        f"Bearer {unknown.token()}": "TOKEN_KEY",
        **{f"Bearer {pool.token(**claims)}": code for claims, code in TOKENS.values()},
    }
    every = {**routes(MINE), "/studies": {}, "/series": {}}
    for authorization, code in wrong.items():
        for path, headers in every.items():
            answer = await get(client, path, {**headers, "Authorization": authorization})
            assert (answer.status_code, answer.json()["code"]) == (401, code), path
            assert answer.headers["www-authenticate"].startswith("Bearer")
    await client.app.services.audit.close()
    refused = [line for line in records.lines if line["outcome"] in wrong.values()]
    assert sum(line["count"] for line in refused) == len(wrong) * len(every)
    assert {line["person"] for line in refused} == {""}, "who cannot prove to be somebody is nobody"


async def test_a_person_of_no_reading_group_reads_nothing(start: Any, store: Any, dataset: Any, pool: Any) -> None:
    store.put(*studies(dataset))
    for groups in ([], ["service"], "service"):
        client = await start(pool.token(**{"cognito:groups": groups}))
        for path, headers in routes(MINE).items():
            answer = await get(client, path, headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "NO_READING_GROUP")


async def test_an_unknown_study_is_refused_like_another_patients_unless_one_may_see_all(
    start: Any, store: Any, dataset: Callable[..., Dataset], pool: Any
) -> None:
    store.put(*studies(dataset))
    client = await start()
    admin = {"Authorization": f"Bearer {pool.token(sub='boss', **{'cognito:groups': 'admin'})}"}
    for path, headers in routes("1.2.3").items():
        answer = await get(client, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ASSIGNED")
        assert (await get(client, path, {**headers, **admin})).status_code == 404
    assert store.called("searchImageSets") < 40, "who guesses does not make us ask the store each time"


async def test_what_was_assigned_is_taken_back_at_once_and_also_by_the_clock(
    start: Any, store: Any, dataset: Callable[..., Dataset], rights: Any
) -> None:
    store.put(*studies(dataset))
    client = await start(scope_seconds=30)
    path = f"/studies/{MINE}/series/{MINE}.1/instances/{MINE}.1.1/frames/1"
    rights.held.clear()
    rights.assign("11111111-2222-3333-4444-555555555555", "P-1", until="2020-01-01T00:00:00Z")
    assert (await client.get(path)).status_code == 403, "a right that has ended"
    client = await start(scope_seconds=0)
    rights.held.clear()
    rights.assign("11111111-2222-3333-4444-555555555555", "P-1", until="2999-01-01T00:00:00Z")
    assert [(await client.get(path)).status_code for _ in range(3)] == [200, 200, 200]
    rights.held.clear()
    assert (await client.get(path)).status_code == 403, "the next request already"


async def test_a_right_that_ends_soon_is_not_believed_longer(rights: Any) -> None:
    from services.frame_proxy.identity import Person
    from services.frame_proxy.scope import Scope

    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    rights.held.clear()
    rights.assign("reader", "P-1", until="2026-01-01T00:00:10Z")
    scope = Scope(rights, seconds=3600, clock=lambda: now)
    person = Person(subject="reader", groups=frozenset(), expires=0)
    assert len(await scope.patients(person) or ()) == 1
    now += 9
    assert len(scope.believed(person) or ()) == 1
    now += 1
    assert scope.believed(person) is None
    assert await scope.patients(person) == frozenset()


async def test_the_table_is_asked_once_for_many_and_again_after_a_while(
    start: Any, store: Any, dataset: Callable[..., Dataset], rights: Any
) -> None:
    store.put(*studies(dataset))
    client = await start(scope_seconds=3600)
    path = f"/studies/{MINE}/series/{MINE}.1/instances/{MINE}.1.1/frames/1"
    answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(rights.asked) == 1


@pytest.mark.parametrize("error", [TransientError("THROTTLED", "x")], ids=["throttled"])
async def test_without_the_table_nobody_reads(
    start: Any, store: Any, dataset: Callable[..., Dataset], rights: Any, error: Exception
) -> None:
    store.put(*studies(dataset))
    client = await start()
    path = f"/studies/{MINE}/series/{MINE}.1/instances/{MINE}.1.1/frames/1"
    assert (await client.get(path)).status_code == 200
    rights.failing = error
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "SCOPE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"


async def test_a_study_that_mixes_patients_needs_all_of_them_assigned(
    start: Any, store: Any, dataset: Callable[..., Dataset], rights: Any
) -> None:
    from services.frame_proxy.services import permitted

    store.put(*studies(dataset))
    client = await start()
    rows = tuple(row for study in client.app.services.directory.studies() for row in study)
    one, other = (row.patient_key for row in rows)
    assert permitted(rows, frozenset({one, other}))
    assert not permitted(rows, frozenset({one}))
    assert permitted(rows, None)
    assert not permitted((), None)


async def test_audit_first_no_record_no_read(
    start: Any, store: Any, dataset: Callable[..., Dataset], records: Any
) -> None:
    store.put(*studies(dataset))
    client = await start(audit_flush_seconds=0.05)
    records.failing = OSError("full")
    path = f"/studies/{MINE}/series/{MINE}.1/instances/{MINE}.1.1/frames/1"
    pending = asyncio.ensure_future(client.get(path))
    await asyncio.sleep(0.3)
    assert not pending.done(), "the first read of a study waits for its record"
    records.failing = None
    assert (await pending).status_code == 200
    assert records.outcomes("frame") == ["read"]
