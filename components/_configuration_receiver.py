"""Configuration of the DICOM receiver: who may send from where, and how large it is."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components._configuration_base import Group, WrittenAs, refusal

AeTitle = Annotated[
    str,
    WrittenAs(r"[\x21-\x5b\x5d-\x7e]{1,16}", "be an AE title: up to 16 printable characters, no blank, no backslash"),
]
PeerName = Annotated[
    str, WrittenAs(r"[a-z0-9][a-z0-9-]{0,31}", "be a name of lower case letters, digits and hyphens; it stands in logs")
]
SecretArn = Annotated[
    str, WrittenAs(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+", "be the ARN of a secret")
]
Fingerprint = Annotated[str, WrittenAs(r"[0-9a-f]{64}", "be the SHA-256 of a certificate, 64 hex digits")]


class ReceiverPeer(Group):
    """A modality, archive or router that may send."""

    name: PeerName
    """What logs and metrics call it."""
    ae_title: AeTitle
    """The AE title that it calls with."""
    addresses: tuple[IPv4Network, ...] = Field(min_length=1)
    """Networks that it calls from."""
    rights: tuple[Literal["store", "echo", "commit"], ...] = ("store", "echo", "commit")
    """What it may ask for: C-STORE, C-ECHO, storage commitment."""
    certificates: tuple[Fingerprint, ...] = ()
    """Certificates that may use this AE title; none: any that the client CA has signed."""
    associations: int = Field(default=10, ge=1, le=500)
    """Associations at once with one process."""


class ReceiverSettings(Group):
    """The DICOM receiver; it runs where `containers.storeScp` names an image."""

    ae_title: AeTitle = "IMAGING"
    """The AE title that peers call."""
    peers: tuple[ReceiverPeer, ...] = ()
    """Who may send; the receiver does not start without any."""
    tls_secret_arn: SecretArn | None = None
    """Secret with the JSON keys certificate, key and clientCa (PEM); encrypted with the stack's key for secrets."""
    name_key_generation: int = Field(default=1, ge=1, le=10_000)
    """One more draws another key for the names of received objects; the tasks are replaced by ones that have it."""
    unencrypted_port: bool = False
    """Also listen on 11112 without TLS, for peers bound to single addresses: modalities that speak no TLS."""
    cpu: Literal[512, 1024, 2048, 4096] = 2048
    """CPU units of a task; 1,024 is one core, and one process runs on each."""
    memory_mb: int = Field(default=4096, ge=1024, le=30_720, multiple_of=1024)
    """Memory of a task, MiB; one of those that Fargate offers for the CPU."""
    minimum_tasks: int = Field(default=2, ge=1, le=50)
    """Tasks that always run: one in each of two zones."""
    maximum_tasks: int = Field(default=10, ge=1, le=100)
    """Tasks that a busy day may start."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.maximum_tasks < self.minimum_tasks:
            raise refusal("maximumTasks", self.maximum_tasks, "be at least minimumTasks")
        names = [peer.name for peer in self.peers]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise refusal("peers", doubled[0], "be names that differ")
        if not self.cpu * 2 <= self.memory_mb <= self.cpu * 8 or (self.cpu == 512 and self.memory_mb > 4096):
            raise refusal("memoryMb", self.memory_mb, f"be between {self.cpu * 2} and {self.cpu * 8} for this CPU")
        wide = [str(one) for peer in self.peers for one in peer.addresses if one.num_addresses > 1]
        if self.unencrypted_port and wide:
            raise refusal("peers", wide[0], "be single addresses (/32) where unencryptedPort is true")
        return self
