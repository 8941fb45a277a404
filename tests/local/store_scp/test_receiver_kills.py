"""Kill the receiver, the embedded S3 and the network in the middle: what was acknowledged is there, byte for byte.

The receiver is a process of its own with two workers, the store is the embedded S3 over TLS with IAM on, and the
sender is pynetdicom's client. What is counted is what a modality counts: instances answered with success.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.local.conftest import Launcher, client

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "receiver-kills"
IMAGES = 60


def image(number: int) -> Dataset:
    """An instance whose bytes are its own."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = (
        CTImageStorage,
        generate_uid(entropy_srcs=[str(number), str(time.time_ns())]),
    )
    made.StudyInstanceUID = made.SeriesInstanceUID = "1.2.3"
    made.PatientID, made.Modality, made.InstanceNumber = "X", "CT", number
    made.Rows = made.Columns = 128
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = os.urandom(2 * 128 * 128)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def digest(made: Dataset) -> str:
    """Hash of the data set as it goes over the wire."""
    buffer = BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return hashlib.sha256(data_set(buffer.getvalue())).hexdigest()


def data_set(part10: bytes) -> bytes:
    """What follows the file meta information."""
    return part10[144 + int.from_bytes(part10[140:144], "little") :]


class Relay:
    """A piece of network between two ends, which can be cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where to connect."""
        return int(self._listening.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return  # taken away
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()  # the far end is down just now
                continue
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Reset every connection that is open now; new ones work."""
        for pair in self._pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.close()
        self._pairs.clear()

    def close(self) -> None:
        """Take it away."""
        self._listening.close()
        self.cut()


@dataclass
class Scp:
    """The receiver as processes that can be killed."""

    folder: Path
    environment: dict[str, str]
    port: int
    relay: Relay
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "services.store_scp", "--config", str(self.folder / "config.yaml")],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=(self.folder / "log").open("ab"),
            stderr=subprocess.PIPE,
        )
        assert self.popen.stderr is not None
        line = self.popen.stderr.readline().decode()
        assert "listens" in line, line + self.popen.stderr.read().decode()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        assert self.popen is not None
        pid = self.popen.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self) -> None:
        """A regular end."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            self.popen.wait(60)


@dataclass
class Sender:
    """A modality: sends each instance until it is acknowledged."""

    port: int
    acknowledged: dict[str, str] = field(default_factory=dict)
    attempts: int = 0

    def send(self, images: list[Dataset], seconds: float = 180) -> None:
        """Send all, over as many associations as it takes."""
        waiting, deadline = list(images), time.monotonic() + seconds
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} instances were never taken"
            association = self._association()
            if association is None:
                time.sleep(0.2)
                continue
            while waiting and association.is_established:
                self.attempts += 1
                answer = association.send_c_store(waiting[0])
                if getattr(answer, "Status", None) == 0x0000:
                    sent = waiting.pop(0)
                    self.acknowledged[str(sent.SOPInstanceUID)] = digest(sent)
                else:
                    time.sleep(0.1)
            if association.is_established:
                association.release()

    def _association(self) -> Any:
        entity = AE("SCU")
        entity.acse_timeout = entity.network_timeout = entity.connection_timeout = 10
        entity.dimse_timeout = 60
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", self.port, ae_title="IMAGING")
        return association if association.is_established else None


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """An embedded AWS that this file may kill, with the bucket."""
    launcher = Launcher(tmp_path_factory.mktemp("receiver-kills") / "state")
    launcher.environment = launcher.start()  # type: ignore[attr-defined]
    client(launcher.environment, "s3").create_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]
    yield launcher
    launcher.kill()


@pytest.fixture
def s3(launcher: Any) -> Any:
    """A client of the store."""
    return client(launcher.environment, "s3")


