"""pynetdicom's upper layer with bounds and a short way for C-STORE (PS3.8 section 9).

pynetdicom reads as many bytes as a PDU header claims, 4 GiB if it says so, before there is any association, and puts
each instance together twice. Here every PDU is judged by its header before a byte of it is read; the pieces of a
C-STORE go straight to the receiver, hashed as they come; and while an instance is being kept nothing more is read
from its peer, so a fast sender costs no memory. Everything else (negotiation, C-ECHO, N-ACTION, release, abort) is
pynetdicom's, driven by its own state machine.
"""

# pynetdicom's types are partial, and it offers no public way to bound its upper layer
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import queue
import select
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

from services.store_scp.message import Incoming, ProtocolError

if TYPE_CHECKING:
    from services.store_scp.acceptor import ReceiverAssociation

P_DATA_TF: Final = 0x04
ASSOCIATE_RQ: Final = 0x01
MAXIMUM_ASSOCIATE_BYTES: Final = 256 * 1024
"""128 presentation contexts (PS3.8 9.3.2.2) with a dozen transfer syntaxes each are a tenth of this."""
CONTROL_BYTES: Final = 4
"""A-ASSOCIATE-RJ, A-RELEASE-RQ and -RP, A-ABORT have exactly so many (PS3.8 9.3.4, 9.3.6 to 9.3.8)."""
MAXIMUM_WAITING: Final = 4
"""Messages that wait for the association's thread; we negotiate no asynchronous operations, so one is the rule."""
ESTABLISHED: Final = "Sta6"
_HEADER_BYTES: Final = 6
_WAIT_MILLISECONDS: Final = 100


class BoundedSocket(AssociationSocket):
    """pynetdicom's socket without `select`, which fails from the 1024th descriptor of a process on."""

    @property
    def ready(self) -> bool:
        """True when there is something to read."""
        return self.wait(0)

    def wait(self, milliseconds: int, wake: socket.socket | None = None) -> bool:
        """Wait until there is something to read, somebody wakes us, or the time is up."""
        sock = self.socket
        if sock is None or not self._is_connected:
            return False
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        poll = select.poll()
        try:
            poll.register(sock, select.POLLIN)
            if wake is not None:
                poll.register(wake, select.POLLIN)
            descriptor = sock.fileno()
            return any(ready == descriptor for ready, _ in poll.poll(milliseconds))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")  # transport connection closed
            return False

    def time_limit(self, seconds: float) -> None:
        """Bound each read and write. Plain sockets get the kernel's own bound, which lets one read wait for it all."""
        sock = self.socket
        if sock is None:
            return
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(seconds)
            return
        bound = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bound)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)

    def fill(self, view: memoryview, deadline: float) -> None:
        """Fill the buffer. Raises OSError when the connection ends or the deadline passes."""
        sock = self.socket
        if sock is None:
            raise ConnectionError("the connection is closed")
        # one wake-up a PDU instead of one a segment, where the kernel itself keeps the time (`time_limit`)
        flags = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        while view:
            count = sock.recv_into(view, len(view), flags)
            if not count:
                raise ConnectionError("the peer closed the connection within a PDU")
            view = view[count:]
            if view and time.monotonic() > deadline:
                raise TimeoutError("the PDU took too long to arrive")


class _Woken(queue.Queue[Any]):
    """A queue that wakes another thread when something is put."""

    def __init__(self, wake: Any) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._wake()


class WaitingDIMSE(DIMSEServiceProvider):
    """pynetdicom's DIMSE provider whose idle loop waits on the queue: no polling a thousand times a second."""

    def get_msg(self, block: bool = False) -> Any:
        """The next message, or (None, None) after a short while; something on the user queue ends the wait as well."""
        try:
            if block:
                return self._wait_for_message()
            return self.msg_queue.get(timeout=_WAIT_MILLISECONDS / 1000)
        except queue.Empty:
            return None, None

    def _wait_for_message(self) -> Any:
        """Used while a commitment result waits for its response: wake-ups are no messages."""
        deadline = time.monotonic() + (self.dimse_timeout or 30)
        while (left := deadline - time.monotonic()) > 0:
            item = self.msg_queue.get(timeout=left)
            if item != (None, None) or self.dul.peek_next_pdu() is not None:
                return item
        raise queue.Empty


