"""What is synced, and in which order, before an acknowledgement may be sent."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.store_scp.spool import Body, Room
from services.store_scp.stores import Mode, Outcome, StoreError, durability, folder
from services.store_scp.stores.folder import ABANDONED_SECONDS, INCOMING, FolderStore

ROOM = Room(memory=1 << 20, disk=1 << 20, threshold=1 << 16, largest=1 << 20)


def body(content: bytes = b"one") -> Body:
    """A body that has arrived."""
    made = Body(ROOM)
    made.write(content)
    return made


def mounts(tmp_path: Path, *kinds: str) -> Path:
    """A mountinfo that says `kinds` of the device below tmp_path."""
    device = tmp_path.stat().st_dev
    lines = [
        f"36 35 {os.major(device)}:{os.minor(device)} / / rw,noatime shared:1 - {kind} /dev/x rw\n" for kind in kinds
    ]
    file = tmp_path / "mountinfo"
    file.write_text("37 35 0:99 / /proc rw - proc proc rw\n" + "".join(lines))
    return file


@pytest.mark.parametrize(("kinds", "cheap"), [(["ext4"], True), (["xfs"], True), (["btrfs"], False), ([], False)])
def test_one_sync_is_enough_only_where_one_journal_keeps_the_order(
    tmp_path: Path, kinds: list[str], cheap: bool
) -> None:
    chosen = durability.write_out_for(tmp_path, mounts(tmp_path, *kinds))
    assert (chosen is not os.fsync) is cheap
    with (tmp_path / "file").open("wb") as file:
        file.write(b"bytes")
        chosen(file.fileno())


def test_without_a_list_of_mounts_both_are_synced(tmp_path: Path) -> None:
    assert durability.write_out_for(tmp_path, tmp_path / "nothing") is os.fsync


def test_bytes_that_cannot_be_written_out_are_an_error(tmp_path: Path) -> None:
    chosen = durability.write_out_for(tmp_path, mounts(tmp_path, "ext4"))
    reading, writing = os.pipe()  # has no place on a disk
    try:
        with pytest.raises(OSError, match="seek"):
            chosen(writing)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store does to the disk, in its order."""
    done: list[str] = []
    link = os.link

    def linked(source: Path, target: Path) -> None:
        link(source, target)
        done.append("name")

    def write_out_for(_folder: Path) -> durability.WriteOut:
        return lambda _descriptor: done.append("bytes")

    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(folder, "write_out_for", write_out_for)
    monkeypatch.setattr(folder, "sync_folder", lambda place: done.append(f"sync {place.name}"))
    return done


def test_the_bytes_leave_before_the_name_and_the_folder_is_synced_last(tmp_path: Path, steps: list[str]) -> None:
    store = FolderStore(tmp_path)
    assert store.put("upload/a.dcm", body(), Mode.ADDRESSED) is Outcome.STORED
    assert steps == ["sync upload", f"sync {tmp_path.name}", "bytes", "name", "sync upload"]
    steps.clear()
    store.put("upload/b.dcm", body(), Mode.ADDRESSED)
    assert steps == ["bytes", "name", "sync upload"], "folders on the way are synced once"


def test_an_object_that_another_association_put_is_durable_before_it_is_acknowledged(
    tmp_path: Path, steps: list[str]
) -> None:
    store = FolderStore(tmp_path)
    store.put("upload/a.dcm", body(), Mode.NEW)
    steps.clear()
    assert store.put("upload/a.dcm", body(), Mode.NEW) is Outcome.IDENTICAL
    assert steps[-1] == "sync upload"
    steps.clear()
    assert store.holds("upload/a")
    assert steps == ["sync upload"], "a storage commitment is a promise as well"
    steps.clear()
    assert not store.holds("upload/b")
    assert steps == []


def test_a_folder_that_cannot_be_synced_gives_no_acknowledgement(
    tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    store.put("upload/a.dcm", body(), Mode.NEW)

    def fail(_folder: Path) -> None:
        raise OSError(5, "I/O error")

    monkeypatch.setattr(folder, "sync_folder", fail)
    for content in (b"new", b"one"):
        with pytest.raises(StoreError, match="EIO"):
            store.put(f"upload/{'a' if content == b'one' else 'b'}.dcm", body(content), Mode.NEW)
    with pytest.raises(StoreError):
        store.holds("upload/a")
    assert "name" in steps


def test_what_a_killed_process_left_half_written_goes_after_a_day(tmp_path: Path) -> None:
    FolderStore(tmp_path)
    old, new = tmp_path / INCOMING / "old", tmp_path / INCOMING / "new"
    old.write_bytes(b"")
    new.write_bytes(b"")
    before = time.time() - ABANDONED_SECONDS - 1
    os.utime(old, (before, before))
    FolderStore(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)
