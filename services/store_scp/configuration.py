"""The receiver's configuration file: YAML, every key checked, unknown keys refused.

`load` reads it; whether a configuration that is well formed is also safe is judged by `services.store_scp.insecure`.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

AeTitle = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e]+$")]
"""PS3.5 6.2, AE: at most 16 characters, no backslash, no control character; blanks inside are not taken here."""
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Right = Literal["store", "echo", "commit"]
Material = Annotated[str, StringConstraints(pattern=r"^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$")]
"""Where a certificate, key or secret is: `file:PATH` or `env:NAME`; never the thing itself."""
Uid = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
Network = IPv4Network | IPv6Network
MIB = 1 << 20


class ConfigurationError(Exception):
    """The configuration is refused; one sentence a line, for people."""


class Group(BaseModel):
    """A group of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(Group):
    """TLS of a listener by the BCP 195 profile (PS3.15 B.12).

    Attributes:
        client_certificates: `required` is mutual TLS; `none` needs peers bound to narrow addresses instead.
        client_ca: what client certificates must chain to.
    """

    certificate: Material
    key: Material
    client_certificates: Literal["required", "none"] = "required"
    client_ca: Material | None = None

    @model_validator(mode="after")
    def _ca_for_clients(self) -> Self:
        if (self.client_certificates == "required") != (self.client_ca is not None):
            raise ValueError("client_ca belongs to client_certificates: required, and only to it")
        return self


class Listener(Group):
    """One address and port. Either `tls`, or `unencrypted: true` in so many words."""

    address: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    tls: Tls | None = None
    unencrypted: bool = False

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        if (self.tls is not None) == self.unencrypted:
            raise ValueError("a listener has either tls or unencrypted: true")
        return self


class Report(Group):
    """Where storage commitment results go when the association is gone: an SCU's own listening address."""

    host: str
    port: int = Field(ge=1, le=65535)
    ae_title: AeTitle
    tls_ca: Material | None = None


