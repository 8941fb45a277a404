"""Listens and makes associations of pynetdicom out of connections, each judged before it costs anything."""

# pynetdicom's types are partial, and it offers no public way to bound its upper layer
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

from pynetdicom import _config
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.transport import AddressInformation, RequestHandler, ThreadedAssociationServer

from services.store_scp import logs, part10, tls
from services.store_scp.configuration import Configuration, Limits, Listener, Peer
from services.store_scp.limits import AddressRates, Places, Rate
from services.store_scp.metrics import Row
from services.store_scp.peers import PeerBook
from services.store_scp.receiver import Receiver
from services.store_scp.upper_layer import BoundedDUL, BoundedSocket, WaitingDIMSE

_config.LOG_HANDLER_LEVEL = "none"
"""pynetdicom's standard handlers write out what peers send, and cost more than the negotiation itself."""
REJECT_CALLING: Final = (1, 1, 3)
REJECT_CALLED: Final = (1, 1, 7)
REJECT_CONGESTION: Final = (2, 3, 1)
REJECT_LOCAL_LIMIT: Final = (2, 3, 2)
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
_CONNECTIONS: Final = "connections"
BACKLOG: Final = 128
"""Connections that wait to be accepted."""
_YIELD_SECONDS: Final = 0.001
_MOST_YIELDS: Final = 5


@dataclass(frozen=True)
class Side:
    """What all associations of this process share."""

    configuration: Configuration
    receiver: Receiver
    peers: PeerBook
    row: Row
    places: Places
    address_rates: AddressRates
    rates: dict[str, Rate]

    @classmethod
    def of(cls, configuration: Configuration, receiver: Receiver, row: Row) -> Side:
        """The shared state by the configuration."""
        return cls(
            configuration=configuration,
            receiver=receiver,
            peers=PeerBook(configuration),
            row=row,
            places=Places(),
            address_rates=AddressRates(configuration.limits.associations_per_second),
            rates={
                peer.name: Rate(peer.instances_per_second)
                for peer in configuration.peers
                if peer.instances_per_second is not None
            },
        )

    @property
    def limits(self) -> Limits:
        """Bounds of the process."""
        return self.configuration.limits

    def pace(self, peer: Peer) -> None:
        """Hold a sender back that is faster than agreed: TCP makes it wait, nothing is refused."""
        rate = self.rates.get(peer.name)
        if rate is not None:
            time.sleep(min(rate.take(), self.limits.idle_seconds / 2))


class JudgingACSE(ACSE):
    """pynetdicom's negotiation after a judgement of ours; an exception in it ends in no association."""

    def _negotiate_as_acceptor(self) -> None:
        association = cast("ReceiverAssociation", self.assoc)
        refusal = association.admit()
        if refusal is None:
            super()._negotiate_as_acceptor()
            association.side.row.add("associations_total")
            return
        association.side.row.add("associations_rejected_total")
        self.send_reject(*refusal)
        association.kill()

    def send_release(self, is_response: bool = False) -> None:
        """Give the peer's place back before it learns that it is released: it may come again at once."""
        cast("ReceiverAssociation", self.assoc).leave()
        super().send_release(is_response)


class ReceiverAssociation(Association):
    """An association whose upper layer has bounds. `peer` is known once it was admitted."""

    peer: Peer

    def __init__(self, ae: ApplicationEntity, side: Side, address: str, certificate: str) -> None:
        self.side = side
        self._address = address
        self._certificate = certificate
        self._placed = ""
        super().__init__(ae, "acceptor")
        self.acse = JudgingACSE(self)
        self.dul = BoundedDUL(self)
        self.dimse = WaitingDIMSE(self)
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def admit(self) -> tuple[int, int, int] | None:
        """Judge the association request: None when it may be negotiated, else how it is rejected."""
        request: Any = self.requestor.primitive
        if request.called_ae_title != self.side.configuration.ae_title:
            return self._rejected(REJECT_CALLED, "called-title")
        peer = self.side.peers.find(request.calling_ae_title, self._address, self._certificate)
        if peer is None:
            return self._rejected(REJECT_CALLING, "unknown-peer")
        if not self.side.address_rates.allow(self._address):
            return self._rejected(REJECT_CONGESTION, "rate", peer.name)
        if not self.side.places.take(peer.name, peer.associations):
            return self._rejected(REJECT_LOCAL_LIMIT, "associations", peer.name)
        self._placed = peer.name
        self.peer = peer
        self.acceptor.supported_contexts = self.side.peers.contexts(peer, request.presentation_context_definition_list)
        if isinstance(self.dul.socket, BoundedSocket):
            self.dul.socket.time_limit(self.side.limits.idle_seconds)
        return None

    def _rejected(self, how: tuple[int, int, int], reason: str, peer: str = "") -> tuple[int, int, int]:
        logs.problem("association-rejected", reason=reason, peer=peer)
        return how

    def leave(self) -> None:
        """Give the place among the peer's associations back; safe to repeat."""
        if self._placed:
            self.side.places.give_back(self._placed)
            self._placed = ""

    def run(self) -> None:
        """The association's thread; gives back what it took, whatever happens."""
        try:
            super().run()
        finally:
            self.dul.kill_dul()
            self.leave()
            give_back_connection(self.side)


