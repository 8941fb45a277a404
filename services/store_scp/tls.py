"""TLS by Python's ssl in the BCP 195 profile (PS3.15 B.12; RFC 9325): 1.2 with forward secrecy and AEAD, or 1.3."""

from __future__ import annotations

import datetime
import hashlib
import os
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.store_scp.configuration import ConfigurationError, Tls, read_material

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""RFC 9325 4.2: ephemeral key agreement and authenticated encryption; TLS 1.3 suites are all of that kind."""
LEAST_RSA_BITS: Final = 2048
LEAST_CURVE_BITS: Final = 224


@dataclass(frozen=True, kw_only=True)
class ServerCertificate:
    """What a listener shows. `weak` says why its key is refused, or is empty."""

    not_before: datetime.datetime
    not_after: datetime.datetime
    weak: str


def inspect(settings: Tls) -> ServerCertificate:
    """The listener's certificate, after trying that key, certificate and CA fit together.

    Raises:
        ConfigurationError: a part is missing, unreadable or of another pair; nothing of it is quoted.
    """
    server_context(settings)
    certificate = x509.load_pem_x509_certificate(read_material(settings.certificate).encode())
    return ServerCertificate(
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        weak=_weakness(certificate),
    )


def _weakness(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size >= LEAST_RSA_BITS else f"RSA with {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.key_size >= LEAST_CURVE_BITS else f"a curve with {key.curve.key_size} bits"
    return "" if isinstance(key, ed25519.Ed25519PublicKey) else "neither RSA nor an elliptic curve"


@contextmanager
def _as_file(text: str) -> Generator[str]:
    """A path under which ssl can read the text: memory of this process, never a disk."""
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def server_context(settings: Tls) -> ssl.SSLContext:
    """The context of a listener. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _profile(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    certificate, key = read_material(settings.certificate), read_material(settings.key)
    try:
        with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
            context.load_cert_chain(certificate_path, key_path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("tls: certificate and key are no readable pair") from error
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, settings.client_ca)
    return context


def client_context(authority: str) -> ssl.SSLContext:
    """The context of an association that the receiver opens. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _profile(context)
    _trust(context, authority)
    return context


def _profile(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _trust(context: ssl.SSLContext, authority: str) -> None:
    try:
        context.load_verify_locations(cadata=read_material(authority))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("tls: the certificate authority is not readable") from error


def _no_password() -> bytes:
    """Without this OpenSSL would wait for somebody at the terminal."""
    raise ValueError("the key is encrypted")


def fingerprint(connection: ssl.SSLSocket) -> str:
    """SHA-256 of the peer's certificate as 64 hex digits, "" when it showed none."""
    shown = connection.getpeercert(binary_form=True)
    return hashlib.sha256(shown).hexdigest() if shown else ""
