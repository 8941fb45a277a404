"""Ten thousand schedules of faults over the flow's own logic: nothing is lost, nothing is imported twice.

A schedule is a seed: it decides who goes on when, what is duplicated, late or lost, and which call fails before its
effect, fails after it, or dies with its whole invocation. A seed that fails is printed and fails again by itself.
`make test-unit` runs the first of them, `make test` all.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from components.ingestion_workflow import definition
from image_ingestion import handler
from tests.fixtures import asl
from tests.fixtures import ingestion_world as worlds

STUDIES = ("a" * 32, "b" * 32)
CHUNK = 500
CHUNKS = 20
NIGHT = 24 * 3600.0
MAX_NIGHTS = 12


DOCUMENT = definition("arn:aws:lambda:us-east-1:111122223333:function:image-ingestion", 4)


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def some_uploads(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Up to seven objects of two studies: new images, a content sent twice, another content, a hostile one."""
    source = random.Random(seed)
    images: list[dict[str, Any]] = []
    for number in range(source.randint(2, 7)):
        kind = source.choice(("new", "new", "new", "again", "changed", "hostile")) if images else "new"
        image = {"study": source.choice(STUDIES), "image": f"{number:032x}", "content": f"c{number}", "hostile": False}
        if kind in {"again", "changed"}:
            image = dict(source.choice(images))
        if kind == "changed":
            image["content"] = f"c{number}"
        images.append({**image, "hostile": image["hostile"] or kind == "hostile"})
    return [(f"{number:02}", image) for number, image in enumerate(images)]


def run_schedule(seed: int, monkeypatch: pytest.MonkeyPatch, rates: Any = None) -> Any:
    """One schedule until everything is final, or the nights are over."""
    world = worlds.World(seed, asl, DOCUMENT, rates or worlds.Rates())
    monkeypatch.setattr(handler, "ingestion", lambda: world.ingestion)
    monkeypatch.setattr(handler, "imports", lambda: world.imports)
    for name, image in some_uploads(seed):
        data = json.dumps(image).encode()
        world.later(world.random.uniform(0, 300), lambda name=name, data=data: world.upload(name, data))
    world.run(NIGHT)
    for night in range(2, MAX_NIGHTS + 1):
        world.reconcile()
        world.run(night * NIGHT)
        if night > 2 and world.reports and world.reports[-1].clean:
            break
    return world


def complaints(seed: int, world: Any) -> list[str]:
    """What is wrong at the end of a schedule."""
    found: list[str] = []
    uploads = dict(some_uploads(seed))
    tracked = {item.upload_key: item for item in world.tracking.items.values()}
    if len(tracked) != len(world.tracking.items) or len(tracked) != len(uploads):
        found.append("an upload has no item, or two")
    for name, image in uploads.items():
        item = tracked.get(f"upload/{name}.dcm")
        given_up = item is not None and item.reason_code == "IMPORT_FAILED" and world.archive.faults[item.object_id] > 0
        wanted = "QUARANTINED" if image["hostile"] or given_up else "IMPORTED"
        if item is None or item.status != wanted:
            found.append(f"{name} is {item and (item.status, item.reason_code, item.import_attempts)}, not {wanted}")
        # what the archive refused for good lies in quarantine: its copy is due when a person sends it again
        if item is not None and item.status == "IMPORTED" and item.deid_status != "DEIDENTIFIED":
            found.append(f"{name} has the research copy {item.deid_status}")
    imported = {
        key.removeprefix("upload/").removesuffix(".dcm") for key, i in tracked.items() if i.status == "IMPORTED"
    }
    sound = {(image["image"], image["content"]) for name, image in uploads.items() if name in imported}
    if set(world.archive.imported) != sound:
        found.append("the archive has other contents than were received")
    found += [f"{key} was imported {count} times" for key, count in world.archive.imported.items() if count > 1]
    if not world.reports or not world.reports[-1].clean:
        found.append(f"the reports are {[dict(report.kinds) for report in world.reports]}")
    final = {"IMPORTED", "QUARANTINED"}
    found += [f"{key} left {a} for {b}" for key, a, b in world.tracking.moves if a in final and a != b]
    return found


def assert_chunk(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        assert not complaints(seed, run_schedule(seed, monkeypatch)), f"schedule {seed}"


def test_nothing_is_lost_and_nothing_is_twice_in_the_first_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_chunk(0, monkeypatch)


@pytest.mark.thorough
@pytest.mark.parametrize("chunk", range(1, CHUNKS))
def test_nothing_is_lost_and_nothing_is_twice_in_ten_thousand_schedules(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_chunk(chunk, monkeypatch)


def without_claims(world: Any) -> None:
    world.tracking.claim_for_import = lambda image, token, now: world.tracking.annotate(
        image.object_id, {"import_token": token}, now
    )


def without_reconciling(world: Any) -> None:
    world.reconcile = lambda: None


def without_waiting_for_the_output(world: Any) -> None:
    put = world.store.read_if_exists
    world.store.read_if_exists = lambda bucket, key: b"" if "success" in key else put(bucket, key)


DEFECTS = [
    without_claims,
    without_reconciling,
    without_waiting_for_the_output,
]


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.__name__ for defect in DEFECTS])
def test_the_schedules_find_a_flow_that_is_broken(defect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        world = made(*args)
        defect(world)
        return world

    made = worlds.World
    monkeypatch.setattr(worlds, "World", broken)
    assert any(complaints(seed, run_schedule(seed, monkeypatch)) for seed in range(400))


def test_a_schedule_is_repeated_exactly_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [run_schedule(5, monkeypatch).tracking.moves for _ in range(2)]
    assert moves[0] == moves[1]
