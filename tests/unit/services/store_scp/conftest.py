"""A receiver in this process, a store that a test can break, certificates, instances, and a peer that speaks bytes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from services.store_scp import configuration, metrics, worker
from services.store_scp.spool import Body
from services.store_scp.stores import Mode, Outcome, StoreError
from tests.fixtures.certificates import make_authority

KEY = "5a" * 32
CALLED, CALLING = "IMAGING", "SCU"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The key of the names."""
    path = tmp_path / "naming.key"
    path.write_text(KEY)
    return path


@pytest.fixture
def settings(tmp_path: Path, key_file: Path) -> dict[str, Any]:
    """A small, safe configuration; tests change what they are about."""
    root = tmp_path / "store"
    root.mkdir(mode=0o750)
    return {
        "ae_title": CALLED,
        "listeners": [{"address": "127.0.0.1", "port": 0, "unencrypted": True}],
        "peers": [
            {
                "name": "scu",
                "ae_title": CALLING,
                "addresses": ["127.0.0.1/32"],
                "rights": ["store", "echo", "commit"],
                "associations": 20,
            }
        ],
        "store": {"folder": {"path": str(root), "fsync": False, "reserve_bytes": 0}},
        "naming": {"key": f"file:{key_file}"},
        "limits": {
            "associate_seconds": 2,
            "idle_seconds": 3,
            "drain_seconds": 0,
            "associations_per_second": 500,
            "memory_bytes": 16 << 20,
            "memory_object_bytes": 1 << 20,
            "disk_bytes": 32 << 20,
            "object_bytes": 24 << 20,
        },
        "health": {"port": 0},
        "processes": 1,
    }


def parsed(settings: dict[str, Any]) -> configuration.Configuration:
    """The settings as the receiver reads them."""
    return configuration.parse(yaml.safe_dump(settings))


class MemoryStore:
    """A store in memory; `before` and `after` run around each put and may raise StoreError."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.before: Callable[[str], None] = lambda _key: None
        self.after: Callable[[str], None] = lambda _key: None
        self.broken = False

    def put(self, key: str, body: Body, mode: Mode) -> Outcome:
        """See Store."""
        self.puts += 1
        self.before(key)
        content = b"".join(body.chunks())
        outcome = Outcome.STORED
        if key in self.objects and mode is not Mode.REPLACE:
            outcome = Outcome.IDENTICAL if self.objects[key] == content else Outcome.CONFLICT
        if outcome is Outcome.STORED:
            self.objects[key] = content
        self.after(key)
        return outcome

    def holds(self, prefix: str) -> bool:
        """See Store."""
        self.check()
        return any(key.startswith(prefix) for key in self.objects)

    def check(self) -> None:
        """See Store."""
        if self.broken:
            raise StoreError("broken for the test")


@pytest.fixture
def memory_store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@dataclass
class Running:
    """A receiver that listens in this process."""

    worker: worker.Worker
    row: metrics.Row
    store: Any
    ports: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]


@pytest.fixture
def start(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """`start(store=None)`: a receiver by the settings as they are then. It ends as soon as it is told to."""
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    running: list[Running] = []

    def begin(store: Any = None) -> Running:
        row = metrics.Board(1).row(0)
        made = worker.Worker(parsed(settings), row, store)
        made.start()
        running.append(Running(made, row, store, made.ports))
        return running[-1]

    yield begin
    for one in running:
        one.worker.drain()


def instance(pixels: int = 16, syntax: str = ExplicitVRLittleEndian, **values: Any) -> Dataset:
    """A CT image of a made-up patient with its file meta information."""
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = generate_uid()
    image.StudyInstanceUID = generate_uid()
    image.SeriesInstanceUID = generate_uid()
    image.PatientID = "PLANTED-ID"
    image.PatientName = "Planted^Name"
    image.Modality = "CT"
    image.Rows = image.Columns = pixels
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 1, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.PixelData = bytes(range(256)) * (pixels * pixels * 2 // 256)
    image["PixelData"].VR = "OW"
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = UID(syntax)
    return image


def data_set_of(part10: bytes) -> bytes:
    """The data set of a Part 10 file: what follows the file meta information."""
    length = struct.unpack_from("<L", part10, 140)[0]
    return part10[144 + length :]


def encoded(image: Dataset) -> bytes:
    """The data set alone, as it goes over the wire."""
    buffer = BytesIO()
    dcmwrite(buffer, image, enforce_file_format=True)
    return data_set_of(buffer.getvalue())


def at_once(event: Any) -> None:
    """TCP_NODELAY: else a data set waits 40 ms for the receiver to acknowledge its command."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def associate(
    port: int, *contexts: Any, calling: str = CALLING, called: str = CALLED, evt_handlers: Any = (), **options: Any
) -> Any:
    """An association of pynetdicom's client."""
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    for context in contexts or (CTImageStorage,):
        if isinstance(context, tuple):
            entity.add_requested_context(*context)
        else:
            entity.add_requested_context(context)
    handlers = [(evt.EVT_CONN_OPEN, at_once), *evt_handlers]
    return entity.associate("127.0.0.1", port, ae_title=called, evt_handlers=handlers, **options)