class BoundedDUL(DULServiceProvider):
    """The upper layer of one association."""

    def __init__(self, assoc: ReceiverAssociation) -> None:
        super().__init__(assoc)
        self.daemon = True
        self._receiver_side = assoc.side
        self._limits = assoc.side.limits
        self._incoming = Incoming(assoc)
        self._storing = False
        self._buffer = bytearray()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self.to_provider_queue = _Woken(self.wake)
        self.to_user_queue = _Woken(lambda: assoc.dimse.msg_queue.put((None, None)))

    def wake(self) -> None:
        """End the wait of the reactor; a full pipe already does."""
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, OSError):
            return

    def kill_dul(self) -> None:
        """See pynetdicom."""
        super().kill_dul()
        self.wake()

    def stop_dul(self) -> bool:
        """See pynetdicom; without the wake it would wait for our waiting loop."""
        if self.state_machine.current_state == "Sta1":
            self.kill_dul()
        return super().stop_dul()

    def idle_timer_expired(self) -> bool:
        """While an instance is being kept the peer has to wait for us, not we for the peer."""
        return not self._storing and super().idle_timer_expired()

    # the loop ------------------------------------------------------------------------------------------------------
    def run_reactor(self) -> None:
        """pynetdicom's loop, waiting for the socket or for the other thread where that one sleeps and polls."""
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        try:
            while not self._kill_thread:
                self._turn()
        except Exception:
            self._receiver_side.row.add("protocol_errors_total")
            self._hard_abort()
        finally:
            self._incoming.drop()
            self._wake_reader.close()
            self._wake_writer.close()

    def _turn(self) -> None:
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
        if not self._process_recv_primitive() and self._is_transport_event():
            self._idle_timer.restart()
        try:
            event = self.event_queue.get_nowait()
        except queue.Empty:
            self._wait()
        else:
            self.state_machine.do_action(event)

    def _wait(self) -> None:
        if isinstance(self.socket, BoundedSocket) and self.socket.socket is not None:
            self.socket.wait(_WAIT_MILLISECONDS, self._wake_reader)
        else:
            time.sleep(0.005)
        try:
            self._wake_reader.recv(4096)
        except BlockingIOError:
            return

    def _hard_abort(self) -> None:
        """A-ABORT past the state machine, which may be in any state after an exception."""
        abort = A_ABORT_RQ()
        abort.source = 0x02
        abort.reason_diagnostic = 0x00
        assoc = self.assoc
        if self.socket is not None and self.socket.socket is not None:
            self.socket.send(abort.encode())
            self.socket.close()
        assoc.is_aborted = True
        assoc.is_established = False
        assoc._kill = True
        self._kill_thread = True
        assoc.dimse.msg_queue.put((None, None))

    # reading -------------------------------------------------------------------------------------------------------
    def _read_pdu_data(self) -> None:
        """A PDU, and where it left a message unfinished the next ones: they are on their way."""
        self._read_pdu()
        while (
            self._incoming.unfinished
            and not self._kill_thread
            and self.event_queue.empty()
            and self.to_provider_queue.empty()
        ):
            self._idle_timer.restart()
            self._read_pdu()

    def _read_pdu(self) -> None:
        """One PDU: header, judgement, body. Anything wrong is an event of the state machine, as in pynetdicom."""
        established = self.state_machine.current_state == ESTABLISHED
        seconds = self._limits.idle_seconds if established else self._limits.associate_seconds
        deadline = time.monotonic() + seconds
        header = bytearray(_HEADER_BYTES)
        try:
            self._fill(memoryview(header), deadline)
            kind, length = header[0], int.from_bytes(header[2:6], "big")
            if not self._acceptable(kind, length):
                self._invalid()
                return
            body = self._body(length, deadline)
        except (OSError, TimeoutError):
            self.event_queue.put("Evt17")  # transport connection closed
            return
        if kind == P_DATA_TF and established:
            self._take_data(body)
            return
        try:
            pdu, event = self._decode_pdu(header + body)
        except Exception:
            self._invalid()
            return
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)

    def _fill(self, view: memoryview, deadline: float) -> None:
        if not isinstance(self.socket, BoundedSocket):
            raise ConnectionError("the connection is closed")
        self.socket.fill(view, deadline)

    def _acceptable(self, kind: int, length: int) -> bool:
        if kind == P_DATA_TF:
            return length <= self._limits.pdu_bytes
        if kind == ASSOCIATE_RQ:
            return length <= MAXIMUM_ASSOCIATE_BYTES
        return 0x02 <= kind <= 0x07 and (
            length == CONTROL_BYTES or (kind == 0x02 and length <= MAXIMUM_ASSOCIATE_BYTES)
        )

    def _body(self, length: int, deadline: float) -> memoryview:
        """The body in a buffer that is used again for the next PDU."""
        if len(self._buffer) < length:
            self._buffer = bytearray(max(length, min(self._limits.pdu_bytes, 2 * length)))
        view = memoryview(self._buffer)[:length]
        self._fill(view, deadline)
        return view

    def _invalid(self) -> None:
        self._receiver_side.row.add("protocol_errors_total")
        self.event_queue.put("Evt19")  # unrecognized or invalid PDU

    # data transfer -------------------------------------------------------------------------------------------------
    def _take_data(self, body: memoryview) -> None:
        """A P-DATA-TF PDU of an established association (DT-2: the state stays what it is)."""
        try:
            for message in self._incoming.feed(body):
                self._storing = True
                answer = message()
                self._storing = False
                self._idle_timer.restart()
                if isinstance(answer, P_DATA):
                    self._pass_on(answer)
                elif self.socket is not None:
                    self.socket.send(answer)
        except ProtocolError:
            self._invalid()
        finally:
            self._storing = False

    def _pass_on(self, primitive: P_DATA) -> None:
        if self.assoc.dimse.msg_queue.qsize() > MAXIMUM_WAITING:
            raise ProtocolError("more messages are waiting than were negotiated")
        self.assoc.dimse.receive_primitive(primitive)