class Peer(Group):
    """Who may call, from where, for what.

    Attributes:
        name: stands in logs and metrics for the peer; chosen by the operator, so it never carries what a peer sends.
        certificates: SHA-256 of the DER certificates (64 hex digits) that may use this AE title; empty: any that
            the listener's CA has signed.
        associations: at most so many at once, in one process.
        instances_per_second: faster senders are slowed down, not refused; None: no limit.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    ae_title: AeTitle
    addresses: tuple[Network, ...] = Field(min_length=1)
    certificates: tuple[Fingerprint, ...] = ()
    rights: frozenset[Right] = Field(default=frozenset({"store", "echo"}), min_length=1)
    associations: int = Field(default=10, ge=1, le=500)
    instances_per_second: float | None = Field(default=None, gt=0)
    report: Report | None = None


class S3(Group):
    """A bucket as the store. Credentials come from the environment, as boto3 finds them.

    Attributes:
        kms_key_id: named on every put; None leaves it to the bucket's default encryption.
        multipart_bytes: larger objects go in parts of `part_bytes`.
        timeout_seconds: of one request; attempts are counted with it.
    """

    bucket: str = Field(min_length=3, max_length=63)
    endpoint_url: str | None = None
    region: str | None = None
    kms_key_id: str | None = None
    multipart_bytes: int = Field(default=64 * MIB, ge=5 * MIB)
    part_bytes: int = Field(default=16 * MIB, ge=5 * MIB)
    timeout_seconds: float = Field(default=20, gt=0, le=300)
    attempts: int = Field(default=4, ge=1, le=10)


class Folder(Group):
    """A folder as the store.

    Attributes:
        fsync: an acknowledgement survives a power cut; off only for measurements.
        reserve_bytes: free bytes of the disk under which instances are refused.
    """

    path: Path
    fsync: bool = True
    reserve_bytes: int = Field(default=1024 * MIB, ge=0)


class StoreSettings(Group):
    """Exactly one place."""

    s3: S3 | None = None
    folder: Folder | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.s3 is None) == (self.folder is None):
            raise ValueError("store has either s3 or folder")
        return self


class Naming(Group):
    """How objects are called.

    Attributes:
        layout: `opaque` is `{prefix}/{32 hex}.{32 hex}.dcm` from a keyed hash of the SOP Instance UID and the
            content: what ingestion expects, and no identifier in a key. `uid` is
            `{prefix}/[{StudyInstanceUID}/]{SOPInstanceUID}.dcm`: identifiers in keys, only on request.
        key: 64 hex digits, the key of the hash.
        gzip: objects are compressed and called `.dcm.gz`; HealthImaging does not read them.
        metadata_prefix: the DICOM JSON of each instance without bulk data is kept under it as well.
        conflicts: another content under a SOP Instance UID that is known: keep both, refuse the newer, or replace.
    """

    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$")] = (
        "upload"
    )
    layout: Literal["opaque", "uid"] = "opaque"
    key: Material | None = None
    study_level: bool = False
    gzip: bool = False
    metadata_prefix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]*$")
    conflicts: Literal["keep-both", "refuse", "replace"] = "keep-both"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.layout == "opaque") != (self.key is not None):
            raise ValueError("naming.key belongs to layout: opaque, and only to it")
        if self.study_level and self.layout == "opaque":
            raise ValueError("study_level belongs to layout: uid")
        if self.conflicts == "replace" and self.layout == "opaque":
            raise ValueError("conflicts: replace needs layout: uid, where one key means one instance")
        return self


class Limits(Group):
    """Bounds of one process unless a line says otherwise. Times in seconds, sizes in bytes.

    Attributes:
        connections: sockets at once, associations and those that have not become one.
        associations_per_second: new associations from one address; more are refused as temporary congestion.
        pdu_bytes: offered in negotiation; a P-DATA PDU that claims more ends the association before it is read.
        object_bytes: of one instance.
        memory_object_bytes: of one instance, before it goes on in a nameless file.
        memory_bytes, disk_bytes: of all instances that are being received.
        associate_seconds: from the connection to the association request, TLS included.
        idle_seconds: without a byte from the peer, and for one PDU to arrive.
    """

    connections: int = Field(default=50, ge=1, le=500)
    associations_per_second: float = Field(default=20, gt=0)
    pdu_bytes: int = Field(default=131_072, ge=4_096, le=MIB)
    object_bytes: int = Field(default=4096 * MIB, ge=1024)
    memory_object_bytes: int = Field(default=16 * MIB, ge=0)
    memory_bytes: int = Field(default=256 * MIB, ge=1024)
    disk_bytes: int = Field(default=8192 * MIB, ge=0)
    associate_seconds: float = Field(default=10, gt=0, le=120)
    idle_seconds: float = Field(default=60, gt=0, le=3600)
    drain_seconds: float = Field(default=60, ge=0, le=3600)


class Health(Group):
    """Where health and metrics are read over HTTP; no identifier is in them."""

    address: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    emf_seconds: float | None = Field(default=None, gt=0)
    namespace: str = "ImagingPlatform"


class Configuration(Group):
    """All of it.

    Attributes:
        ae_title: what peers call.
        storage_classes: UIDs of private storage SOP classes, beside all that PS3.6 registers.
        processes: `auto` is one for each core.
        spool_folder: where instances over `limits.memory_object_bytes` wait; None is the system's temporary folder.
    """

    ae_title: AeTitle
    listeners: tuple[Listener, ...] = Field(min_length=1)
    peers: tuple[Peer, ...] = Field(min_length=1)
    store: StoreSettings
    naming: Naming = Naming.model_construct()
    limits: Limits = Limits()
    health: Health = Health()
    storage_classes: tuple[Uid, ...] = ()
    processes: int | Literal["auto"] = "auto"
    spool_folder: Path | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [peer.name for peer in self.peers]
        if len(set(names)) != len(names):
            raise ValueError("two peers have the same name")
        if isinstance(self.processes, int) and self.processes < 1:
            raise ValueError("processes is auto or a number from 1")
        if "naming" not in self.model_fields_set:
            raise ValueError("naming is missing: layout: opaque needs naming.key")
        return self

    @property
    def process_count(self) -> int:
        """Processes to run: one for each core that this process may use."""
        return len(os.sched_getaffinity(0)) if self.processes == "auto" else self.processes


def parse(text: str) -> Configuration:
    """The configuration from YAML text. Raises ConfigurationError with a sentence for each problem."""
    try:
        values: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"the configuration is not YAML{where}") from None
    if not isinstance(values, dict):
        raise ConfigurationError("the configuration is not a list of keys and values")
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        # a value may be a secret that was put in the wrong place: name the key, never repeat the value
        sentences = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'configuration'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError("\n".join(sentences)) from None


def load(source: str) -> Configuration:
    """The configuration of a file, or of an environment variable as `env:NAME`. Raises ConfigurationError."""
    if source.startswith("env:"):
        return parse(read_material(source))
    return parse(read_material(f"file:{source}"))


def read_material(material: str) -> str:
    """The text behind `file:PATH` or `env:NAME`. Raises ConfigurationError, which never quotes it."""
    kind, _, place = material.partition(":")
    if kind == "env":
        text = os.environ.get(place)
        if text is None:
            raise ConfigurationError(f"the environment variable {place} is not set")
        return text
    try:
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{place} cannot be read ({type(error).__name__})") from None
