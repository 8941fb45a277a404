"""DIMSE messages put together from presentation data values (PS3.8 annex E), within bounds."""

# pynetdicom's types are partial, and it offers no public way to bound its upper layer
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pynetdicom.pdu_primitives import P_DATA

from services.store_scp import command
from services.store_scp.receiver import COMMENTS, Arrival, Receiving

if TYPE_CHECKING:
    from services.store_scp.acceptor import ReceiverAssociation

MAXIMUM_OTHER_BYTES: Final = 1 << 20
"""Data set of a message that is no C-STORE: a commitment request for some 8,000 instances."""
SERVED: Final = frozenset({0x0030, 0x0130, 0x8100})
"""C-ECHO-RQ, N-ACTION-RQ, N-EVENT-REPORT-RSP: what is left to pynetdicom. It would start a thread for each
N-EVENT-REPORT-RQ and keep every C-CANCEL; no service of ours has such messages."""
MAXIMUM_OTHER_VALUES: Final = 4096
_VALUE_HEADER: Final = 6
_COMMAND, _LAST = 0x01, 0x02

Answer = bytes | P_DATA
"""What to do with a whole message: PDUs to send, or the message for pynetdicom."""


class ProtocolError(Exception):
    """The peer broke the protocol or its bounds; the association is aborted."""


class Incoming:
    """The message that one association is receiving."""

    def __init__(self, association: ReceiverAssociation) -> None:
        self._association = association
        self._command = bytearray()
        self._context_id = 0
        self._store: Receiving | None = None
        self._other: list[Any] = []
        self._other_bytes = 0
        self._in_data_set = False

    @property
    def unfinished(self) -> bool:
        """Whether more of the message must come."""
        return self._in_data_set or bool(self._command)

    def drop(self) -> None:
        """Let a half received message go."""
        if self._store is not None:
            self._store.drop()
        self._reset()

    def _reset(self) -> None:
        self._command = bytearray()
        self._store = None
        self._other = []
        self._other_bytes = 0
        self._in_data_set = False

    def feed(self, body: memoryview) -> Iterator[Callable[[], Answer]]:
        """The values of one PDU; yields each message that is complete. Raises ProtocolError."""
        position, end = 0, len(body)
        while position < end:
            if end - position < _VALUE_HEADER:
                raise ProtocolError("a presentation data value is cut short")
            length = int.from_bytes(body[position : position + 4], "big")
            if length < 2 or length > end - position - 4:
                raise ProtocolError("a presentation data value claims more than its PDU has")
            context_id, control = body[position + 4], body[position + 5]
            value = body[position + _VALUE_HEADER : position + 4 + length]
            position += 4 + length
            complete = self._take(context_id, control, value)
            if complete is not None:
                yield complete

    def _take(self, context_id: int, control: int, value: memoryview) -> Callable[[], Answer] | None:
        last = bool(control & _LAST)
        if not self._in_data_set:
            if not control & _COMMAND:
                raise ProtocolError("a data set without a command")
            self._context_id = context_id if not self._command else self._context_id
            self._check_context(context_id)
            if len(self._command) + len(value) > command.MAXIMUM_COMMAND_BYTES:
                raise ProtocolError("the command set is longer than any command")
            self._command += value
            return self._command_complete() if last else None
        self._check_context(context_id)
        if control & _COMMAND:
            raise ProtocolError("a command within a data set")
        return self._data(value, last=last)

    def _check_context(self, context_id: int) -> None:
        if context_id != self._context_id or context_id not in self._association._accepted_cx:
            raise ProtocolError("a value of a presentation context that was not accepted")

    def _command_complete(self) -> Callable[[], Answer] | None:
        try:
            found = command.elements(self._command)
            field = command.field_of(found)
            has_data_set = command.has_data_set(found)
            if field == command.C_STORE_RQ:
                if not has_data_set:
                    raise ProtocolError("a C-STORE without a data set")
                self._store = self._begin(command.store_request(found))
        except command.CommandError as error:
            raise ProtocolError(str(error)) from None
        self._in_data_set = True
        if self._store is None:
            if field not in SERVED:
                raise ProtocolError("a message of a service that was not negotiated")
            self._other = [[self._context_id, bytes([_COMMAND | _LAST]) + bytes(self._command)]]
            if not has_data_set:
                return self._pass_on()
        return None

    def _begin(self, request: command.StoreRequest) -> Receiving:
        association = self._association
        context = association._accepted_cx[self._context_id]
        association.side.pace(association.peer)
        return association.side.receiver.begin(
            Arrival(
                request=request,
                sop_class=str(context.abstract_syntax),
                transfer_syntax=str(context.transfer_syntax[0]),
                peer=association.peer.name,
            )
        )

    def _data(self, value: memoryview, *, last: bool) -> Callable[[], Answer] | None:
        if self._store is not None:
            self._store.write(value)
            return self._finish_store if last else None
        self._other_bytes += len(value)
        if self._other_bytes > MAXIMUM_OTHER_BYTES or len(self._other) >= MAXIMUM_OTHER_VALUES:
            raise ProtocolError("the message is larger than any that this receiver serves")
        self._other.append([self._context_id, bytes([_LAST if last else 0]) + bytes(value)])
        return self._pass_on() if last else None

    def _finish_store(self) -> bytes:
        receiving, association = self._store, self._association
        if receiving is None:
            raise ProtocolError("no instance is being received")
        context_id = self._context_id
        self._reset()
        status = association.side.receiver.finish(receiving)
        response = command.store_response(receiving.arrival.request, status, COMMENTS.get(status, ""))
        return command.data_pdus(context_id, response, association.requestor.maximum_length or 0)

    def _pass_on(self) -> Callable[[], Answer]:
        primitive = P_DATA()
        primitive.presentation_data_value_list = self._other
        self._reset()
        return lambda: primitive
