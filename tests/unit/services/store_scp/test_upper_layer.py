"""The upper layer and its messages piece by piece: what a peer's bytes may be, and what ends an association."""

# ruff: noqa: PLR0917 - fixtures and cases arrive as arguments
# pyright: reportPrivateUsage=false

from __future__ import annotations

import queue
import socket
import struct
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from services.store_scp import command, message
from services.store_scp.command import CommandError
from services.store_scp.message import Incoming, ProtocolError
from services.store_scp.upper_layer import MAXIMUM_WAITING, BoundedDUL, BoundedSocket, WaitingDIMSE

ABORT, P_DATA_TF = 7, 4
UID = "1.2.826.0.1.3680043.2.1143.1"


# a socket with bounds -------------------------------------------------------------------------------------------------
def bounded(sock: Any, *, connected: bool = True) -> BoundedSocket:
    """pynetdicom's socket over one of ours, without an association."""
    found = object.__new__(BoundedSocket)
    found.socket = sock
    found._is_connected = connected
    found._assoc = SimpleNamespace(dul=SimpleNamespace(event_queue=queue.Queue()))
    return found


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


def test_a_socket_is_ready_when_something_came_and_not_when_only_a_wake_up_did(pair: Any) -> None:
    mine, theirs = pair
    wake, waker = socket.socketpair()
    found = bounded(mine)
    assert not found.ready
    waker.send(b"\0")
    assert not found.wait(5_000, wake), "it returned at once, with nothing to read"
    theirs.send(b"x")
    assert found.ready
    wake.close()
    waker.close()


def test_a_connection_that_is_gone_is_never_ready_and_says_so(pair: Any) -> None:
    mine, _ = pair
    assert not bounded(None).ready
    assert not bounded(mine, connected=False).ready
    found = bounded(mine)
    mine.close()
    assert not found.ready
    assert found.event_queue.get_nowait() == "Evt17", "the state machine hears of it"
    with pytest.raises(ConnectionError):
        bounded(None).fill(memoryview(bytearray(1)), time.monotonic() + 1)
    bounded(None).time_limit(1)


def test_a_pdu_that_does_not_come_whole_is_given_up(pair: Any) -> None:
    mine, theirs = pair
    found = bounded(mine)
    found.time_limit(0.2)
    theirs.send(b"abc")
    with pytest.raises(OSError, match=r".*"):
        found.fill(memoryview(bytearray(6)), time.monotonic() - 1)
    theirs.close()
    with pytest.raises(ConnectionError, match="within a PDU"):
        found.fill(memoryview(bytearray(6)), time.monotonic() + 5)


# waiting for messages -------------------------------------------------------------------------------------------------
def provider(timeout: float | None, pending: Any = None) -> WaitingDIMSE:
    """pynetdicom's DIMSE provider with a queue of its own."""
    found = object.__new__(WaitingDIMSE)
    found.msg_queue = queue.Queue()
    found._assoc = SimpleNamespace(dul=SimpleNamespace(peek_next_pdu=lambda: pending), dimse_timeout=timeout)
    return found


def test_waiting_for_a_response_goes_on_past_wake_ups_until_it_is_there_or_time_is_up() -> None:
    waiting = provider(5)
    for item in ((None, None), (None, None), (1, "response")):
        waiting.msg_queue.put(item)
    assert waiting.get_msg(block=True) == (1, "response")
    assert provider(0.05).get_msg(block=True) == (None, None), "no response came"
    woken = provider(5, pending="A-ABORT")
    woken.msg_queue.put((None, None))
    assert woken.get_msg(block=True) == (None, None), "the association has something else to see to"
    assert provider(5).get_msg() == (None, None)


