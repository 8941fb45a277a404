"""TLS on the wire: mutual authentication, titles bound to certificates, what is refused, and slow handshakes."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from services.store_scp.receiver import SUCCESS


def client(authority: Any, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client that knows the authority, with or without a certificate of its own."""
    context = ssl.create_default_context(cafile=str(authority.path))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def secured(settings: dict[str, Any], tls_settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with one listener by mutual TLS."""
    settings["listeners"] = [{"port": 0, "tls": tls_settings}]
    return settings


def test_an_instance_is_stored_over_mutual_tls(
    secured: Any, start: Any, tools: Any, memory_store: Any, authority: Any
) -> None:
    running = start(memory_store)
    context = client(authority, authority.issue("scanner"))
    association = tools.associate(running.port, tls_args=(context, "localhost"))
    image = tools.instance(256)
    association_status = association.send_c_store(image).Status
    association.release()
    assert association_status == SUCCESS
    (content,) = memory_store.objects.values()
    assert tools.data_set_of(content)


def test_a_peer_without_a_certificate_gets_no_association(
    secured: Any, start: Any, tools: Any, memory_store: Any, authority: Any
) -> None:
    running = start(memory_store)
    assert not tools.associate(running.port, tls_args=(client(authority), "localhost")).is_established
    assert running.row.get("associations_total") == 0


def test_a_certificate_of_a_strangers_authority_gets_no_association(
    secured: Any, start: Any, tools: Any, authority: Any, tmp_path: Path
) -> None:
    stranger = tools.make_authority(tmp_path / "stranger").issue("scanner")
    running = start()
    assert not tools.associate(running.port, tls_args=(client(authority, stranger), "localhost")).is_established
    assert running.row.get("connections_refused_total") == 1


def test_an_expired_certificate_gets_no_association(
    secured: Any, start: Any, tools: Any, memory_store: Any, authority: Any
) -> None:
    running = start(memory_store)
    context = client(authority, authority.issue("expired", days=-1))
    assert not tools.associate(running.port, tls_args=(context, "localhost")).is_established


def test_plain_dicom_on_the_tls_port_gets_no_association(
    secured: Any, start: Any, tools: Any, memory_store: Any
) -> None:
    assert not tools.associate(start(memory_store).port).is_established


@pytest.mark.parametrize("matching", [True, False], ids=["its certificate", "another certificate"])
def test_a_title_bound_to_a_certificate_is_nobody_elses(
    secured: Any, start: Any, tools: Any, authority: Any, matching: bool
) -> None:
    certificate = authority.issue("bound")
    shown = x509.load_pem_x509_certificate(certificate[0].read_bytes()).public_bytes(Encoding.DER)
    digest = hashlib.sha256(shown).hexdigest() if matching else "0" * 64
    secured["peers"][0]["certificates"] = [digest]
    association = tools.associate(
        start(tools.MemoryStore()).port, tls_args=(client(authority, certificate), "localhost")
    )
    assert association.is_established is matching
    assert association.is_rejected is not matching
    if matching:
        association.release()


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), (ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0")],
    ids=["TLS 1.1", "no forward secrecy"],
)
def test_what_bcp_195_forbids_is_not_spoken(
    secured: Any, start: Any, authority: Any, version: Any, ciphers: str
) -> None:
    running = start()
    context = client(authority, authority.issue("old"))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="localhost")


def test_peers_are_served_while_others_take_their_time_over_the_handshake(
    secured: Any, start: Any, tools: Any, memory_store: Any, authority: Any
) -> None:
    running = start(memory_store)
    slow = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(5)]
    slow[0].sendall(b"\x16\x03\x01")
    context = client(authority, authority.issue("quick"))
    association = tools.associate(running.port, tls_args=(context, "localhost"))
    assert association.send_c_store(tools.instance()).Status == SUCCESS
    association.release()
    for one in slow:
        one.settimeout(10)
        assert one.recv(1) == b"", "a handshake that does not come in time is ended"
        one.close()
