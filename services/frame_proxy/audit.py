"""The access audit (45 CFR 164.312(b)): who read which study, when, how; every read, none lost silently.

The first read of a study by a person waits until the audit log holds its record. What follows is counted per
person, study, action and outcome and written every second. While the log does not take records, they are kept and
written again; once the queue is full, or has been waiting too long, reads are refused: nobody reads unseen. At the end
of the process what could not be written goes to stderr, which the container's log driver keeps.
"""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from services.frame_proxy.errors import ProxyError

# PutLogEvents takes 1 MiB and 10,000 events a call, 26 bytes of overhead an event, 256 KiB an event.
_BATCH_EVENTS: Final = 2000
_BATCH_BYTES: Final = 900_000
_EVENT_OVERHEAD: Final = 26
_IMAGES_IN_A_RECORD: Final = 1000
_LONGEST_WAIT_SECONDS: Final = 60.0
# A person who read a study in the last minutes has a durable record of it: the next read need not wait for one.
_OPENED_SECONDS: Final = 300.0
_KEEP_OPENED: Final = 50_000

Record = dict[str, Any]


class AuditSink(Protocol):
    """Where records go; called off the event loop. Returning means that they are durable."""

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Write (epoch milliseconds, JSON) lines, oldest first; any OSError or AWS error means: not written."""
        ...


class CloudWatchSink:
    """A log group with one stream per process, made at the first write."""

    def __init__(self, logs_client: Any, group: str, stream: str) -> None:
        self._logs = logs_client
        self._group = group
        self._stream = stream
        self._made = False

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Put the lines; CloudWatch has answered when this returns."""
        if not self._made:
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
            self._made = True
        answer = self._logs.put_log_events(
            logGroupName=self._group,
            logStreamName=self._stream,
            logEvents=[{"timestamp": moment, "message": line} for moment, line in lines],
        )
        if answer.get("rejectedLogEventsInfo"):
            raise OSError("the log group rejected records")


class FileSink:
    """JSON lines in a file, flushed before returning."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Append the lines."""
        with self._path.open("a") as file:
            file.writelines(f"{line}\n" for _, line in lines)


class Read(NamedTuple):
    """What was read or refused: pseudonyms only.

    Attributes:
        person: Cognito subject, or "" when nobody could be told.
        action: search, metadata, frame, instance, bulkdata, rendered.
        study_key: pseudonym of the study, "" for a search over studies.
        outcome: "read" or a refusal's code.
    """

    person: str
    action: str
    study_key: str
    outcome: str


@dataclass(slots=True)
class _Tally:
    since: float
    reads: int = 0
    images: Counter[str] = field(default_factory=Counter[str])