# a peer that speaks bytes ---------------------------------------------------------------------------------------------
def associate_request(
    *contexts: tuple[str, list[str]], called: str = CALLED, calling: str = CALLING, maximum_length: int = 16382
) -> bytes:
    """A well formed A-ASSOCIATE-RQ."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    proposed = []
    for index, (abstract, syntaxes) in enumerate(contexts or ((CTImageStorage, [ExplicitVRLittleEndian]),)):
        context = build_context(abstract, syntaxes)
        context.context_id = 2 * index + 1
        proposed.append(context)
    primitive.presentation_context_definition_list = proposed
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = maximum_length
    implementation.implementation_class_uid = "1.2.3.4"
    primitive.user_information = [length, implementation]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(primitive)
    return request.encode()


def element(number: int, value: bytes) -> bytes:
    """One element of a command set."""
    return struct.pack("<HHL", 0, number, len(value)) + value


def store_command(sop_class: str, sop_instance: str, message_id: int = 1, data_set_type: int = 0) -> bytes:
    """A C-STORE-RQ."""

    def uid(text: str) -> bytes:
        raw = text.encode("latin-1")
        return raw + b"\0" * (len(raw) % 2)

    body = (
        element(0x0002, uid(sop_class))
        + element(0x0100, b"\x01\x00")
        + element(0x0110, struct.pack("<H", message_id))
        + element(0x0700, b"\0\0")
        + element(0x0800, struct.pack("<H", data_set_type))
        + element(0x1000, uid(sop_instance))
    )
    return element(0x0000, struct.pack("<L", len(body))) + body


def value(control: int, data: bytes, context: int = 1) -> bytes:
    """A presentation data value."""
    return struct.pack(">LBB", len(data) + 2, context, control) + data


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """A PDU; `length` claims another length than it has."""
    return struct.pack(">BBL", kind, 0, len(body) if length is None else length) + body


class RawPeer:
    """A TCP client that sends what it is told."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def send(self, data: bytes) -> None:
        """Send; a receiver that hung up already is fine."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def read_pdu(self) -> tuple[int, bytes]:
        """Kind and body of the next PDU; (0, b"") when the connection is closed."""
        header = self._exactly(6)
        if len(header) < 6:
            return 0, b""
        return header[0], self._exactly(int.from_bytes(header[2:6], "big"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        try:
            while len(data) < count:
                piece = self.socket.recv(count - len(data))
                if not piece:
                    break
                data += piece
        except ConnectionResetError:
            return b""
        return data

    def established(self, request: bytes | None = None) -> RawPeer:
        """Associate, and insist on it."""
        self.send(request or associate_request())
        kind, _ = self.read_pdu()
        assert kind == 0x02, f"expected A-ASSOCIATE-AC, got PDU type {kind}"
        return self

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


@pytest.fixture
def raw_peer() -> Iterator[Callable[[int], RawPeer]]:
    """`raw_peer(port)`: a connection that is closed after the test."""
    peers: list[RawPeer] = []

    def connect(port: int) -> RawPeer:
        peers.append(RawPeer(port))
        return peers[-1]

    yield connect
    for one in peers:
        one.close()


# certificates ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The authority that the receiver trusts."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_settings(authority: Any) -> dict[str, Any]:
    """Mutual TLS of a listener."""
    certificate, key = authority.issue("receiver")
    return {"certificate": f"file:{certificate}", "key": f"file:{key}", "client_ca": f"file:{authority.path}"}


@pytest.fixture
def tools() -> Any:
    """The helpers above, for test files that cannot import this one."""

    class Tools:
        pass

    names = (
        "CALLED CALLING KEY RawPeer Running MemoryStore associate associate_request data_set_of element encoded "
        "instance make_authority parsed pdu store_command value"
    )
    for name in names.split():
        setattr(Tools, name, staticmethod(globals()[name]) if callable(globals()[name]) else globals()[name])
    return Tools


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Associations end with the receiver they belong to."""
    yield
    left = [one for one in threading.enumerate() if one.name == "AcceptorThread"]
    for one in left:
        one.join(5)
    assert not [one for one in left if one.is_alive()], "an association outlived its receiver"
