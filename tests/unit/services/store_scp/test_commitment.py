"""Storage commitment: what is durable is committed, what is not is said, and the result reaches the modality."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from services.store_scp import commitment, metrics
from services.store_scp.commitment import (
    INVALID_ARGUMENT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    Commitments,
    Job,
    RequestError,
    references_of,
)


def information(*uids: str, transaction: str = "1.2.3.4") -> Dataset:
    """What a modality asks."""
    asked = Dataset()
    asked.TransactionUID = transaction
    asked.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
        asked.ReferencedSOPSequence.append(item)
    return asked


class Modality:
    """An SCU that waits for results."""

    def __init__(self) -> None:
        self.results: list[tuple[int, Dataset]] = []
        self.came = threading.Event()

    def on_report(self, event: Any) -> tuple[int, None]:
        """A result."""
        self.results.append((event.event_type, event.event_information))
        self.came.set()
        return 0x0000, None


def test_the_result_comes_over_the_same_association(start: Any, tools: Any, memory_store: Any) -> None:
    modality = Modality()
    running = start(memory_store)
    association = tools.associate(
        running.port,
        CTImageStorage,
        StorageCommitmentPushModel,
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, modality.on_report)],
    )
    image = tools.instance()
    assert association.send_c_store(image).Status == 0x0000
    missing = generate_uid()
    status, _ = association.send_n_action(
        information(image.SOPInstanceUID, missing), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    assert status.Status == 0x0000
    assert modality.came.wait(20)
    ((kind, result),) = modality.results
    assert kind == 2
    assert result.TransactionUID == "1.2.3.4"
    assert [item.ReferencedSOPInstanceUID for item in result.ReferencedSOPSequence] == [image.SOPInstanceUID]
    ((failed),) = result.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == (missing, NO_SUCH_INSTANCE)
    association.release()


def test_the_result_comes_over_a_new_association_when_the_first_is_gone(
    start: Any, settings: Any, tools: Any, memory_store: Any
) -> None:
    modality = Modality()
    entity = AE("SCU")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    listening = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, modality.on_report)]
    )
    port = listening.socket.getsockname()[1]
    settings["peers"][0]["report"] = {"host": "127.0.0.1", "port": port, "ae_title": "SCU"}
    gone = threading.Event()
    memory_store.holds = lambda _prefix: gone.wait(10)
    running = start(memory_store)
    association = tools.associate(running.port, StorageCommitmentPushModel)
    association.send_n_action(information("1.2.3"), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    association.release()
    gone.set()
    assert modality.came.wait(20)
    assert modality.results[0][0] == 1
    listening.shutdown()


@pytest.mark.parametrize(
    ("uids", "transaction", "status"),
    [
        ([], "1.2.3.4", INVALID_ARGUMENT),
        (["1.2"], "", INVALID_ARGUMENT),
        (["1.2"] * (commitment.MAXIMUM_REFERENCES + 1), "1.2.3.4", RESOURCE_LIMITATION),
    ],
    ids=["no reference", "no transaction", "too many"],
)
def test_a_request_that_cannot_be_served_is_refused(uids: list[str], transaction: str, status: int) -> None:
    asked = information(*uids, transaction=transaction)
    with pytest.raises(RequestError) as caught:
        references_of(asked)
    assert caught.value.status == status


class Store:
    """A receiver whose store answers as a test wants."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def committed(self, _uid: str) -> bool:
        """See Receiver."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return bool(self._answer)


def commitments(answer: Any) -> tuple[Commitments, metrics.Row]:
    """The service over such a store, which does not wait between tries."""
    row = metrics.Board(1).row(0)
    return Commitments(receiver=Store(answer), row=row, ae_title="IMAGING", sleep=lambda _: None), row  # type: ignore[arg-type]


def job(tools: Any, settings: Any, send: Any) -> Job:
    """A request of the configured peer."""
    peer = tools.parsed(settings).peers[0]
    return Job("1.2.3", (commitment.Reference(CTImageStorage, "1.2"),), peer, send)


def test_a_store_that_cannot_be_asked_commits_nothing(tools: Any, settings: Any) -> None:
    from services.store_scp.stores import StoreError

    service, row = commitments(StoreError("no"))
    sent: list[Any] = []
    service.report(job(tools, settings, lambda result, kind: sent.append((result, kind)) or True))
    assert sent[0][1] == 2
    assert sent[0][0].FailedSOPSequence[0].FailureReason == PROCESSING_FAILURE
    assert row.get("commitments_total") == 0


def test_a_result_that_reaches_nobody_is_counted(tools: Any, settings: Any) -> None:
    service, row = commitments(True)
    service.report(job(tools, settings, lambda _result, _kind: False))
    assert row.get("commitment_reports_lost_total") == 1
    settings["peers"][0]["report"] = {"host": "127.0.0.1", "port": 1, "ae_title": "SCU"}
    service.report(job(tools, settings, lambda _result, _kind: False))
    assert row.get("commitment_reports_lost_total") == 2


def test_requests_beyond_what_can_wait_and_other_actions_are_refused(tools: Any, settings: Any) -> None:
    service, _ = commitments(True)

    class Event:
        action_type = 1
        action_information = information("1.2")
        assoc = type("A", (), {"peer": tools.parsed(settings).peers[0], "is_established": False})()

    answers = [service.on_action(Event)[0] for _ in range(65)]
    assert answers == [0x0000] * 64 + [RESOURCE_LIMITATION]
    Event.action_type = 2
    assert service.on_action(Event)[0] == commitment.NO_SUCH_ACTION
    Event.action_type, Event.action_information = 1, None  # type: ignore[assignment]
    assert service.on_action(Event)[0] == PROCESSING_FAILURE


def test_a_request_that_fails_does_not_stop_the_next(tools: Any, settings: Any) -> None:
    service, row = commitments(True)
    done = threading.Event()

    def explode(_result: Any, _kind: int) -> bool:
        raise ZeroDivisionError

    def deliver(_result: Any, _kind: int) -> bool:
        done.set()
        return True

    service._jobs.put(job(tools, settings, explode))
    service._jobs.put(job(tools, settings, deliver))
    service.start()
    assert done.wait(10)
    service.stop(10)
    assert row.get("commitment_reports_lost_total") == 1
