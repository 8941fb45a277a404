"""What hostile peers send: the CVE classes of DICOM servers as bytes. A case gets a receiver's port and does its worst.

Each name says the class: length claims before allocation (pynetdicom#1086), path traversal by UID (CVE-2026-56445,
CVE-2022-2119), command injection by UID (CVE-2026-5663), leaks by repeated connections (CVE-2026-50254,
CVE-2026-35505), crashes by one crafted message (CVE-2026-44628, CVE-2022-2121), odd VRs (CVE-2026-3650), bombs
(CVE-2026-5438, CVE-2026-5439), unbounded lengths (CVE-2026-5440), overflows (CVE-2026-5442), slow peers.
"""

# ruff: noqa: E501  (a table is read by its rows)

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

Case = Callable[[Any, int], None]
CT = "1.2.840.10008.5.1.4.1.1.2"
COMMIT = "1.2.840.10008.1.20.1"
ECHO = "1.2.840.10008.1.1"
LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UID = "1.2.826.0.1.3680043.2.1143.1"
QUIET_SECONDS = 0.5
"""A receiver that has said nothing for so long waits for more, or is still at work: the peer hangs up on it."""


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """An item of an A-ASSOCIATE PDU; `length` may lie."""
    return struct.pack(">BBH", kind, 0, len(body) if length is None else length) + body


