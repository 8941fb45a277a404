"""Configuration of how images reach browsers: the viewer's address, its certificates, and the frame proxy's size."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from components._configuration_base import Group, WrittenAs, refusal

DomainName = Annotated[
    str, WrittenAs(r"([a-z0-9-]{1,63}\.)+[a-z]{2,63}", "be a host name such as viewer.example.org, in lower case")
]
CertificateArn = Annotated[
    str, WrittenAs(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}", "be the ARN of a certificate")
]
ScriptHash = Annotated[str, WrittenAs(r"sha256-[A-Za-z0-9+/]{43}=", "be sha256- and the digest in base64")]
OHIF_SCRIPTS: Final = (
    "sha256-VggY0rSMrfuUfyGbMQUTdohoMO4fFh+5LLFfr7rG50g=",
    "sha256-12PW7jQ7q6uBo6f025aNINHBa58dqEw1kjWTLzM/lTg=",
)
"""Inline scripts of OHIF's page, of the release that viewer/ohif.json pins (contract test)."""
_FARGATE_MEMORY = {1024: (2048, 8192), 2048: (4096, 16_384), 4096: (8192, 30_720)}


class DeliverySettings(Group):
    """The viewer's origin; it exists where `containers.frameProxy` names an image."""

    domain_name: DomainName | None = None
    """Host name of the viewer; both certificates are made out to it."""
    certificate_arn: CertificateArn | None = None
    """Certificate for CloudFront, in us-east-1."""
    origin_certificate_arn: CertificateArn | None = None
    """Certificate for the load balancer, in the stack's region; CloudFront checks it against the host name."""
    inline_script_hashes: tuple[ScriptHash, ...] = OHIF_SCRIPTS
    """Inline scripts of the viewer's page that may run: those of the release that viewer/ohif.json pins."""
    cpu: Literal[1024, 2048, 4096] = 2048
    """CPU units of a task; 1,024 is one core, and the proxy is one process."""
    memory_mb: int = Field(default=8192, ge=2048, le=30_720, multiple_of=1024)
    """Memory of a task, MiB; three fifths of it hold frames and metadata."""
    minimum_tasks: int = Field(default=2, ge=2, le=50)
    """Tasks that always run: one in each of two zones."""
    maximum_tasks: int = Field(default=10, ge=2, le=100)
    """Tasks that a busy day may start."""
    requests_per_task: int = Field(default=60_000, ge=100, le=1_000_000)
    """Requests a minute and task above which another task starts."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.maximum_tasks < self.minimum_tasks:
            raise refusal("maximumTasks", self.maximum_tasks, "be at least minimumTasks")
        low, high = _FARGATE_MEMORY[self.cpu]
        if not low <= self.memory_mb <= high:
            raise refusal("memoryMb", self.memory_mb, f"be between {low} and {high} for this CPU")
        if self.certificate_arn is not None and ":acm:us-east-1:" not in self.certificate_arn:
            raise refusal("certificateArn", self.certificate_arn, "be of us-east-1, where CloudFront looks for it")
        return self