# messages -------------------------------------------------------------------------------------------------------------
class Receiver:
    """Takes instances and remembers them."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.dropped = 0

    def begin(self, arrival: Any) -> Any:
        pieces: list[bytes] = []

        def drop() -> None:
            self.dropped += 1

        return SimpleNamespace(arrival=arrival, pieces=pieces, write=lambda v: pieces.append(bytes(v)), drop=drop)

    def finish(self, receiving: Any) -> int:
        self.kept.append(b"".join(receiving.pieces))
        return 0


def incoming() -> tuple[Incoming, Receiver]:
    """An association with contexts 1 (CT) and 3 (verification)."""
    receiver = Receiver()
    contexts = {
        number: SimpleNamespace(abstract_syntax=abstract, transfer_syntax=["1.2.840.10008.1.2.1"])
        for number, abstract in ((1, CTImageStorage), (3, Verification))
    }
    association: Any = SimpleNamespace(
        _accepted_cx=contexts,
        side=SimpleNamespace(pace=lambda _peer: None, receiver=receiver),
        peer=SimpleNamespace(name="scu"),
        requestor=SimpleNamespace(maximum_length=0),
    )
    return Incoming(association), receiver


def other(tools: Any, field: int, *, data_set: bool) -> bytes:
    """A command set that is no C-STORE-RQ."""
    parts = [(0x0100, struct.pack("<H", field)), (0x0110, b"\x01\x00"), (0x0800, b"\0\0" if data_set else b"\x01\x01")]
    return b"".join(tools.element(number, value) for number, value in parts)


def fed(messages: Incoming, body: bytes) -> list[Any]:
    return [complete() for complete in messages.feed(memoryview(body))]


def test_command_and_data_set_come_in_any_pieces_and_are_one_instance(tools: Any) -> None:
    messages, receiver = incoming()
    whole = tools.store_command(CTImageStorage, UID)
    assert not messages.unfinished
    assert fed(messages, tools.value(1, whole[:10])) == []
    assert messages.unfinished
    (answer,) = fed(messages, tools.value(3, whole[10:]) + tools.value(0, b"abc") + tools.value(2, b"def"))
    assert receiver.kept == [b"abcdef"]
    assert answer[0] == P_DATA_TF
    assert not messages.unfinished
    fed(messages, tools.value(3, whole) + tools.value(0, b"half"))
    messages.drop()
    assert (receiver.dropped, messages.unfinished) == (1, False)
    messages.drop()
    assert receiver.dropped == 1


def test_messages_of_other_services_are_left_to_pynetdicom_whole(tools: Any) -> None:
    messages, _ = incoming()
    (echo,) = fed(messages, tools.value(3, other(tools, 0x0030, data_set=False), context=3))
    assert isinstance(echo, P_DATA)
    action = tools.value(3, other(tools, 0x0130, data_set=True)) + tools.value(0, b"ab") + tools.value(2, b"cd")
    (request,) = fed(messages, action)
    assert [bytes(value) for _, value in request.presentation_data_value_list][1:] == [b"\x00ab", b"\x02cd"]


def broken(name: str, tools: Any) -> bytes:
    """One PDU that no peer may send."""
    store = tools.store_command(CTImageStorage, UID)
    begun = tools.value(3, store)
    return {
        "a value without its header": b"\0\0\0",
        "a value shorter than its own header": struct.pack(">LBB", 1, 1, 3) + b"x",
        "a value longer than its PDU": struct.pack(">LBB", 100, 1, 3) + b"x",
        "a data set without a command": tools.value(2, b"data"),
        "a context that was not accepted": tools.value(3, store, context=5),
        "another context within a command": tools.value(1, store[:10]) + tools.value(3, store[10:], context=3),
        "another context within a data set": begun + tools.value(2, b"data", context=3),
        "a command within a data set": begun + tools.value(3, store),
        "an endless command": tools.value(1, bytes(command.MAXIMUM_COMMAND_BYTES + 1)),
        "a store without a data set": tools.value(3, tools.store_command(CTImageStorage, UID, data_set_type=0x0101)),
        "a command without a field": tools.value(3, tools.element(0x0110, b"\x01\x00")),
        "a command that is cut": tools.value(3, store[:-3]),
        "a command element that is cut": tools.value(3, store + b"\0\0"),
        "a command of another group": tools.value(3, b"\x08\x00" + store[2:]),
        "a service that was not negotiated": tools.value(3, other(tools, 0x0020, data_set=True)),
    }[name]


BROKEN = (
    "a value without its header",
    "a value shorter than its own header",
    "a value longer than its PDU",
    "a data set without a command",
    "a context that was not accepted",
    "another context within a command",
    "another context within a data set",
    "a command within a data set",
    "an endless command",
    "a store without a data set",
    "a command without a field",
    "a command that is cut",
    "a command element that is cut",
    "a command of another group",
    "a service that was not negotiated",
)


@pytest.mark.parametrize("name", BROKEN)
def test_bytes_that_are_no_message_end_the_association(name: str, tools: Any) -> None:
    messages, receiver = incoming()
    with pytest.raises(ProtocolError):
        fed(messages, broken(name, tools))
    assert not receiver.kept


@pytest.mark.parametrize(
    ("limit", "bound"), [("MAXIMUM_OTHER_BYTES", 10), ("MAXIMUM_OTHER_VALUES", 3)], ids=["bytes", "values"]
)
def test_a_message_for_pynetdicom_has_bounds(
    tools: Any, monkeypatch: pytest.MonkeyPatch, limit: str, bound: int
) -> None:
    monkeypatch.setattr(message, limit, bound)
    messages, _ = incoming()
    fed(messages, tools.value(3, other(tools, 0x0130, data_set=True)))
    fed(messages, tools.value(0, b"12345") + tools.value(0, b"12345"))
    with pytest.raises(ProtocolError, match="larger than any"):
        fed(messages, tools.value(0, b"1"))


def test_a_uid_is_digits_and_points_and_an_odd_comment_is_padded() -> None:
    assert command.is_uid("1.2.3")
    assert not any(command.is_uid(text) for text in ("", "1..2", "1.2.", "../x", "1" * 65, "1.2.٣"))
    with pytest.raises(CommandError):
        command.store_request({})
    request = command.StoreRequest(message_id=1, sop_class="1.2.3", sop_instance="1" * 80)
    response = command.store_response(request, 0xA700, "odd")
    found = command.elements(response)
    assert found[0x0902] == b"odd "
    assert len(found[0x1000]) <= command.MAXIMUM_UID
    assert int.from_bytes(found[0], "little") == len(response) - 12


# within an association ------------------------------------------------------------------------------------------------
def ended(peer: Any) -> int:
    """Kind of the last PDU before the connection closes."""
    last = 0
    while (kind := peer.read_pdu()[0]) != 0:
        last = kind
    return last


@pytest.mark.parametrize(
    ("kind", "length"),
    [(4, 1 << 30), (1, 1 << 30), (5, 1000), (9, 4), (0, 4)],
    ids=["data", "associate", "release", "unknown", "zero"],
)
def test_a_pdu_is_judged_by_its_header_before_any_of_it_is_read(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any, kind: int, length: int
) -> None:
    running = start(memory_store)
    peer = raw_peer(running.port).established()
    peer.send(tools.pdu(kind, b"", length=length))
    assert ended(peer) == ABORT
    assert running.row.get("protocol_errors_total") == 1


def test_a_pdu_that_pynetdicom_cannot_read_ends_the_association(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any
) -> None:
    running = start(memory_store)
    peer = raw_peer(running.port)
    peer.send(tools.pdu(1, b"\0" * 10))
    assert ended(peer) in {0, ABORT}
    assert running.row.get("protocol_errors_total") == 1


def test_a_fault_of_the_receiver_aborts_that_association_and_no_other(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(memory_store)
    healthy = tools.associate(running.port)
    peer = raw_peer(running.port).established()
    finish = running.worker.receiver.finish

    def fail(receiving: Any) -> int:
        receiving.drop()
        raise RuntimeError("a fault for the test")

    monkeypatch.setattr(type(running.worker.receiver), "finish", lambda _self, receiving: fail(receiving))
    image = tools.instance()
    peer.send(tools.pdu(4, tools.value(3, tools.store_command(CTImageStorage, image.SOPInstanceUID))))
    peer.send(tools.pdu(4, tools.value(2, tools.encoded(image))))
    assert ended(peer) == ABORT
    assert not memory_store.objects
    monkeypatch.setattr(type(running.worker.receiver), "finish", lambda _self, receiving: finish(receiving))
    assert healthy.send_c_store(image).Status == 0
    healthy.release()


def test_more_messages_than_were_negotiated_are_not_piled_up() -> None:
    found = object.__new__(BoundedDUL)
    dimse = SimpleNamespace(msg_queue=queue.Queue(), receive_primitive=lambda _primitive: None)
    found._assoc = SimpleNamespace(dimse=dimse)  # type: ignore[assignment]
    for _ in range(MAXIMUM_WAITING):
        dimse.msg_queue.put("waiting")
    found._pass_on(P_DATA())
    dimse.msg_queue.put("one too many")
    with pytest.raises(ProtocolError, match="more messages"):
        found._pass_on(P_DATA())


def test_a_peer_that_never_asks_for_an_association_is_not_waited_for(
    start: Any, settings: Any, memory_store: Any, raw_peer: Any
) -> None:
    settings["limits"]["associate_seconds"] = 0.3
    running = start(memory_store)
    silent, slow = raw_peer(running.port), raw_peer(running.port)
    slow.send(b"\x01\x00\x00")
    assert ended(silent) in {0, ABORT}
    assert ended(slow) in {0, ABORT}


def test_an_association_for_commitment_alone_takes_no_instance(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any
) -> None:
    running = start(memory_store)
    peer = raw_peer(running.port).established(
        tools.associate_request((StorageCommitmentPushModel, ["1.2.840.10008.1.2"]))
    )
    peer.send(tools.pdu(4, tools.value(3, tools.store_command(CTImageStorage, generate_uid()))))
    peer.send(tools.pdu(4, tools.value(2, b"\0" * 64)))
    kind, body = peer.read_pdu()
    assert kind == P_DATA_TF
    assert struct.pack("<HHLH", 0, 0x0900, 2, 0) not in body
    assert not memory_store.objects
