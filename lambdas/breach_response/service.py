"""One incident from the finding to the report. Every step may be repeated and ends in the same state."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from breach_response.deadlines import told_by
from breach_response.findings import Finding, shut_policy
from breach_response.incident import Incident, RoleOutcome, Step
from breach_response.ports import Compliance, Grants, Network, Records, Trail
from breach_response.report import as_document, as_text, message
from lambda_shared.clock import Clock, iso, parse_iso
from lambda_shared.errors import NotFoundError

LOOK_BACK = timedelta(hours=24)
"""How long before the finding's first event the trail is read: what came before is often how the door was opened."""


@dataclass(frozen=True, kw_only=True)
class BreachResponse:
    """BreachResponse over its ports; `dry_run` writes everything down and changes nothing."""

    records: Records
    network: Network
    grants: Grants
    trail: Trail
    compliance: Compliance
    clock: Clock
    role_prefix: str
    protected_roles: frozenset[str]
    dry_run: bool
    quarantine_hours: int
    notify_hours: int

    def open(self, detail: dict[str, Any], finding: Finding) -> dict[str, Any]:
        """Write the finding down as evidence, and decide what will be contained."""
        self.records.add(finding.incident_id, "finding.json", _json(detail))
        now = self.clock.now()
        decided = Incident(
            incident_id=finding.incident_id,
            finding_type=finding.type,
            severity=finding.severity,
            resource_type=finding.resource_type,
            account_id=finding.account_id,
            region=finding.region,
            discovered_at=finding.created_at,
            opened_at=now,
            release_at=now + timedelta(hours=self.quarantine_hours),
            role=self._role_outcome(finding),
            role_name=finding.role_name,
            interface_ids=finding.interface_ids,
            dry_run=self.dry_run or finding.sample,
        )
        if not self.records.add(finding.incident_id, "incident.json", _json(decided.model_dump(mode="json"))):
            decided = self._incident(finding.incident_id)  # a renewal, or a second try: the first decision stands
        return {
            "incident_id": decided.incident_id,
            "reported": self._has_report(decided.incident_id),
            "contain_role": decided.role == "to-do",
            "role_outcome": decided.role,
            "describe_role": decided.role_name is not None and decided.role_name.startswith(self.role_prefix),
            "role_name": decided.role_name or "",
            "role_policy": json.dumps(shut_policy(decided.release_at), separators=(",", ":")),
        }

    def isolate_network(self, incident_id: str) -> dict[str, Any]:
        """Put the instance's interfaces into the group without rules; what they had is written down first."""
        incident = self._incident(incident_id)
        if not incident.interface_ids:
            return _step("network", "none", 0)
        before = self.network.describe(incident.interface_ids)
        self.records.add(incident_id, "network-before.json", _json(before))
        if incident.dry_run:
            return _step("network", "dry-run", len(before))
        for interface in before:
            self.network.quarantine(interface["interface"])
        return _step("network", "done" if before else "none", len(before))

    def revoke_grants(self, incident_id: str) -> dict[str, Any]:
        """End every grant that lets the finding's role use one of the platform's keys."""
        incident = self._incident(incident_id)
        if incident.role_name is None or incident.role == "left-to-people":
            return _step("grants", "none", 0)
        found = self.grants.of_principal(f"arn:aws:iam::{incident.account_id}:role/{incident.role_name}")
        listed = [{"key": g.key_arn, "grant": g.grant_id, "operations": list(g.operations)} for g in found]
        self.records.add(incident_id, "grants-before.json", _json(listed))
        if incident.dry_run:
            return _step("grants", "dry-run", len(found))
        for grant in found:
            self.grants.revoke(grant)
        return _step("grants", "done" if found else "none", len(found))

    def collect(self, incident_id: str, role: dict[str, Any]) -> dict[str, Any]:
        """Keep what will be needed later: the role, the network after containment, the actor's doings."""
        incident = self._incident(incident_id)
        finding = Finding.model_validate_json(self.records.read(incident_id, "finding.json"))
        if role:
            self.records.add(incident_id, "role.json", _json(role))
        if incident.interface_ids:
            self.records.add(incident_id, "network-after.json", _json(self.network.describe(incident.interface_ids)))
        since = (finding.first_seen or finding.created_at) - LOOK_BACK
        until = self.clock.now()
        wanted = finding.trail_attribute
        events = [] if wanted is None else self.trail.events(*wanted, since, until)
        slice_ = {"since": iso(since), "until": iso(until), "attribute": (wanted or ("none",))[0], "events": events}
        self.records.add(incident_id, "trail.json.gz", gzip.compress(_json(slice_), mtime=0))
        return {"complete": True, "trail_events": len(events)}

    def notify(self, incident_id: str, steps: list[Step]) -> dict[str, Any]:
        """Tell the compliance list what happened, what was done, and by when they must have decided."""
        incident = self._incident(incident_id)
        limit = told_by(incident.discovered_at, self.notify_hours)
        subject, text = message(incident, steps, limit, self.records.address(incident_id, "report.md"))
        self.compliance.tell(subject, text)
        now = self.clock.now()
        return {"notified_at": iso(now), "in_time": now <= limit}

    def report(
        self, incident_id: str, steps: list[Step], notified_at: str | None, *, evidence_complete: bool
    ) -> dict[str, Any]:
        """Close with the report; its presence says that the incident has been dealt with."""
        incident = self._incident(incident_id)
        document = as_document(
            incident,
            steps,
            limit=told_by(incident.discovered_at, self.notify_hours),
            notified_at=parse_iso(notified_at) if notified_at else None,
            evidence_complete=evidence_complete,
            folder=self.records.address(incident_id, ""),
        )
        self.records.add(incident_id, "report.md", as_text(document).encode())
        self.records.add(incident_id, "report.json", _json(document))
        open_steps = [step.action for step in steps if step.needs_people]
        return {"complete": not open_steps and notified_at is not None and evidence_complete, "open": open_steps}

    def _role_outcome(self, finding: Finding) -> RoleOutcome:
        role = finding.role_name
        if role is None:
            return "none" if finding.access_key_id is None else "left-to-people"  # a user's key: no role to shut
        if not role.startswith(self.role_prefix) or role in self.protected_roles:
            return "left-to-people"
        return "dry-run" if self.dry_run or finding.sample else "to-do"

    def _incident(self, incident_id: str) -> Incident:
        return Incident.model_validate_json(self.records.read(incident_id, "incident.json"))

    def _has_report(self, incident_id: str) -> bool:
        try:
            self.records.read(incident_id, "report.json")
        except NotFoundError:
            return False
        return True


def _step(action: str, outcome: str, count: int) -> dict[str, Any]:
    return {"action": action, "outcome": outcome, "count": count}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, default=str).encode()
