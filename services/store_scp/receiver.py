"""What is done with an instance: named, kept, and only then acknowledged. No network in here.

Statuses of the storage service (PS3.4 B.2.3, PS3.7 C):
    0000 durable; 0111 another content is kept under this UID; 0117 no UID; 0122 not the negotiated SOP class;
    A700 no room or the store failed, send it again; C000 the data set cannot be understood.
"""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from typing import Final

from services.store_scp import logs, part10
from services.store_scp.command import StoreRequest, is_uid
from services.store_scp.configuration import Naming
from services.store_scp.content import UnreadableError, study_of, without_bulk
from services.store_scp.metrics import Row
from services.store_scp.naming import Namer, Names
from services.store_scp.spool import Body, NoRoomError, Room, TooLargeError
from services.store_scp.stores import Mode, Outcome, Store, StoreError

SUCCESS: Final = 0x0000
DUPLICATE: Final = 0x0111
INVALID_INSTANCE: Final = 0x0117
WRONG_CLASS: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000

COMMENTS: Final = {
    DUPLICATE: "another content is kept under this UID",
    INVALID_INSTANCE: "the SOP Instance UID is no UID",
    WRONG_CLASS: "not the SOP class of the presentation context",
    OUT_OF_RESOURCES: "not stored, send it again later",
    CANNOT_UNDERSTAND: "the data set cannot be understood",
}
"""Error comments (0000,0902): ours, at most 64 characters, nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance about to be received, and what is already known of it.

    Attributes:
        sop_class: abstract syntax of the presentation context.
        peer: configured name of the sender.
    """

    request: StoreRequest
    sop_class: str
    transfer_syntax: str
    peer: str


class Receiving:
    """One instance on its way in."""

    def __init__(self, arrival: Arrival, room: Room) -> None:
        self.arrival = arrival
        self.body: Body | None = Body(room)
        self.refused = _judge(arrival)
        request = arrival.request
        if self.refused:
            self.drop()
        else:
            self.write(part10.header(request.sop_class, request.sop_instance, arrival.transfer_syntax))

    def write(self, data: bytes | memoryview) -> None:
        """The next piece of the data set; after a refusal it is let go."""
        if self.body is None:
            return
        try:
            self.body.write(data)
        except NoRoomError as error:
            self.refused = OUT_OF_RESOURCES
            self.body = None
            logs.problem("no-room", peer=self.arrival.peer, too_large=isinstance(error, TooLargeError))

    def drop(self) -> None:
        """Let everything go: the association ended, or the instance is refused."""
        if self.body is not None:
            self.body.close()
            self.body = None


def _judge(arrival: Arrival) -> int:
    if arrival.request.sop_class != arrival.sop_class:
        return WRONG_CLASS
    return SUCCESS if is_uid(arrival.request.sop_instance) else INVALID_INSTANCE


class Receiver:
    """Receives instances for all associations of a process."""

    def __init__(self, *, store: Store, naming: Naming, room: Room, row: Row) -> None:
        self._store = store
        self._naming = naming
        self._namer = Namer(naming)
        self._room = room
        self._row = row
        self._mode = Mode.REPLACE if naming.conflicts == "replace" else Mode.NEW
        if naming.layout == "opaque":
            self._mode = Mode.ADDRESSED

    def begin(self, arrival: Arrival) -> Receiving:
        """Make room for an instance."""
        return Receiving(arrival, self._room)

    def finish(self, receiving: Receiving) -> int:
        """Keep what was received; the status to answer with. SUCCESS only when the store says that it is durable."""
        body = receiving.body
        if body is None:
            self._row.add(
                "instances_failed_total" if receiving.refused == OUT_OF_RESOURCES else "instances_refused_total"
            )
            return receiving.refused
        self._row.set("receiving_bytes", self._room.memory.used + self._room.disk.used)
        started = time.monotonic()
        try:
            with body:
                status = self._keep(receiving.arrival, body)
        except (StoreError, NoRoomError) as error:
            logs.problem("store-failed", peer=receiving.arrival.peer, reason=str(error))
            self._row.add("instances_failed_total")
            self._row.add("store_failures_in_a_row")
            status = OUT_OF_RESOURCES
        finally:
            receiving.body = None
            self._row.add("store_seconds_total", time.monotonic() - started)
        return status

    def _keep(self, arrival: Arrival, body: Body) -> int:
        try:
            study = study_of(body) if self._naming.study_level else ""
            names = self._namer.names(arrival.request.sop_instance, body.sha256, study)
        except (UnreadableError, ValueError):
            self._row.add("instances_refused_total")
            return CANNOT_UNDERSTAND
        if self._naming.metadata_prefix is not None:
            self._keep_metadata(names, body, arrival.peer)
        if self._naming.gzip:
            with Body(self._room) as packed:
                _compress(body, packed)
                return self._put(names, packed)
        return self._put(names, body)

    def _put(self, names: Names, body: Body) -> int:
        policy = self._naming.conflicts
        if (
            policy == "refuse"
            and names.by_content
            and not self._store.holds(names.key)
            and self._store.holds(names.instance)
        ):
            return self._refuse_conflict()
        outcome = self._store.put(names.key, body, self._mode)
        if outcome is Outcome.CONFLICT:
            if policy == "refuse":
                return self._refuse_conflict()
            self._row.add("instances_conflicting_total")
            outcome = self._store.put(names.distinct, body, Mode.ADDRESSED)
        self._row.set("store_failures_in_a_row", 0.0)
        stored = outcome is Outcome.STORED
        self._row.add("instances_stored_total" if stored else "instances_identical_total")
        self._row.add("bytes_stored_total", body.size if stored else 0)
        return SUCCESS

    def _refuse_conflict(self) -> int:
        self._row.add("instances_conflicting_total")
        self._row.add("instances_refused_total")
        return DUPLICATE

    def _keep_metadata(self, names: Names, body: Body, peer: str) -> None:
        """The JSON goes first: whoever sees the object finds its metadata. An unreadable instance is kept without."""
        try:
            text = json.dumps(without_bulk(body), sort_keys=True, separators=(",", ":"))
        except UnreadableError:
            logs.problem("metadata-unreadable", peer=peer)
            return
        with Body(self._room) as metadata:
            metadata.write(text.encode())
            self._store.put(names.metadata, metadata, Mode.REPLACE)

    def committed(self, sop_instance: str) -> bool:
        """Whether some content of the instance is durable. Raises StoreError when the store cannot say."""
        return is_uid(sop_instance) and self._store.holds(self._namer.instance_prefix(sop_instance))

    def check(self) -> None:
        """Raises StoreError when the store cannot be used."""
        self._store.check()


def _compress(body: Body, packed: Body) -> None:
    """gzip without name and time: the same content gives the same bytes."""

    class _Sink:
        def write(self, data: bytes) -> int:
            packed.write(data)
            return len(data)

        def flush(self) -> None:
            """Nothing is held back."""

    with gzip.GzipFile(filename="", mode="wb", fileobj=_Sink(), compresslevel=5, mtime=0) as stream:  # pyright: ignore[reportArgumentType]
        for chunk in body.chunks():
            stream.write(chunk)
