"""Stores, names, spooled bodies, limits and metrics: each alone."""

# ruff: noqa: N803  (boto3's own names of arguments)

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydicom.filewriter import write_file_meta_info

from services.store_scp import command, part10
from services.store_scp.configuration import S3, Naming
from services.store_scp.naming import Namer
from services.store_scp.spool import Body, NoRoomError, Room, TooLargeError
from services.store_scp.stores import Mode, Outcome, StoreError
from services.store_scp.stores.folder import FolderStore
from services.store_scp.stores.s3 import S3Store, client_for

CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def room(**changed: int) -> Room:
    """Plenty of it."""
    return Room(**{"memory": 1 << 20, "disk": 1 << 24, "threshold": 1 << 16, "largest": 1 << 24, **changed})


def body(content: bytes, where: Room | None = None) -> Body:
    """A body that has arrived."""
    made = Body(where or room())
    made.write(content)
    return made


# files and commands ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("uid", ["1.2", "1.2.3", "1." + "2" * 60])
def test_the_header_is_what_pydicom_writes(uid: str, tools: Any) -> None:
    meta = tools.instance().file_meta
    meta.MediaStorageSOPInstanceUID = uid
    meta.ImplementationClassUID = part10.IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = part10.IMPLEMENTATION_VERSION_NAME
    buffer = io.BytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    assert part10.header(CT, uid, SYNTAX) == part10.PREAMBLE + buffer.getvalue()


def test_a_response_is_what_pynetdicom_reads() -> None:
    from pynetdicom.dsutils import decode

    request = command.StoreRequest(7, CT, "1.2.3")
    found = decode(io.BytesIO(command.store_response(request, 0xA700, "later")), True, True)
    assert (found.CommandField, found.MessageIDBeingRespondedTo, found.Status) == (0x8001, 7, 0xA700)
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (CT, "1.2.3")
    assert found.ErrorComment == "later"


# bodies ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("threshold", [0, 10, 1 << 16], ids=["file", "file after ten bytes", "memory"])
def test_a_body_gives_back_what_was_written_wherever_it_is_kept(threshold: int) -> None:
    where = room(threshold=threshold)
    content = os.urandom(5000)
    made = Body(where)
    for start in range(0, 5000, 7):
        made.write(content[start : start + 7])
    assert b"".join(made.chunks(64)) == content
    assert made.sha256 == hashlib.sha256(content).digest()
    assert (made.in_memory is None) is (threshold < 5000)
    made.close()
    made.close()
    assert where.memory.used == where.disk.used == 0


def test_a_body_goes_to_disk_when_memory_is_taken_by_others() -> None:
    where = room(memory=100)
    first, second = body(b"a" * 90, where), body(b"b" * 90, where)
    assert first.in_memory is not None
    assert second.in_memory is None
    assert b"".join(second.chunks()) == b"b" * 90


def test_without_room_a_body_lets_everything_go() -> None:
    where = room(memory=10, disk=50)
    made = Body(where)
    made.write(b"a" * 40)
    with pytest.raises(NoRoomError):
        made.write(b"a" * 40)
    assert where.memory.used == where.disk.used == 0
    with pytest.raises(TooLargeError):
        Body(room(largest=10)).write(b"a" * 11)
    with pytest.raises(NoRoomError, match="spool folder"):
        Body(Room(memory=0, disk=100, threshold=0, largest=100, folder="/nowhere")).write(b"a")


# names ----------------------------------------------------------------------------------------------------------------
def test_an_opaque_name_is_deterministic_and_tells_nothing(key_file: Path) -> None:
    namer = Namer(Naming(key=f"file:{key_file}"))
    names = namer.names("1.2.3", b"\1" * 32)
    assert names == Namer(Naming(key=f"file:{key_file}")).names("1.2.3", b"\1" * 32)
    assert names.key.startswith(names.instance)
    assert names.key.endswith(".dcm")
    assert "1.2.3" not in names.key
    assert hashlib.sha256(b"1.2.3").hexdigest()[:32] not in names.key, "a hash without a key could be guessed"
    assert names.key != namer.names("1.2.3", b"\2" * 32).key
    assert not namer.names("1.2.30", b"\1" * 32).key.startswith(names.instance)


