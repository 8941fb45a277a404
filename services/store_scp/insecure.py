"""What this receiver refuses to start with. Each sentence has a test; there is no switch that turns them off.

An exposed archive is nearly always one that was started as it came out of the box: no TLS, any AE title, any address.
Here such a configuration does not start, and says why.
"""

from __future__ import annotations

import datetime
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from services.store_scp import tls
from services.store_scp.configuration import Configuration, ConfigurationError, Listener, Peer, read_material

WIDEST_PREFIX = {4: 16, 6: 48}
"""The widest network that may stand for a peer without a certificate: a site, not the Internet."""
PUBLISHED_TITLES = frozenset({"ANY-SCP", "ANYSCP", "ORTHANC", "DCM4CHEE", "STORESCP", "CONQUESTSRV1", "PYNETDICOM"})
"""AE titles that servers come with: scanners of the Internet try these first."""
KEY_HEX_DIGITS = 64


def refuse(configuration: Configuration) -> None:
    """Raises ConfigurationError with every reason not to start, one a line."""
    reasons = list(problems(configuration))
    if reasons:
        raise ConfigurationError("\n".join(reasons))


def problems(configuration: Configuration) -> Iterator[str]:
    """All that is unsafe, a sentence each."""
    if configuration.ae_title.upper() in PUBLISHED_TITLES:
        yield f"ae_title: {configuration.ae_title} is the default title of a known server; choose one of your own"
    for index, listener in enumerate(configuration.listeners):
        for reason in _listener(listener, configuration):
            yield f"listeners.{index}: {reason}"
    for peer in configuration.peers:
        for reason in _peer(peer, configuration):
            yield f"peer {peer.name}: {reason}"
    yield from _store(configuration)
    yield from _naming(configuration)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address; names are resolved by nobody here."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _unverified(configuration: Configuration) -> bool:
    """Whether some listener lets peers in that show no certificate."""
    return any(one.tls is None or one.tls.client_certificates == "none" for one in configuration.listeners)


def _listener(listener: Listener, configuration: Configuration) -> Iterator[str]:
    if listener.tls is None:
        if ip_address(listener.address).is_unspecified and not _behind_narrow_addresses(configuration):
            yield "unencrypted on every address needs peers bound to single addresses"
        return
    for material in (listener.tls.key,):
        if material.startswith("file:") and _others_may_read(Path(material.removeprefix("file:"))):
            yield "others than the owner may read the private key: chmod 600"
    try:
        material = tls.inspect(listener.tls)
    except ConfigurationError as error:
        yield str(error)
        return
    now = datetime.datetime.now(datetime.UTC)
    if not material.not_before <= now <= material.not_after:
        yield "the certificate is not valid today"
    if material.weak:
        yield f"the certificate's key is too weak: {material.weak}"


def _behind_narrow_addresses(configuration: Configuration) -> bool:
    return all(network.num_addresses == 1 for peer in configuration.peers for network in peer.addresses)


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False  # that it cannot be read is said by whoever reads it


def _peer(peer: Peer, configuration: Configuration) -> Iterator[str]:
    if not _unverified(configuration):
        return
    if peer.certificates:
        yield "certificates are not looked at by a listener that asks for none"
    wide = [network for network in peer.addresses if network.prefixlen < WIDEST_PREFIX[network.version]]
    if wide:
        yield f"the network {wide[0]} is too wide to stand for a peer that shows no certificate"


def _store(configuration: Configuration) -> Iterator[str]:
    s3, folder = configuration.store.s3, configuration.store.folder
    if s3 is not None and s3.endpoint_url is not None:
        parts = urlsplit(s3.endpoint_url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            yield "store.s3.endpoint_url: objects would cross the network unencrypted"
    if folder is not None:
        try:
            mode = folder.path.stat().st_mode
        except OSError:
            yield "store.folder.path: the folder does not exist"
            return
        if mode & stat.S_IRWXO:
            yield "store.folder.path: everybody on this machine may look into the folder; chmod o-rwx"


def _naming(configuration: Configuration) -> Iterator[str]:
    naming = configuration.naming
    if naming.key is not None:
        try:
            text = read_material(naming.key).strip()
        except ConfigurationError as error:
            yield f"naming.key: {error}"
            return
        if len(text) < KEY_HEX_DIGITS or any(digit not in "0123456789abcdefABCDEF" for digit in text):
            yield f"naming.key: the secret needs at least {KEY_HEX_DIGITS} hex digits, or names could be guessed"
    if naming.study_level and any("commit" in peer.rights for peer in configuration.peers):
        yield "naming.study_level: a commitment request names no study, so nothing could be found; take the right away"
