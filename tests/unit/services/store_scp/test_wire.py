"""The receiver as a peer sees it: negotiation, C-ECHO, C-STORE, refusals, release, in one process on loopback."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from services.store_scp.peers import storage_classes
from services.store_scp.receiver import COMMENTS, INVALID_INSTANCE, OUT_OF_RESOURCES, SUCCESS, WRONG_CLASS
from services.store_scp.stores import StoreError


def send(tools: Any, port: int, *images: Any) -> list[int]:
    """Statuses of the images, sent over one association."""
    association = tools.associate(port, (CTImageStorage, [ExplicitVRLittleEndian]))
    assert association.is_established
    statuses = [association.send_c_store(image).Status for image in images]
    association.release()
    assert association.is_released
    return statuses


def test_an_echo_is_answered(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    association = tools.associate(running.port, Verification)
    assert association.send_c_echo().Status == SUCCESS
    association.release()
    assert running.row.get("echoes_total") == 1


def test_the_data_set_is_kept_byte_for_byte_as_it_was_sent(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    images = [tools.instance(64), tools.instance(512), tools.instance(16)]
    assert send(tools, running.port, *images) == [SUCCESS] * 3
    kept = sorted(tools.data_set_of(content) for content in memory_store.objects.values())
    assert kept == sorted(tools.encoded(image) for image in images)
    assert running.row.get("instances_stored_total") == 3


def test_a_compressed_data_set_stays_compressed(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    image = tools.instance(syntax=JPEGBaseline8Bit)
    fragments = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL", 0xFFFE, 0xE000, 4) + b"\xff\xd8\xff\xd9"
    image.PixelData = fragments + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    association = tools.associate(running.port, (CTImageStorage, [JPEGBaseline8Bit]))
    assert association.send_c_store(image).Status == SUCCESS
    association.release()
    (content,) = memory_store.objects.values()
    assert tools.data_set_of(content) == tools.encoded(image)
    assert JPEGBaseline8Bit.encode() in content[:400]


def test_the_peers_own_order_decides_among_transfer_syntaxes(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    offered = [JPEGBaseline8Bit, ImplicitVRLittleEndian]
    association = tools.associate(running.port, (CTImageStorage, offered))
    (context,) = association.accepted_contexts
    assert context.transfer_syntax == [JPEGBaseline8Bit]
    association.release()


def test_every_registered_storage_class_is_accepted_and_nothing_else(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    everything = sorted(storage_classes())
    assert len(everything) > 150
    for first in range(0, len(everything), 120):
        wanted = everything[first : first + 120]
        association = tools.associate(running.port, *[(uid, [ExplicitVRLittleEndian]) for uid in wanted])
        assert {str(one.abstract_syntax) for one in association.accepted_contexts} == set(wanted)
        association.release()
    patient_root_find = "1.2.840.10008.5.1.4.1.2.1.1"
    assert not tools.associate(running.port, patient_root_find).is_established


def test_a_private_storage_class_is_accepted_by_configuration(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    settings["storage_classes"] = ["1.2.3.4.5"]
    association = tools.associate(start(memory_store).port, "1.2.3.4.5")
    assert association.is_established
    association.release()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"called": "OTHER"}, 7), ({"calling": "STRANGER"}, 3)],
    ids=["called title", "calling title"],
)
def test_a_wrong_title_is_rejected(start: Any, tools: Any, memory_store: Any, options: Any, reason: int) -> None:
    running = start(memory_store)
    association = tools.associate(running.port, **options)
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, reason)
    assert running.row.get("associations_rejected_total") == 1


def test_an_address_that_no_peer_has_is_not_spoken_to(start: Any, settings: Any, tools: Any, memory_store: Any) -> None:
    settings["peers"][0]["addresses"] = ["192.0.2.7/32"]
    running = start(memory_store)
    association = tools.associate(running.port)
    assert not association.is_established
    assert not association.is_rejected, "a stranger learns nothing, not even that DICOM is spoken"
    assert running.row.get("connections_refused_total") == 1


@pytest.mark.parametrize(
    "granted",
    [("echo", Verification), ("store", CTImageStorage), ("commit", StorageCommitmentPushModel)],
    ids=["echo", "store", "commit"],
)
def test_a_peer_gets_the_services_it_has_a_right_to(
    start: Any, settings: Any, tools: Any, memory_store: Any, granted: Any
) -> None:
    settings["peers"][0]["rights"] = [granted[0]]
    running = start(memory_store)
    association = tools.associate(running.port, Verification, CTImageStorage, StorageCommitmentPushModel)
    assert {one.abstract_syntax for one in association.accepted_contexts} == {granted[1]}
    association.release()


def test_nothing_is_acknowledged_that_the_store_did_not_take(start: Any, tools: Any, memory_store: Any) -> None:
    def fail(_key: str) -> None:
        raise StoreError("no")

    memory_store.before = fail
    running = start(memory_store)
    image = tools.instance()
    assert send(tools, running.port, image) == [OUT_OF_RESOURCES]
    assert not memory_store.objects
    memory_store.before = lambda _key: None
    assert send(tools, running.port, image) == [SUCCESS]


def test_an_instance_sent_twice_is_one_object(start: Any, tools: Any, memory_store: Any) -> None:
    running = start(memory_store)
    image = tools.instance()
    assert send(tools, running.port, image, image) == [SUCCESS, SUCCESS]
    assert send(tools, running.port, image) == [SUCCESS]
    assert len(memory_store.objects) == 1
    assert running.row.get("instances_identical_total") == 2


def test_an_instance_for_which_there_is_no_room_is_refused_and_the_association_goes_on(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    settings["limits"]["object_bytes"] = 200_000
    running = start(memory_store)
    assert send(tools, running.port, tools.instance(512), tools.instance(16)) == [OUT_OF_RESOURCES, SUCCESS]
    assert running.row.get("instances_failed_total") == 1


def test_the_comment_of_a_refusal_says_why(start: Any, tools: Any, memory_store: Any, raw_peer: Any) -> None:
    peer = raw_peer(start(memory_store).port).established()
    other_class = "1.2.840.10008.5.1.4.1.1.4"
    peer.send(tools.pdu(4, tools.value(3, tools.store_command(other_class, generate_uid()))))
    peer.send(tools.pdu(4, tools.value(2, b"\0" * 64)))
    kind, body = peer.read_pdu()
    assert kind == 4
    assert struct.pack("<HHLH", 0, 0x0900, 2, WRONG_CLASS) in body
    assert COMMENTS[WRONG_CLASS].encode() in body


def test_a_response_comes_in_pieces_where_the_peer_takes_small_ones(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any
) -> None:
    peer = raw_peer(start(memory_store).port).established(tools.associate_request(maximum_length=64))
    image = tools.instance()
    peer.send(tools.pdu(4, tools.value(3, tools.store_command(CTImageStorage, image.SOPInstanceUID))))
    peer.send(tools.pdu(4, tools.value(2, tools.encoded(image))))
    command = b""
    while True:
        kind, body = peer.read_pdu()
        assert kind == 4
        assert len(body) <= 64
        command += body[6:]
        if body[5] & 2:
            break
    assert struct.pack("<HHLH", 0, 0x0900, 2, SUCCESS) in command


def test_more_associations_than_agreed_are_rejected_for_now(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    settings["peers"][0]["associations"] = 1
    running = start(memory_store)
    first = tools.associate(running.port)
    second = tools.associate(running.port)
    assert second.is_rejected
    assert (second.acceptor.primitive.result, second.acceptor.primitive.diagnostic) == (2, 2)
    first.release()
    third = tools.associate(running.port)
    assert third.is_established
    third.release()


def test_associations_in_quick_succession_are_rejected_for_now(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    settings["limits"]["associations_per_second"] = 0.01
    running = start(memory_store)
    tools.associate(running.port).release()
    second = tools.associate(running.port)
    assert second.is_rejected
    assert (second.acceptor.primitive.result, second.acceptor.primitive.diagnostic) == (2, 1)


def test_a_sender_that_is_too_fast_is_slowed_down_and_loses_nothing(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    settings["peers"][0]["instances_per_second"] = 4
    running = start(memory_store)
    assert send(tools, running.port, *[tools.instance() for _ in range(6)]) == [SUCCESS] * 6
    assert len(memory_store.objects) == 6


def test_an_idle_association_is_ended(start: Any, settings: Any, tools: Any, memory_store: Any) -> None:
    settings["limits"]["idle_seconds"] = 0.3
    association = tools.associate(start(memory_store).port)
    association.join(5)
    assert association.is_aborted


def test_a_uid_that_is_none_is_refused_with_its_status(
    start: Any, tools: Any, memory_store: Any, raw_peer: Any
) -> None:
    peer = raw_peer(start(memory_store).port).established()
    peer.send(tools.pdu(4, tools.value(3, tools.store_command(CTImageStorage, "../../ESCAPED"))))
    peer.send(tools.pdu(4, tools.value(2, b"\0" * 64)))
    kind, body = peer.read_pdu()
    assert kind == 4
    assert struct.pack("<HHLH", 0, 0x0900, 2, INVALID_INSTANCE) in body
    assert not memory_store.objects


def test_a_user_identity_gives_no_rights(start: Any, tools: Any, memory_store: Any) -> None:
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 1, b"admin"
    running = start(memory_store)
    assert tools.associate(running.port, calling="STRANGER", ext_neg=[identity]).is_rejected
    known = tools.associate(running.port, ext_neg=[identity])
    assert known.is_established
    known.release()