def test_names_by_uid_are_those_of_row_b3() -> None:
    names = Namer(Naming(layout="uid", prefix="DICOM", study_level=True)).names("1.2.3", b"\1" * 32, "9.8")
    assert names.key == "DICOM/9.8/1.2.3.dcm"
    assert names.distinct.startswith(names.instance)
    flat = Namer(Naming(layout="uid", gzip=True, metadata_prefix="META")).names("1.2.3", b"\1" * 32)
    assert (flat.key, flat.metadata) == ("upload/1.2.3.dcm.gz", "META/1.2.3.json")
    assert not Namer(Naming(layout="uid")).names("1.2.3.4", b"\1" * 32).key.startswith(flat.instance)


@pytest.mark.parametrize("bad", ["", "..", "../1", "/1", "1.", "1..2", "1.2\n", "a", "1" * 65])
def test_what_is_no_uid_never_becomes_a_name(bad: str) -> None:
    namer = Namer(Naming(layout="uid", study_level=True))
    with pytest.raises(ValueError, match="SOP Instance"):
        namer.names(bad, b"\1" * 32, "1.2")
    with pytest.raises(ValueError, match="Study Instance"):
        namer.names("1.2", b"\1" * 32, bad)


# the folder -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fsync", [False, True], ids=["no fsync", "fsync"])
def test_the_folder_keeps_whole_objects_and_compares(tmp_path: Path, fsync: bool) -> None:
    store = FolderStore(tmp_path, fsync=fsync, reserve_bytes=1)
    store.check()
    assert not store.holds("upload/a")
    assert store.put("upload/x/a.dcm", body(b"one"), Mode.NEW) is Outcome.STORED
    assert store.put("upload/x/a.dcm", body(b"one"), Mode.NEW) is Outcome.IDENTICAL
    assert store.put("upload/x/a.dcm", body(b"two"), Mode.NEW) is Outcome.CONFLICT
    assert (tmp_path / "upload/x/a.dcm").read_bytes() == b"one"
    assert store.put("upload/x/a.dcm", body(b"two"), Mode.REPLACE) is Outcome.STORED
    assert (tmp_path / "upload/x/a.dcm").read_bytes() == b"two"
    assert store.holds("upload/x/a.")
    assert not stat.S_IMODE((tmp_path / "upload/x/a.dcm").stat().st_mode) & 0o007
    assert not list((tmp_path / ".incoming").iterdir()), "nothing half written stays"


def test_an_object_that_a_crash_left_damaged_is_healed_when_it_comes_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, fsync=False)
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload/a.dcm").write_bytes(b"")
    assert store.put("upload/a.dcm", body(b"whole"), Mode.ADDRESSED) is Outcome.STORED
    assert (tmp_path / "upload/a.dcm").read_bytes() == b"whole"


