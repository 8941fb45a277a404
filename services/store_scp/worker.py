"""One process of the receiver: its listeners, its associations, and how it ends without losing what it holds."""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import threading
import time
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from pynetdicom import evt

from services.store_scp import logs
from services.store_scp.acceptor import ReceiverServer, Side, application_entity, open_associations
from services.store_scp.commitment import Commitments
from services.store_scp.configuration import Configuration
from services.store_scp.metrics import Row
from services.store_scp.receiver import SUCCESS, Receiver
from services.store_scp.spool import Room
from services.store_scp.stores import Store
from services.store_scp.stores.folder import FolderStore
from services.store_scp.stores.s3 import S3Store, client_for

POLL_SECONDS: Final = 0.2
"""Between two looks of a listener whether it should end."""


def store_of(configuration: Configuration) -> Store:
    """The configured store."""
    settings = configuration.store
    if settings.s3 is not None:
        client = client_for(settings.s3, configuration.limits.connections)
        return S3Store(settings.s3, client, configuration.naming.prefix)
    if settings.folder is None:
        raise ValueError("a configuration without a store")
    folder = settings.folder
    return FolderStore(folder.path, fsync=folder.fsync, reserve_bytes=folder.reserve_bytes)


def room_of(configuration: Configuration) -> Room:
    """What instances may take while they arrive."""
    limits = configuration.limits
    return Room(
        memory=limits.memory_bytes,
        disk=limits.disk_bytes,
        threshold=limits.memory_object_bytes,
        largest=limits.object_bytes,
        folder=str(configuration.spool_folder) if configuration.spool_folder else None,
    )


class Worker:
    """Listens, and drains when told to."""

    def __init__(
        self,
        configuration: Configuration,
        row: Row,
        store: Store | None = None,
        listening: Sequence[socket.socket] = (),
    ) -> None:
        self._configuration = configuration
        self._listening = listening
        self._row = row
        self.receiver = Receiver(
            store=store or store_of(configuration),
            naming=configuration.naming,
            room=room_of(configuration),
            row=row,
        )
        self._side = Side.of(configuration, self.receiver, row)
        self._commitments = Commitments(receiver=self.receiver, row=row, ae_title=configuration.ae_title)
        self.servers: list[ReceiverServer] = []

    def start(self) -> None:
        """Serve every listener in threads, on the sockets given or own ones. Raises OSError: an address is taken."""
        entity = application_entity(self._configuration)
        handlers = [(evt.EVT_C_ECHO, self._on_echo), (evt.EVT_N_ACTION, self._commitments.on_action)]
        for listener, bound in zip_longest(self._configuration.listeners, self._listening):
            self.servers.append(
                ReceiverServer(ae=entity, listener=listener, side=self._side, event_handlers=handlers, listening=bound)
            )
        self._commitments.start()
        for server in self.servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True).start()

    @property
    def ports(self) -> list[int]:
        """Ports that are listened on, in the order of the configuration."""
        return [int(server.server_address[1]) for server in self.servers]

    def _on_echo(self, _event: Any) -> int:
        self._row.add("echoes_total")
        return SUCCESS

    def drain(self) -> int:
        """Accept nothing more, let associations end, then end those that do not; how many had to be ended."""
        for server in self.servers:
            server.stop()
        deadline = time.monotonic() + self._configuration.limits.drain_seconds
        while open_associations(self.servers) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = open_associations(self.servers)
        for association in left:
            association.abort(block=False)
        self._commitments.stop(max(1.0, deadline - time.monotonic()))
        for association in left:
            association.join(2.0)
        return len(left)


def few_arenas() -> None:
    """glibc gives each thread an arena and hands little of it back; two are enough for threads that mostly wait.

    Without it the memory that associations have let go would stay with the process. Another libc has no mallopt.
    """
    m_arena_max = -8
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_arena_max, 2)


def run(configuration: Configuration, row: Row, ready: Any, listening: Sequence[socket.socket]) -> None:
    """The life of a worker process: until SIGTERM, then until it is drained. `ready` is told the ports."""
    ending = threading.Event()

    def end(_number: int, _frame: Any) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor says when
    logs.configure()
    few_arenas()
    gc.freeze()  # what was loaded before the fork is never garbage: collections stay short, shared pages shared
    row.clear_gauges()
    worker = Worker(configuration, row, listening=listening)
    worker.start()
    ready.send(worker.ports)
    ready.close()
    ending.wait()
    aborted = worker.drain()
    logs.event("worker-drained", aborted=aborted)