def give_back_connection(side: Side) -> None:
    """One connection less."""
    side.places.give_back(_CONNECTIONS)
    side.row.set("connections", side.places.used(_CONNECTIONS))


class Handler(RequestHandler):
    """Runs in a thread of its own: TLS handshake, then the association takes over."""

    server: ReceiverServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def _create_association(self) -> ReceiverAssociation:
        side = self.server.side
        certificate = tls.fingerprint(self.request) if isinstance(self.request, ssl.SSLSocket) else ""
        association = ReceiverAssociation(self.ae, side, self.client_address[0], certificate)
        association._server = self.server
        association.name = "AcceptorThread"
        connection = BoundedSocket(association, client_socket=self.request)
        connection.time_limit(side.limits.associate_seconds)
        association.set_socket(connection)
        association.acceptor.maximum_length = self.ae.maximum_pdu_size
        association.acceptor.ae_title = self.server.ae_title
        association.acceptor.address_info = self.local
        association.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        association.acceptor.implementation_version_name = self.ae.implementation_version_name
        association.requestor.address_info = AddressInformation.from_tuple(self.client_address)
        for event, handler in self.server.event_handlers:
            association.bind(event, handler)
        return association


class ReceiverServer(ThreadedAssociationServer):
    """One listening port as one process serves it.

    All processes accept from the same socket: a connection waits for whoever has time, and one that arrived is not lost
    with a process that dies. The kernel's own sharing out (SO_REUSEPORT) knows neither: it gives four associations to
    one of two processes as often as not, and resets what waited for the dead.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = BACKLOG

    def __init__(
        self,
        *,
        ae: ApplicationEntity,
        listener: Listener,
        side: Side,
        event_handlers: Iterable[tuple[Any, Any]],
        listening: socket.socket | None = None,
    ) -> None:
        self.side = side
        self._listening = listening or listen(listener)
        self.event_handlers = list(event_handlers)
        self._tls = tls.server_context(listener.tls) if listener.tls else None
        super().__init__(
            ae, (listener.address, listener.port), side.configuration.ae_title, [], request_handler=Handler
        )

    def server_bind(self) -> None:
        """Serve the socket that is bound already."""
        unbound: socket.socket = self.socket  # pyright: ignore[reportAssignmentType]
        unbound.close()
        self.socket = self._listening  # pyright: ignore[reportIncompatibleVariableOverride]
        self.server_address = self._listening.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept only; the TLS handshake must not keep others waiting. Raises OSError when another was quicker.

        Who serves more connections waits a moment longer, so that one with fewer comes first.
        """
        time.sleep(_YIELD_SECONDS * min(self.side.places.used(_CONNECTIONS), _MOST_YIELDS))
        return self._listening.accept()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Strangers' addresses and too many connections are closed before they cost a thread."""
        self.side.row.add("connections_total")
        if self.side.peers.known_address(client_address[0]) and self.side.places.take(
            _CONNECTIONS, self.side.limits.connections
        ):
            self.side.row.set("connections", self.side.places.used(_CONNECTIONS))
            return True
        self.side.row.add("connections_refused_total")
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handshake and association of one connection."""
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request.settimeout(self.side.limits.associate_seconds)
            if self._tls is not None:
                request = handshake(self._tls, request, self.side.limits.associate_seconds)
            self.finish_request(request, client_address)
        except Exception:
            self.side.row.add("connections_refused_total")
            give_back_connection(self.side)
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Nothing on stderr: socketserver would print the peer's address and a traceback."""
        self.side.row.add("connections_refused_total")

    def stop(self) -> None:
        """Accept nothing more; associations go on."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


def listen(listener: Listener) -> socket.socket:
    """A socket that several processes may accept from, none waiting in it. Raises OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((listener.address, listener.port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def handshake(context: ssl.SSLContext, request: socket.socket, seconds: float) -> ssl.SSLSocket:
    """TLS within a deadline, however slowly the bytes trickle. Raises OSError."""
    deadline = time.monotonic() + seconds
    wrapped = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
    wrapped.setblocking(False)
    poll = select.poll()
    while True:
        try:
            wrapped.do_handshake()
        except ssl.SSLWantReadError:
            poll.register(wrapped, select.POLLIN)
        except ssl.SSLWantWriteError:
            poll.register(wrapped, select.POLLOUT)
        except OSError:
            wrapped.close()
            raise
        else:
            wrapped.settimeout(seconds)
            return wrapped
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            wrapped.close()
            raise TimeoutError("the TLS handshake took too long")


def application_entity(configuration: Configuration) -> ApplicationEntity:
    """pynetdicom's side of it: titles, timeouts and what is said in negotiation."""
    entity = ApplicationEntity(configuration.ae_title)
    entity.require_called_aet = True
    entity.maximum_associations = configuration.limits.connections + 1
    entity.maximum_pdu_size = configuration.limits.pdu_bytes
    entity.acse_timeout = configuration.limits.associate_seconds
    entity.network_timeout = configuration.limits.idle_seconds
    entity.dimse_timeout = configuration.limits.idle_seconds
    entity.implementation_class_uid = part10.IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = part10.IMPLEMENTATION_VERSION_NAME
    return entity


def open_associations(servers: Iterable[ReceiverServer]) -> list[ReceiverAssociation]:
    """Associations that still run."""
    mine = set(servers)
    return [one for one in threading.enumerate() if isinstance(one, ReceiverAssociation) and one._server in mine]