class Audit:
    """Takes reads, writes records."""

    def __init__(
        self, sink: AuditSink, *, flush_seconds: float, queue: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._sink = sink
        self._flush_seconds = flush_seconds
        self._queue = queue
        self._clock = clock
        self._tallies: dict[Read, _Tally] = {}
        self._waiting: list[tuple[int, str]] = []
        self._failing_since: float | None = None
        self._opened: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._wake = asyncio.Event()
        self._written = asyncio.Condition()
        self._accepted = self._durable = 0
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    @property
    def backlog(self) -> int:
        """Records and tallies that are not durable yet."""
        return len(self._tallies) + len(self._waiting)

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Write what is left; what the sink does not take goes to stderr."""
        self._ending = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._collect()
        for _ in range(3):
            if await self._write_all():
                return
            await asyncio.sleep(min(self._flush_seconds, 1))
        for _, line in self._waiting:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    async def read(self, read: Read, images: str | Mapping[str, int] = "") -> None:
        """Note a read that is about to be answered; the first one of a study is durable when this returns.

        Raises:
            ProxyError: 503, the audit log takes no records: the read must not happen.
        """
        if self.read_on(read, images):
            return
        if self._overdue():
            raise ProxyError(503, "AUDIT_UNAVAILABLE", "reads cannot be audited now", retry_after=5)
        self.note(read, images)
        place = (read.person, read.study_key)
        now = self._clock()
        await self._durably()
        self._opened[place] = now
        self._opened.move_to_end(place)
        if len(self._opened) > _KEEP_OPENED:
            self._opened.popitem(last=False)

    def read_on(self, read: Read, images: str | Mapping[str, int] = "") -> bool:
        """Note a further read of a study whose first one is durable; False, and nothing noted, if `read` must do it."""
        opened = self._opened.get((read.person, read.study_key))
        if opened is None or opened <= self._clock() - _OPENED_SECONDS or self._overdue():
            return False
        self.note(read, images)
        return True

    def note(self, read: Read, images: str | Mapping[str, int] = "") -> None:
        """Count a read or a refusal, to be written with the next batch."""
        tally = self._tallies.get(read)
        if tally is None:
            tally = self._tallies[read] = _Tally(self._clock())
            self._accepted += 1
        tally.reads += 1
        if isinstance(images, str):
            if images:
                tally.images[images] += 1
        else:
            tally.images.update(images)

    def _overdue(self) -> bool:
        if self._failing_since is None:
            return False
        return self.backlog >= self._queue or self._clock() - self._failing_since > _LONGEST_WAIT_SECONDS

    async def _durably(self) -> None:
        wanted = self._accepted
        self._wake.set()
        try:
            async with asyncio.timeout(max(5.0, 3 * self._flush_seconds)), self._written:
                await self._written.wait_for(lambda: self._durable >= wanted)
        except TimeoutError:
            raise ProxyError(503, "AUDIT_UNAVAILABLE", "reads cannot be audited now", retry_after=5) from None

    async def _run(self) -> None:
        while not self._ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._wake.wait()
            self._wake.clear()
            mark = self._collect()
            if await self._write_all():
                async with self._written:
                    self._durable = mark
                    self._written.notify_all()
            else:
                await asyncio.sleep(min(self._flush_seconds, 1))

    def _collect(self) -> int:
        """Turn tallies into lines; answers the number of the last tally among them."""
        tallies, self._tallies = self._tallies, {}
        for read, tally in tallies.items():
            for record in _records(read, tally):
                self._waiting.append((int(tally.since * 1000), json.dumps(record, separators=(",", ":"))))
        return self._accepted

    async def _write_all(self) -> bool:
        self._waiting.sort(key=lambda one: one[0])
        while self._waiting:
            batch = _batch(self._waiting)
            try:
                await asyncio.to_thread(self._sink.write, batch)
            except (ClientError, BotoCoreError, OSError):
                self._failing_since = self._failing_since or self._clock()
                return False
            del self._waiting[: len(batch)]
        self._failing_since = None
        return True


def _records(read: Read, tally: _Tally) -> list[Record]:
    """One record, or several when more images were read than one may name."""
    when = datetime.fromtimestamp(tally.since, UTC).isoformat(timespec="milliseconds")
    base: Record = {
        "audit": True,
        "service": "frame-proxy",
        "time": when,
        "person": read.person,
        "action": read.action,
        "study_key": read.study_key,
        "outcome": read.outcome,
    }
    images = list(tally.images.items())
    if len(images) <= _IMAGES_IN_A_RECORD:
        return [{**base, "count": tally.reads, "images": dict(images)}]
    parts = [images[at : at + _IMAGES_IN_A_RECORD] for at in range(0, len(images), _IMAGES_IN_A_RECORD)]
    return [{**base, "count": sum(number for _, number in part), "images": dict(part)} for part in parts]


def _batch(waiting: list[tuple[int, str]]) -> list[tuple[int, str]]:
    size = 0
    for position, (_, line) in enumerate(waiting[:_BATCH_EVENTS]):
        size += len(line) + _EVENT_OVERHEAD
        if size > _BATCH_BYTES and position:
            return waiting[:position]
    return waiting[:_BATCH_EVENTS]