@pytest.fixture
def scp(tmp_path: Path, launcher: Any) -> Iterator[Scp]:
    """A receiver over the embedded S3, which it reaches through a relay."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    relay = Relay(launcher.port)
    (tmp_path / "key").write_text("5a" * 32)
    peer = {"name": "scu", "ae_title": "SCU", "addresses": ["127.0.0.1/32"], "rights": ["store"], "associations": 20}
    place = {"bucket": BUCKET, "endpoint_url": f"https://127.0.0.1:{relay.port}", "timeout_seconds": 5, "attempts": 2}
    configuration = {
        "ae_title": "IMAGING",
        "listeners": [{"port": port, "unencrypted": True}],
        "peers": [peer],
        "store": {"s3": place},
        "naming": {"key": f"file:{tmp_path / 'key'}"},
        "health": {"port": 0},
        "limits": {"drain_seconds": 5},
        "processes": 2,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration))
    scp = Scp(tmp_path, launcher.environment, port, relay)
    scp.start()
    yield scp
    scp.end()
    relay.close()


def kept(client: Any) -> dict[str, list[str]]:
    """SOP Instance UID -> digests of the data sets of all its objects."""
    found: dict[str, list[str]] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page.get("Contents", []):
            content = client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            uid = str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
            found.setdefault(uid, []).append(hashlib.sha256(data_set(content)).hexdigest())
            assert re.fullmatch(r"upload/[0-9a-f]{32}\.[0-9a-f]{32}\.dcm", item["Key"]), "an identifier in a key"
    return found


def while_sending(disturb: Callable[[], None], port: int, senders: int = 2) -> dict[str, str]:
    """Senders at work while something is killed; what was acknowledged."""
    crowd = [Sender(port) for _ in range(senders)]
    images = [[image(index) for index in range(IMAGES // senders)] for _ in crowd]
    failures: list[BaseException] = []

    def work(sender: Sender, mine: list[Dataset]) -> None:
        try:
            sender.send(mine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(crowd, images, strict=True)]
    for thread in threads:
        thread.start()
    while sum(len(one.acknowledged) for one in crowd) < IMAGES // 4 and not failures:
        time.sleep(0.02)
    disturb()
    for thread in threads:
        thread.join(240)
    assert not failures, failures
    acknowledged = {uid: value for one in crowd for uid, value in one.acknowledged.items()}
    assert len(acknowledged) == IMAGES
    return acknowledged


def judge(acknowledged: dict[str, str], client: Any) -> None:
    """Everything acknowledged is there once, byte for byte."""
    there = kept(client)
    assert {uid: there.get(uid) for uid in acknowledged} == {uid: [value] for uid, value in acknowledged.items()}


def kill_a_worker(scp: Scp, _launcher: Any) -> None:
    """SIGKILL to a process that holds associations; the supervisor starts another."""
    os.kill(scp.workers()[0], signal.SIGKILL)


def kill_the_receiver(scp: Scp, _launcher: Any) -> None:
    """SIGKILL to the supervisor and all workers, then a new start on the same port."""
    workers = scp.workers()
    assert scp.popen is not None
    for pid in [scp.popen.pid, *workers]:
        os.kill(pid, signal.SIGKILL)
    scp.popen.wait()
    scp.start()


def end_the_receiver(scp: Scp, _launcher: Any) -> None:
    """SIGTERM while instances arrive, then a new start: a deployment."""
    scp.end()
    scp.start()


def kill_the_store(_scp: Scp, launcher: Any) -> None:
    """SIGKILL to the embedded AWS, then a new start on the same port over the same folder."""
    launcher.kill()
    launcher.start()


def cut_the_network_to_the_store(scp: Scp, _launcher: Any) -> None:
    """Every connection between receiver and S3 is reset, three times."""
    for _ in range(3):
        scp.relay.cut()
        time.sleep(0.1)


FAULTS = [kill_a_worker, kill_the_receiver, end_the_receiver, cut_the_network_to_the_store, kill_the_store]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_was_acknowledged_is_there_byte_for_byte(fault: Any, scp: Scp, launcher: Any, s3: Any) -> None:
    judge(while_sending(lambda: fault(scp, launcher), scp.port), s3)


def test_the_network_between_sender_and_receiver_is_cut(scp: Scp, s3: Any) -> None:
    between = Relay(scp.port)

    def cut() -> None:
        for _ in range(3):
            between.cut()
            time.sleep(0.1)

    judge(while_sending(cut, between.port), s3)
    between.close()


def test_undisturbed_every_instance_is_acknowledged_at_the_first_try(scp: Scp, s3: Any) -> None:
    sender = Sender(scp.port)
    sender.send([image(number) for number in range(12)])
    assert sender.attempts == len(sender.acknowledged) == 12
    judge(sender.acknowledged, s3)