def request(t: Any, items: bytes, *, called: bytes = b"IMAGING", calling: bytes = b"SCU", version: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ with whatever items."""
    head = struct.pack(">HH", version, 0) + called.ljust(16)[:16] + calling.ljust(16)[:16] + bytes(32)
    return t.pdu(1, head + items)


APPLICATION = item(0x10, b"1.2.840.10008.3.1.1.1")


def context(number: int, abstract: bytes = CT.encode(), syntax: bytes = LITTLE.encode()) -> bytes:
    """A presentation context item."""
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract) + item(0x40, syntax))


USER = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))


def raw(data: bytes, *, then_read: bool = True) -> Case:
    """Connect, send, and see what comes."""

    def run(t: Any, port: int) -> None:
        peer = t.RawPeer(port)
        peer.send(data)
        if then_read:
            peer.socket.settimeout(QUIET_SECONDS)
            with contextlib.suppress(TimeoutError):
                peer.read_pdu()
        peer.close()

    return run


def built(make: Callable[[Any], bytes]) -> Case:
    """The same with bytes that the helpers build."""

    def run(t: Any, port: int) -> None:
        raw(make(t))(t, port)

    return run


def after(make: Callable[[Any], bytes], *, proposal: tuple[str, list[str]] = (CT, [LITTLE]), read: bool = True) -> Case:
    """The bytes within an association."""

    def run(t: Any, port: int) -> None:
        peer = t.RawPeer(port).established(t.associate_request(proposal))
        peer.send(make(t))
        if read:
            peer.socket.settimeout(QUIET_SECONDS)
            with contextlib.suppress(TimeoutError):
                while peer.read_pdu()[0]:
                    continue
        peer.close()

    return run


def store(t: Any, uid: str = UID, data: bytes = b"\x08\x00\x05\x00CS\x00\x00", sop_class: str = CT) -> bytes:
    """A whole C-STORE in two PDUs."""
    return t.pdu(4, t.value(3, t.store_command(sop_class, uid))) + t.pdu(4, t.value(2, data))


def command(t: Any, field: int, *, data_set: bool = False, extra: bytes = b"") -> bytes:
    """A message of any command field."""
    body = (
        t.element(0x0002, CT.encode() + b"\0")
        + t.element(0x0100, struct.pack("<H", field))
        + t.element(0x0110, b"\x01\x00")
        + t.element(0x0800, b"\x00\x00" if data_set else b"\x01\x01")
        + extra
    )
    return t.pdu(4, t.value(3, t.element(0, struct.pack("<L", len(body))) + body))


def action(t: Any, information: bytes) -> bytes:
    """An N-ACTION-RQ of the storage commitment class with any data set."""
    body = (
        t.element(0x0003, COMMIT.encode())
        + t.element(0x0100, b"\x30\x01")
        + t.element(0x0110, b"\x01\x00")
        + t.element(0x0800, b"\x00\x00")
        + t.element(0x1001, b"1.2.840.10008.1.20.1.1")
        + t.element(0x1008, b"\x01\x00")
    )
    pieces = [information[start : start + 100_000] for start in range(0, len(information), 100_000)] or [b""]
    sent = t.pdu(4, t.value(3, t.element(0, struct.pack("<L", len(body))) + body))
    for index, piece in enumerate(pieces):
        sent += t.pdu(4, t.value(2 if index == len(pieces) - 1 else 0, piece))
    return sent


def nested(depth: int) -> bytes:
    """Sequences in sequences of undefined length, Implicit VR."""
    begin = struct.pack("<HHL", 0x0008, 0x1199, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return begin * depth + end * depth


def references(count: int) -> bytes:
    """A commitment request for so many instances, Implicit VR."""
    one = struct.pack("<HHL", 8, 0x1150, 26) + CT.encode() + b"\0" + struct.pack("<HHL", 8, 0x1155, 8) + b"1.2.3.4\0"
    items = (struct.pack("<HHL", 0xFFFE, 0xE000, len(one)) + one) * count
    return struct.pack("<HHL", 8, 0x1195, 4) + b"1.2\0" + struct.pack("<HHL", 8, 0x1199, len(items)) + items


def flood(t: Any, port: int) -> None:
    """Data sets far beyond what one instance may be."""
    peer = t.RawPeer(port).established()
    peer.send(t.pdu(4, t.value(3, t.store_command(CT, UID))))
    block = t.pdu(4, t.value(0, bytes(130_000)))
    for _ in range(300):
        peer.send(block)
    peer.send(t.pdu(4, t.value(2, bytes(16))))
    kind, body = peer.read_pdu()
    assert kind == 4
    assert struct.pack("<HHLH", 0, 0x0900, 2, 0xA700) in body, "out of resources, and the association lives on"
    peer.close()


def many(count: int, act: Callable[[Any, int, list[Any]], None]) -> Case:
    """Several connections at once."""

    def run(t: Any, port: int) -> None:
        peers: list[Any] = []
        try:
            for _ in range(count):
                act(t, port, peers)
        finally:
            for peer in peers:
                peer.close()

    return run


def idle(t: Any, port: int, peers: list[Any]) -> None:
    """A connection that says nothing."""
    try:
        peers.append(t.RawPeer(port))
    except OSError:
        return


def half_open(t: Any, port: int, peers: list[Any]) -> None:
    """A header that is never completed."""
    idle(t, port, peers)
    peers[-1].send(b"\x01\x00\x00")


def in_the_middle(t: Any, port: int, peers: list[Any]) -> None:
    """Associations that stop within an instance, each holding as much as it can."""
    peer = admitted(t, port)
    peer.send(t.pdu(4, t.value(3, t.store_command(CT, UID))) + t.pdu(4, t.value(0, bytes(130_000))) * 6)
    peers.append(peer)


def admitted(t: Any, port: int) -> Any:
    """An association; on a busy machine the receiver may still be closing those of the case before."""
    for _ in range(20):
        with contextlib.suppress(AssertionError, OSError):
            return t.RawPeer(port).established()
        time.sleep(0.25)
    return t.RawPeer(port).established()


def short_lived(t: Any, port: int, peers: list[Any]) -> None:
    """Connect and reset."""
    peer = t.RawPeer(port)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def trickle(t: Any, port: int) -> None:
    """One byte at a time, for longer than a request may take."""
    peer = t.RawPeer(port)
    for byte in t.associate_request()[:40]:
        peer.send(bytes([byte]))
        time.sleep(0.02)
    peer.close()


def never_reads(t: Any, port: int) -> None:
    """Sends and sends, and leaves the responses where they are."""
    peer = t.RawPeer(port).established()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.socket.settimeout(1.0)
    with contextlib.suppress(OSError):
        for _ in range(300):
            peer.socket.sendall(store(t))
    peer.close()


def half_close(t: Any, port: int) -> None:
    """Closes its sending side within an instance."""
    peer = t.RawPeer(port).established()
    peer.send(t.pdu(4, t.value(3, t.store_command(CT, UID))))
    peer.socket.shutdown(socket.SHUT_WR)
    peer.read_pdu()
    peer.close()


def deflated_bomb() -> bytes:
    """64 MiB of zeros, deflated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(bytes(64 << 20)) + squeeze.flush()


def several(t: Any, data: bytes, size: int = 100_000) -> bytes:
    """A C-STORE whose data set comes in PDUs of a size."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    sent = t.pdu(4, t.value(3, t.store_command(CT, UID)))
    return sent + b"".join(t.pdu(4, t.value(2 if i == len(pieces) - 1 else 0, p)) for i, p in enumerate(pieces))


NOISE = random.Random(5).randbytes(65_536)
CASES: dict[str, Case] = {
    **{f"4 GiB claimed by PDU type {kind} before an association": raw(struct.pack(">BBL", kind, 0, 0xFFFFFFFF) + bytes(4096)) for kind in range(1, 8)},
    **{f"PDU type 0x{kind:02X} that does not exist": raw(struct.pack(">BBL", kind, 0, 16) + bytes(16)) for kind in (0x00, 0x08, 0x7F, 0xFF)},
    "256 KiB and one byte of association request": raw(struct.pack(">BBL", 1, 0, 256 * 1024 + 1)),
    "256 KiB of zeros as association request": raw(struct.pack(">BBL", 1, 0, 256 * 1024) + bytes(256 * 1024)),
    "data before an association": built(lambda t: t.pdu(4, t.value(3, b"\0" * 10))),
    "release before an association": built(lambda t: t.pdu(5, bytes(4))),
    "release response before an association": built(lambda t: t.pdu(6, bytes(4))),
    "abort before an association": built(lambda t: t.pdu(7, bytes(4))),
    "association accepted by the requestor": built(lambda t: t.pdu(2, bytes(68) + APPLICATION)),
    "association rejected by the requestor": built(lambda t: t.pdu(3, bytes(4))),
    "three bytes and gone": raw(b"\x01\x00\x00", then_read=False),
    "a header and gone": raw(struct.pack(">BBL", 1, 0, 200), then_read=False),
    "half a request and gone": built(lambda t: t.associate_request()[:100]),
    "nothing at all": raw(b"", then_read=False),
    "an HTTP request": raw(b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"),
    "a TLS hello on the plain port": raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512)),
    "64 KiB of noise": raw(NOISE),
    "a megabyte of zeros": raw(bytes(1 << 20)),
    "an item that claims more than its request": built(lambda t: request(t, item(0x10, b"1.2", 65_535))),
    "a subitem that claims more than its item": built(lambda t: request(t, APPLICATION + item(0x20, bytes([1, 0, 0, 0]) + item(0x30, b"1.2", 9000)))),
    "6,000 presentation contexts": built(lambda t: request(t, APPLICATION + (context(1, b"1.2", b"1.2")) * 6000 + USER)),
    "255 contexts of the same number": built(lambda t: request(t, APPLICATION + context(1) * 255 + USER)),
    "a context of even number": built(lambda t: request(t, APPLICATION + context(2) + USER)),
    "a context of number zero": built(lambda t: request(t, APPLICATION + context(0) + USER)),
    "no presentation context": built(lambda t: request(t, APPLICATION + USER)),
    "a context without transfer syntax": built(lambda t: request(t, APPLICATION + item(0x20, bytes([1, 0, 0, 0]) + item(0x30, CT.encode())) + USER)),
    "no application context": built(lambda t: request(t, context(1) + USER)),
    "no user information": built(lambda t: request(t, APPLICATION + context(1))),
    "4,000 unknown user items": built(lambda t: request(t, APPLICATION + context(1) + item(0x50, item(0x5F, b"abcd") * 4000))),
    "a user identity of 60 KB": built(lambda t: request(t, APPLICATION + context(1) + item(0x50, item(0x51, bytes(4)) + item(0x58, bytes([1, 1]) + struct.pack(">H", 60_000) + b"u" * 60_000 + bytes(2))))),
    "an empty item of type zero": built(lambda t: request(t, item(0, b""))),
    "titles of NUL bytes": built(lambda t: request(t, APPLICATION + context(1) + USER, called=bytes(16), calling=bytes(16))),
    "titles of control characters": built(lambda t: request(t, APPLICATION + context(1) + USER, called=b"\n\r\x1b[2J", calling=b"\x00\xff\xfe")),
    "a calling title that is a path": built(lambda t: request(t, APPLICATION + context(1) + USER, calling=b"../../../etc/x")),
    "an abstract syntax that is a path": built(lambda t: request(t, APPLICATION + context(1, b"../../etc/passwd") + USER)),
    "a transfer syntax that is no UID": built(lambda t: request(t, APPLICATION + context(1, syntax=b"\xff" * 64) + USER)),
    "a UID of 9,000 characters in negotiation": built(lambda t: request(t, APPLICATION + context(1, b"1." * 4500) + USER)),
    "a protocol version that does not exist": built(lambda t: request(t, APPLICATION + context(1) + USER, version=0)),
    "two association requests in a row": built(lambda t: t.associate_request() * 2),
    "a PDU of 4 GiB within an association": after(lambda t: struct.pack(">BBL", 4, 0, 0xFFFFFFFF) + bytes(8192)),
    "a PDU one byte over what was negotiated": after(lambda t: struct.pack(">BBL", 4, 0, 131_073)),
    "a data value of no length": after(lambda t: t.pdu(4, struct.pack(">L", 0))),
    "a data value of length one": after(lambda t: t.pdu(4, struct.pack(">LB", 1, 1))),
    "a data value longer than its PDU": after(lambda t: t.pdu(4, struct.pack(">LBB", 9000, 1, 3) + bytes(10))),
    "a data value of 4 GiB": after(lambda t: t.pdu(4, struct.pack(">LBB", 0xFFFFFFFF, 1, 3) + bytes(10))),
    "a data value cut short": after(lambda t: t.pdu(4, b"\0\0\0")),
    "a context that was never proposed": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID), context=9))),
    "a context that changes within a message": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))) + t.pdu(4, t.value(2, bytes(8), context=3))),
    "a data set without a command": after(lambda t: t.pdu(4, t.value(2, bytes(100)))),
    "a command within a data set": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))) * 2),
    "a command set of a megabyte": after(lambda t: t.pdu(4, t.value(1, bytes(100_000))) * 10),
    "a command element of another group": after(lambda t: t.pdu(4, t.value(3, struct.pack("<HHL", 8, 5, 2) + b"AB"))),
    "a command element of 4 GiB": after(lambda t: t.pdu(4, t.value(3, struct.pack("<HHL", 0, 2, 0xFFFFFFFF)))),
    "a command element cut short": after(lambda t: t.pdu(4, t.value(3, b"\0\0\0"))),
    "an empty command set": after(lambda t: t.pdu(4, t.value(3, b""))),
    "a command field that does not exist": after(lambda t: command(t, 0xFFFF)),
    "a command without a field": after(lambda t: t.pdu(4, t.value(3, t.element(0x0110, b"\1\0") + t.element(0x0800, b"\1\1")))),
    "a C-STORE without a message number": after(lambda t: t.pdu(4, t.value(3, t.element(0x0100, b"\1\0") + t.element(0x0800, b"\0\0")))),
    "a C-STORE without a data set": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID, data_set_type=0x0101)))),
    "a C-FIND": after(lambda t: command(t, 0x0020)),
    "a C-MOVE with a data set": after(lambda t: command(t, 0x0021, data_set=True) + t.pdu(4, t.value(2, bytes(64)))),
    "a C-GET": after(lambda t: command(t, 0x0010)),
    "1,000 C-CANCEL": after(lambda t: command(t, 0x0FFF) * 1000),
    "1,000 N-EVENT-REPORT": after(lambda t: command(t, 0x0100, extra=t.element(0x1000, b"1.2\0") + t.element(0x1002, b"\1\0")) * 1000),
    "responses to nothing": after(lambda t: command(t, 0x8001) * 50),
    "1,000 C-ECHO at once": after(lambda t: command(t, 0x0030) * 1000, proposal=(ECHO, [LITTLE])),
    **{f"a SOP Instance UID that is {what}": after(lambda t, uid=uid: store(t, uid)) for what, uid in {
        "a relative path": "../../ESCAPED", "an absolute path": "/etc/cron.d/x", "two dots": "..", "a folder": "1.2/../../3",
        "a shell command": "$(touch /tmp/pwned)", "a pipe": "1.2|reboot", "an S3 pattern": "*", "a NUL": "1.2\x003", "empty": "",
        "8,000 characters": "1." * 4000, "a home folder": "~root", "a Windows path": "C:\\x", "a newline": "1.2\n3", "a URL": "http://x/1"}.items()},
    "an empty data set": after(lambda t: store(t, data=b"")),
    "a data set of 39 MB where 24 MiB is the most": flood,
    "100,000 data values of no content": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))) + t.pdu(4, t.value(0, b"") * 20_000) * 5 + t.pdu(4, t.value(2, b"x"))),
    "200 instances without reading an answer": never_reads,
    "a deflated bomb": after(lambda t: several(t, deflated_bomb()), proposal=(CT, [DEFLATED])),
    "400 nested sequences in a data set": after(lambda t: several(t, nested(400))),
    "VRs that do not exist": after(lambda t: store(t, data=b"\x08\x00\x05\x00ZZ\xff\xff" * 100)),
    "rows and columns as UL": after(lambda t: store(t, data=b"\x28\x00\x10\x00UL\x04\x00\xff\xff\xff\xff" * 2)),
    "a polyglot in the data set": after(lambda t: store(t, data=b"MZ" + b"\x7fELF" + bytes(512))),
    "a commitment request that is noise": after(lambda t: action(t, NOISE), proposal=(COMMIT, [IMPLICIT])),
    "a commitment request of nothing": after(lambda t: action(t, b""), proposal=(COMMIT, [IMPLICIT])),
    "400 nested sequences in a commitment request": after(lambda t: action(t, nested(400)), proposal=(COMMIT, [IMPLICIT])),
    "5,000 nested sequences in a commitment request": after(lambda t: action(t, nested(5000)), proposal=(COMMIT, [IMPLICIT])),
    "a commitment request for 25,000 instances": after(lambda t: action(t, references(25_000)), proposal=(COMMIT, [IMPLICIT])),
    "a commitment request of 5 MB": after(lambda t: action(t, bytes(5_000_000)), proposal=(COMMIT, [IMPLICIT])),
    "200 commitment requests at once": after(lambda t: action(t, references(10)) * 200, proposal=(COMMIT, [IMPLICIT])),
    "a sequence of 4 GiB in a commitment request": after(lambda t: action(t, struct.pack("<HHL", 8, 0x1199, 0xFFFFFFF0)), proposal=(COMMIT, [IMPLICIT])),
    "abort within an instance": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))) + t.pdu(7, bytes(4)), read=False),
    "release within an instance": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))) + t.pdu(5, bytes(4))),
    "gone within an instance": after(lambda t: t.pdu(4, t.value(3, t.store_command(CT, UID))), read=False),
    "a half closed connection within an instance": half_close,
    "data after release": after(lambda t: t.pdu(5, bytes(4)) + store(t)),
    "a release response nobody asked for": after(lambda t: t.pdu(6, bytes(4))),
    "an association request within an association": after(lambda t: t.associate_request()),
    "a release of 4 GiB": after(lambda t: struct.pack(">BBL", 5, 0, 0xFFFFFFFF)),
    "40 connections that say nothing": many(40, idle),
    "40 connections with half a header": many(40, half_open),
    "120 connections where 50 are the most": many(120, idle),
    "12 associations that stop within an instance": many(12, in_the_middle),
    "300 connections reset at once": many(300, short_lived),
    "a request byte by byte": trickle,
}  # fmt: skip
"""Name -> what is done to the port."""
