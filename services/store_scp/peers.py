"""Who may open an association, and for which services: title, address and certificate together."""

# pynetdicom's types are partial, and it offers no public way to bound its upper layer
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # pyright: ignore[reportAttributeAccessIssue]

from imaging.dictionary import registered
from imaging.parse import TRANSFER_SYNTAXES
from services.store_scp.configuration import Configuration, Peer

UNCOMPRESSED: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
_NO_INSTANCES: Final = ("Storage Commitment", "Media Storage Directory", "Storage Management", "Storage Service")


@lru_cache(maxsize=1)
def storage_classes() -> frozenset[str]:
    """Every storage SOP class that PS3.6 registers, retired ones included."""
    return frozenset(
        uid
        for uid, name in registered("SOP Class").items()
        if "Storage" in name and not any(other in name for other in _NO_INSTANCES)
    )


def address_of(text: str) -> IPv4Address | IPv6Address:
    """The address, an IPv4 one also where the socket says `::ffff:...`."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class PeerBook:
    """The configured peers."""

    def __init__(self, configuration: Configuration) -> None:
        self._peers = configuration.peers
        self._storage = storage_classes() | frozenset(configuration.storage_classes)

    def known_address(self, address: str) -> bool:
        """Whether any peer calls from there; a stranger is not even spoken to."""
        return any(_calls_from(peer, address) for peer in self._peers)

    def find(self, ae_title: str, address: str, certificate: str) -> Peer | None:
        """The peer with this title that calls from this address with this certificate (fingerprint or "")."""
        for peer in self._peers:
            shown = not peer.certificates or certificate in peer.certificates
            if peer.ae_title == ae_title and _calls_from(peer, address) and shown:
                return peer
        return None

    def contexts(self, peer: Peer, proposed: Iterable[PresentationContext]) -> list[PresentationContext]:
        """What to support of the proposal: the peer's rights, and any transfer syntax, in the peer's own order."""
        wanted: dict[str, list[str]] = {}
        for context in proposed:
            abstract = str(context.abstract_syntax)
            syntaxes = wanted.setdefault(abstract, [])
            offered = [str(syntax) for syntax in context.transfer_syntax]
            syntaxes += [one for one in offered if one not in syntaxes and self._accepts(peer, abstract, one)]
        return [_context(abstract, syntaxes) for abstract, syntaxes in wanted.items() if syntaxes]

    def _accepts(self, peer: Peer, abstract: str, syntax: str) -> bool:
        if abstract in self._storage:
            return "store" in peer.rights and syntax in TRANSFER_SYNTAXES
        right = {str(Verification): "echo", str(StorageCommitmentPushModel): "commit"}.get(abstract)
        return right in peer.rights and syntax in UNCOMPRESSED


def _calls_from(peer: Peer, address: str) -> bool:
    caller = address_of(address)
    return any(caller in network for network in peer.addresses if network.version == caller.version)


def _context(abstract: str, syntaxes: Sequence[str]) -> PresentationContext:
    context: Any = build_context(abstract, list(syntaxes))
    return context
