"""Generations: a reader sees the old state or the new one, never a mixture."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from local.aws import snapshot
from local.aws.snapshot import Generations, Snapshotter, write_generation
from local.aws.state import BLOB_BYTES, Blobs


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    made = Generations(tmp_path)
    made.prepare()
    return made


def write(generations: Generations, **states: Any) -> bool:
    return write_generation(
        generations, {name: lambda value=value: value for name, value in states.items()}, json.dumps
    )


def read(generations: Generations, service: str) -> Any:
    return json.loads((generations.link / f"{service}.json").read_text())


def test_a_second_generation_replaces_the_first_and_keeps_what_did_not_change(generations: Generations) -> None:
    write(generations, s3={"b": 1}, sqs={"q": 1})
    inode = (generations.link / "s3.json").stat().st_ino
    assert write(generations, s3={"b": 1}, sqs={"q": 2})
    assert (read(generations, "s3"), read(generations, "sqs")) == ({"b": 1}, {"q": 2})
    assert (generations.link / "s3.json").stat().st_ino == inode
    assert len(list(generations.base.glob("generation-*"))) == 1


def test_nothing_is_written_when_nothing_changed(generations: Generations) -> None:
    write(generations, s3={"b": 1})
    before = generations.link.resolve()
    assert not write(generations, s3={"b": 1})
    assert generations.link.resolve() == before


def test_a_service_that_cannot_be_read_keeps_its_last_state(generations: Generations) -> None:
    write(generations, s3={"b": 1}, sqs={"q": 1})

    def broken() -> Any:
        raise RuntimeError("dictionary changed size during iteration")

    write_generation(generations, {"s3": broken, "sqs": lambda: {"q": 2}, "sns": lambda: None}, json.dumps)
    assert (read(generations, "s3"), read(generations, "sqs")) == ({"b": 1}, {"q": 2})


def test_a_half_written_generation_is_dropped_at_the_next_start(generations: Generations) -> None:
    write(generations, s3={"b": 1})
    (generations.open() / "s3.json").write_text('{"b": 2, "cut')
    again = Generations(generations.base)
    again.prepare()
    assert read(again, "s3") == {"b": 1}
    assert len(list(generations.base.glob("generation-*"))) == 1


def test_the_folder_can_be_moved(generations: Generations, tmp_path: Path) -> None:
    write(generations, s3={"b": 1})
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    assert json.loads((moved / "state" / "s3.json").read_text()) == {"b": 1}
    assert (moved / "state" / "lambda-blobs").is_dir()


def test_a_snapshot_is_taken_by_a_child(generations: Generations) -> None:
    state = {"n": 1, "process": 0}

    def in_child() -> bool:
        return write(generations, table={**state, "process": os.getpid()})

    taker = Snapshotter(in_child, lambda: 0)
    assert taker.take()
    assert read(generations, "table")["process"] not in (0, os.getpid())


def test_a_child_that_fails_or_hangs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> bool:
        raise OSError("no space left on device")

    assert not Snapshotter(failing, lambda: 0).take()
    monkeypatch.setattr(snapshot, "CHILD_LIMIT_SECONDS", 0.2)
    assert not Snapshotter(lambda: bool(signal.pause()), lambda: 0).take()


def test_snapshots_follow_activity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(snapshot, "INTERVAL_SECONDS", 0.01)
    taken = threading.Event()
    taker = Snapshotter(lambda: bool((tmp_path / "taken").write_text("x")), lambda: 1)
    taker.start()
    while not (tmp_path / "taken").exists() and not taken.wait(0.01):
        pass
    taker.stop()
    assert (tmp_path / "taken").read_text() == "x"


def test_large_byte_strings_are_written_once_and_dropped_with_their_last_reference(tmp_path: Path) -> None:
    blobs, state = Blobs(tmp_path / "blobs"), tmp_path / "state"
    state.mkdir()
    layer = os.urandom(BLOB_BYTES + 1)
    reference = blobs.put(layer)
    assert blobs.put(layer) == reference
    assert blobs.get(reference) == layer
    (state / "lambda.json").write_text(json.dumps({"zip": reference}))
    unused = blobs.put(b"unused")
    blobs.keep_only(state)
    assert blobs.get(reference) == layer
    with pytest.raises(FileNotFoundError):
        blobs.get(unused)