def test_a_full_or_broken_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path, reserve_bytes=1 << 62)
    with pytest.raises(StoreError, match="ENOSPC"):
        store.put("upload/a.dcm", body(b"one"), Mode.NEW)
    with pytest.raises(StoreError):
        store.check()
    working = FolderStore(tmp_path)

    def fail(_descriptor: int) -> None:
        raise OSError(5, "I/O error of a patient's disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError) as caught:
        working.put("upload/b.dcm", body(b"one"), Mode.NEW)
    assert "patient" not in str(caught.value)
    assert not list((tmp_path / ".incoming").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        working.holds("file/x")


# S3 -------------------------------------------------------------------------------------------------------------------
class FakeS3:
    """S3's conditional, checksummed puts, and whatever a test makes of them."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.parts: dict[str, list[bytes]] = {}
        self.aborted = 0
        self.lie = False
        self.error: Exception | None = None

    def _refuse_taken(self, key: str, condition: str | None) -> None:
        if self.error is not None:
            raise self.error
        if condition == "*" and key in self.objects:
            raise refused("PreconditionFailed")

    def put_object(self, *, Key: str, Body: bytes, ChecksumSHA256: str, **rest: Any) -> dict[str, str]:
        self._refuse_taken(Key, rest.get("IfNoneMatch"))
        assert base64.b64encode(hashlib.sha256(Body).digest()).decode() == ChecksumSHA256
        self.objects[Key] = (Body, ChecksumSHA256)
        return {"ChecksumSHA256": "another" if self.lie else ChecksumSHA256}

    def create_multipart_upload(self, *, Key: str, **_rest: Any) -> dict[str, str]:
        self.parts[Key] = []
        return {"UploadId": Key}

    def upload_part(self, *, Key: str, PartNumber: int, Body: bytes, **_rest: Any) -> dict[str, str]:
        self.parts[Key].append(Body)
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, *, Key: str, **rest: Any) -> dict[str, str]:
        self._refuse_taken(Key, rest.get("IfNoneMatch"))
        digests = b"".join(hashlib.sha256(part).digest() for part in self.parts[Key])
        checksum = f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(self.parts[Key])}"
        self.objects[Key] = (b"".join(self.parts[Key]), checksum)
        return {"ChecksumSHA256": "another" if self.lie else checksum}

    def abort_multipart_upload(self, **_rest: Any) -> None:
        self.aborted += 1
        if self.error is not None:
            raise self.error

    def head_object(self, *, Key: str, **_rest: Any) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"ChecksumSHA256": self.objects[Key][1]}

    def list_objects_v2(self, *, Prefix: str, **_rest: Any) -> dict[str, int]:
        if self.error is not None:
            raise self.error
        return {"KeyCount": sum(key.startswith(Prefix) for key in self.objects)}


def refused(code: str) -> ClientError:
    """An answer of S3."""
    return ClientError({"Error": {"Code": code, "Message": "quotes the key"}}, "PutObject")


@pytest.fixture
def fake() -> FakeS3:
    """An empty bucket."""
    return FakeS3()


@pytest.fixture
def s3(fake: FakeS3) -> S3Store:
    """A store over it, with parts of 5 MiB."""
    settings = S3(bucket="bucket", multipart_bytes=5 << 20, part_bytes=5 << 20, kms_key_id="key")
    return S3Store(settings, fake, "upload")


@pytest.mark.parametrize("size", [100, 6 << 20], ids=["whole", "in parts"])
def test_s3_keeps_what_its_checksum_confirms(s3: S3Store, fake: FakeS3, size: int) -> None:
    content = os.urandom(size)
    make = lambda data=content: body(data, room(largest=8 << 20, memory=16 << 20, threshold=8 << 20))  # noqa: E731
    assert s3.put("upload/a", make(), Mode.NEW) is Outcome.STORED
    assert fake.objects["upload/a"][0] == content
    assert s3.put("upload/a", make(), Mode.NEW) is Outcome.IDENTICAL
    assert s3.put("upload/a", make(), Mode.ADDRESSED) is Outcome.IDENTICAL
    assert s3.put("upload/a", make(content[:-1] + b"x"), Mode.NEW) is Outcome.CONFLICT
    assert s3.put("upload/a", make(content[:-1] + b"x"), Mode.REPLACE) is Outcome.STORED
    fake.lie = True
    with pytest.raises(StoreError, match="confirm"):
        s3.put("upload/b", make(), Mode.NEW)


def test_a_spooled_body_goes_to_s3_whole(s3: S3Store, fake: FakeS3) -> None:
    assert s3.put("upload/a", body(b"x" * 1000, room(threshold=0)), Mode.NEW) is Outcome.STORED
    assert fake.objects["upload/a"][0] == b"x" * 1000


@pytest.mark.parametrize(
    "error",
    [refused("SlowDown"), refused("ConditionalRequestConflict"), EndpointConnectionError(endpoint_url="x")],
    ids=["throttled", "a race", "not reached"],
)
def test_an_error_of_s3_is_no_success_and_quotes_nothing(s3: S3Store, fake: FakeS3, error: Exception) -> None:
    fake.error = error
    with pytest.raises(StoreError) as caught:
        s3.put("upload/a", body(b"x"), Mode.NEW)
    assert "quotes" not in str(caught.value)
    large = body(b"x" * (6 << 20), room(largest=8 << 20, memory=16 << 20, threshold=8 << 20))
    with pytest.raises(StoreError):
        s3.put("upload/b", large, Mode.NEW)
    assert fake.aborted == 1, "parts of an upload that failed are taken away"
    for ask in (lambda: s3.holds("upload/"), s3.check, lambda: s3._compare("upload/a", body(b"x"))):
        with pytest.raises(StoreError):
            ask()


def test_s3_is_asked_with_a_listing_whether_it_holds_an_instance(s3: S3Store) -> None:
    s3.put("upload/a.1", body(b"x"), Mode.NEW)
    s3.check()
    assert s3.holds("upload/a.")
    assert not s3.holds("upload/b.")


def test_the_client_gives_up_in_time() -> None:
    client = client_for(S3(bucket="bucket", region="us-east-1", timeout_seconds=7, attempts=2), 33)
    config = client.meta.config
    assert (config.read_timeout, config.connect_timeout, config.max_pool_connections) == (7, 5.0, 33)
    assert config.retries["total_max_attempts"] == 2
