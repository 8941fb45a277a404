"""Entry point of BreachResponse: the steps of the state machine `breach-response`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, Field

from breach_response.adapters import CloudTrail, Ec2Network, KmsGrants, S3Records, SnsCompliance
from breach_response.findings import Finding
from breach_response.incident import Step
from breach_response.service import BreachResponse
from breach_response.settings import Settings
from lambda_shared import aws
from lambda_shared.clock import SystemClock
from lambda_shared.runtime import lambda_handler, parse


class Opening(BaseModel):
    """The first step: the finding as the event brought it."""

    operation: Literal["open"]
    finding: dict[str, Any]


class Command(BaseModel):
    """A later step: the incident, and what earlier steps answered."""

    operation: Literal["isolate-network", "revoke-grants", "collect", "notify", "report"]
    incident_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    containment: list[Step] = []
    role: dict[str, Any] = {}
    notified_at: str | None = None
    evidence_complete: bool = False


@lru_cache(maxsize=1)
def response() -> BreachResponse:
    """The service over real clients, once per process."""
    values = Settings.from_env()
    return BreachResponse(
        records=S3Records(aws.client("s3"), values.audit_bucket),
        network=Ec2Network(aws.client("ec2"), values.quarantine_group_id),
        grants=KmsGrants(aws.client("kms"), tuple(values.key_arns.split(","))),
        trail=CloudTrail(aws.client("cloudtrail")),
        compliance=SnsCompliance(aws.client("sns"), values.compliance_topic_arn),
        clock=SystemClock(),
        role_prefix=values.role_prefix,
        protected_roles=frozenset(values.protected_roles.split(",")),
        dry_run=values.dry_run,
        quarantine_hours=values.quarantine_hours,
        notify_hours=values.notify_hours,
    )


@lambda_handler
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Dispatch by operation."""
    if event.get("operation") == "open":
        detail = parse(Opening, event).finding
        finding = parse(Finding, detail)
        return response().open(detail, finding)
    command = parse(Command, event)
    if command.operation == "isolate-network":
        return response().isolate_network(command.incident_id)
    if command.operation == "revoke-grants":
        return response().revoke_grants(command.incident_id)
    if command.operation == "collect":
        return response().collect(command.incident_id, command.role)
    if command.operation == "notify":
        return response().notify(command.incident_id, command.containment)
    return response().report(
        command.incident_id,
        command.containment,
        command.notified_at,
        evidence_complete=command.evidence_complete,
    )
