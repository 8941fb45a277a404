"""Storage Commitment Push Model as SCP (PS3.4 J.3): N-ACTION in, N-EVENT-REPORT out.

An instance is reported as committed when the store lists an object of it now; since an object only comes to be after
its checksum was compared, that is a statement about durable bytes. The result goes over the same association while it
lives, else over one to the address that the peer's entry names.
"""

# pynetdicom's types are partial, and it offers no public way to bound its upper layer
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import build_role
from pynetdicom.ae import ApplicationEntity
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,  # pyright: ignore[reportAttributeAccessIssue]
    StorageCommitmentPushModelInstance,  # pyright: ignore[reportAttributeAccessIssue]
)

from services.store_scp import logs, tls
from services.store_scp.configuration import Peer, Report
from services.store_scp.metrics import Row
from services.store_scp.receiver import Receiver
from services.store_scp.stores import StoreError

SUCCESS: Final = 0x0000
INVALID_ARGUMENT: Final = 0x0115
PROCESSING_FAILURE: Final = 0x0110
RESOURCE_LIMITATION: Final = 0x0213
NO_SUCH_ACTION: Final = 0x0123
REQUEST_COMMITMENT: Final = 1
ALL_COMMITTED, SOME_FAILED = 1, 2
NO_SUCH_INSTANCE: Final = 0x0112
"""Failure reasons of PS3.3 C.14.1.1; 0110 is used when the store cannot be asked."""
MAXIMUM_REFERENCES: Final = 10_000
_WAITING: Final = 64
_DELAYS: Final = (0.0, 2.0, 10.0, 60.0)
"""Seconds before each try to deliver a result over an association of our own."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance whose commitment is asked for."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Job:
    """One request. `send` reports over the association it came on; it answers whether that worked."""

    transaction: str
    references: tuple[Reference, ...]
    peer: Peer
    send: Callable[[Dataset, int], bool]


class RequestError(Exception):
    """The request is refused with a status of PS3.7 annex C."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:04X}")
        self.status = status


def references_of(information: Dataset) -> tuple[str, tuple[Reference, ...]]:
    """Transaction UID and references of an action information (PS3.4 J.3.2.1.1). Raises RequestError."""
    transaction = str(information.get("TransactionUID", "") or "")
    items = information.get("ReferencedSOPSequence") or []
    if not transaction or not items:
        raise RequestError(INVALID_ARGUMENT)
    if len(items) > MAXIMUM_REFERENCES:
        raise RequestError(RESOURCE_LIMITATION)
    found = tuple(
        Reference(str(item.get("ReferencedSOPClassUID", "")), str(item.get("ReferencedSOPInstanceUID", "")))
        for item in items
    )
    return transaction, found


class Commitments:
    """Takes requests, and works them off one after the other in a thread of its own."""

    def __init__(
        self, *, receiver: Receiver, row: Row, ae_title: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._receiver = receiver
        self._row = row
        self._ae_title = ae_title
        self._sleep = sleep
        self._jobs: queue.Queue[Job | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name="commitments", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Finish what was taken, within the time given."""
        self._jobs.put(None)
        self._thread.join(seconds)

    def on_action(self, event: Any) -> tuple[int, None]:
        """Handler of EVT_N_ACTION: the status of the N-ACTION response."""
        if event.action_type != REQUEST_COMMITMENT:
            return NO_SUCH_ACTION, None
        association = event.assoc
        try:
            transaction, references = references_of(event.action_information)
            job = Job(transaction, references, association.peer, _sender(association))
            self._jobs.put_nowait(job)
        except RequestError as error:
            return error.status, None
        except queue.Full:
            return RESOURCE_LIMITATION, None
        except Exception:
            return PROCESSING_FAILURE, None
        return SUCCESS, None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self.report(job)
            except Exception as error:
                self._row.add("commitment_reports_lost_total")
                logs.problem("commitment-failed", peer=job.peer.name, reason=type(error).__name__)

    def report(self, job: Job) -> None:
        """Look at the store and deliver the result."""
        result, kind = self._result(job)
        if job.send(result, kind):
            return
        if job.peer.report is not None:
            for delay in _DELAYS:
                self._sleep(delay)
                if deliver(job.peer.report, self._ae_title, result, kind):
                    return
        self._row.add("commitment_reports_lost_total")
        logs.problem("commitment-undelivered", peer=job.peer.name)

    def _result(self, job: Job) -> tuple[Dataset, int]:
        committed: list[Dataset] = []
        failed: list[Dataset] = []
        for reference in job.references:
            reason = self._reason(reference)
            item = Dataset()
            item.ReferencedSOPClassUID = reference.sop_class
            item.ReferencedSOPInstanceUID = reference.sop_instance
            if reason:
                item.FailureReason = reason
            (failed if reason else committed).append(item)
        self._row.add("commitments_total", len(committed))
        self._row.add("commitments_failed_total", len(failed))
        result = Dataset()
        result.TransactionUID = job.transaction
        if committed:
            result.ReferencedSOPSequence = Sequence(committed)
        if failed:
            result.FailedSOPSequence = Sequence(failed)
        return result, SOME_FAILED if failed else ALL_COMMITTED

    def _reason(self, reference: Reference) -> int:
        try:
            return 0 if self._receiver.committed(reference.sop_instance) else NO_SUCH_INSTANCE
        except StoreError:
            return PROCESSING_FAILURE


def _sender(association: Any) -> Callable[[Dataset, int], bool]:
    """Reports over the association the request came on, if it is still there."""

    def send(result: Dataset, kind: int) -> bool:
        if not association.is_established:
            return False
        return _answered(association, result, kind)

    return send


def _answered(association: Any, result: Dataset, kind: int) -> bool:
    try:
        status, _ = association.send_n_event_report(
            result, kind, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
    except (ValueError, RuntimeError):
        return False  # no context for it, or the association ended meanwhile
    return getattr(status, "Status", None) == SUCCESS


def deliver(report: Report, ae_title: str, result: Dataset, kind: int) -> bool:
    """Report over an association of our own, in which we stay the SCP (PS3.4 J.3.3.1.3 by role selection)."""
    entity = ApplicationEntity(ae_title)
    entity.add_requested_context(StorageCommitmentPushModel)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = 10
    secured = (tls.client_context(report.tls_ca), report.host) if report.tls_ca else None
    association = entity.associate(
        report.host,
        report.port,
        ae_title=report.ae_title,
        ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
        tls_args=secured,
    )
    if not association.is_established:
        return False
    try:
        return _answered(association, result, kind)
    finally:
        association.release()
