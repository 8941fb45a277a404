"""The access audit when the log does not take records: nobody reads unseen, and nothing is lost silently."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from services.frame_proxy import audit as module
from services.frame_proxy.audit import Audit, Read
from services.frame_proxy.errors import ProxyError

pytestmark = pytest.mark.anyio

READ = Read("reader", "frame", "s" * 32, "read")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_what_the_log_never_took_is_written_to_stderr_at_the_end(records: Any, capsys: Any) -> None:
    records.failing = OSError("full")
    audit = Audit(records, flush_seconds=0.01, queue=10)
    audit.start()
    audit.note(READ, "image-1")
    audit.note(READ, "image-1")
    audit.note(READ._replace(outcome="NOT_ASSIGNED"))
    await audit.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["outcome"], line["count"], line["images"]) for line in lines] == [
        ("read", 2, {"image-1": 2}),
        ("NOT_ASSIGNED", 1, {}),
    ]
    assert not records.lines


async def test_what_is_noted_before_the_writer_starts_is_written_at_the_end(records: Any) -> None:
    audit = Audit(records, flush_seconds=1, queue=10)
    audit.note(READ, {"a": 2, "b": 1})
    assert audit.backlog == 1
    await audit.close()
    assert [line["images"] for line in records.lines] == [{"a": 2, "b": 1}]
    assert audit.backlog == 0


@pytest.mark.parametrize(("queue", "seconds"), [(1, 0.0), (1000, 61.0)], ids=["queue full", "too long"])
async def test_while_the_log_takes_nothing_reads_are_refused_once_the_queue_is_full_or_a_minute_has_passed(
    records: Any, queue: int, seconds: float
) -> None:
    clock = Clock()
    audit = Audit(records, flush_seconds=0.01, queue=queue, clock=clock)
    audit.start()
    await audit.read(READ)
    assert audit.read_on(READ), "a study that is open already"
    records.failing = OSError("full")
    while audit._failing_since is None:
        await asyncio.sleep(0.01)
    clock.now += seconds
    assert not audit.read_on(READ)
    with pytest.raises(ProxyError) as refused:
        await audit.read(READ)
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "AUDIT_UNAVAILABLE", 5)
    records.failing = None
    while audit._failing_since is not None:
        await asyncio.sleep(0.01)
    await audit.read(READ)
    await audit.close()
    assert sum(line["count"] for line in records.lines) == 3, "the refused read was none, all others are written"


async def test_a_first_read_whose_record_does_not_become_durable_is_refused(
    records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncio.timeout
    monkeypatch.setattr(module.asyncio, "timeout", lambda seconds: real(min(seconds, 0.05)))
    records.failing = OSError("full")
    audit = Audit(records, flush_seconds=0.01, queue=1000)
    audit.start()
    with pytest.raises(ProxyError, match="audited"):
        await audit.read(READ)
    assert not audit.read_on(READ), "nothing was opened"
    records.failing = None
    await audit.close()
    assert [line["count"] for line in records.lines] == [1], "the try is on record"


async def test_an_open_study_is_asked_about_again_after_five_minutes_or_when_others_took_its_place(
    records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEEP_OPENED", 1)
    clock = Clock()
    audit = Audit(records, flush_seconds=0.01, queue=10, clock=clock)
    audit.start()
    await audit.read(READ)
    clock.now += 299
    assert audit.read_on(READ)
    clock.now += 1
    assert not audit.read_on(READ)
    await audit.read(READ)
    await audit.read(READ._replace(study_key="t" * 32))
    assert not audit.read_on(READ)
    await audit.close()


async def test_many_images_are_named_in_several_records_and_batches_stay_within_the_logs_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[list[tuple[int, str]]] = []

    class Sink:
        def write(self, lines: list[tuple[int, str]]) -> None:
            batches.append(list(lines))

    monkeypatch.setattr(module, "_BATCH_BYTES", 30_000)
    audit = Audit(Sink(), flush_seconds=1, queue=10)
    audit.note(READ, {f"{number:032x}": 2 for number in range(2500)})
    await audit.close()
    lines = [json.loads(line) for batch in batches for _, line in batch]
    assert [len(line["images"]) for line in lines] == [1000, 1000, 500]
    assert sum(line["count"] for line in lines) == 5000
    assert len({name for line in lines for name in line["images"]}) == 2500
    assert [len(batch) for batch in batches] == [1, 1, 1], "each batch fits a call, and a larger record goes alone"
