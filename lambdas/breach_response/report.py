"""The incident report and the message to the compliance list: what happened, what was done, who must be told by when.

No PHI: findings name resources, roles and addresses of attackers, never patients. Who was affected is for people to
find out, from the trail that is kept beside the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from breach_response.deadlines import deadlines
from breach_response.incident import Incident, Step
from lambda_shared.clock import iso

OUTCOMES = {
    "done": "done",
    "none": "nothing to do",
    "dry-run": "dry run: would have been done, nothing was changed",
    "left-to-people": "NOT done: not one of the platform's own roles; a person must act",
    "failed": "FAILED: a person must act now",
}
NAMES = {"network": "Network isolation", "identity": "Role shut", "grants": "Key grants revoked"}
QUESTIONS = (
    "Was unsecured PHI acquired, accessed, used or disclosed? Encrypted PHI with safe keys is secured (164.402).",
    "The four factors of 164.402(2): nature of the PHI, who got it, was it really viewed, is the risk mitigated.",
    "How many people, and residents of which States? It decides who is told besides the individuals.",
    "Did law enforcement ask for a delay (164.412)?",
    "Write the decision down with its reasons and keep it for six years (164.414(b), 164.530(j)).",
)


def as_document(
    incident: Incident,
    steps: Sequence[Step],
    *,
    limit: datetime,
    notified_at: datetime | None,
    evidence_complete: bool,
    folder: str,
) -> dict[str, Any]:
    """The report as data, dates in ISO 8601."""
    return {
        "incident": incident.model_dump(mode="json", exclude={"interface_ids"}),
        "containment": [step.model_dump() for step in steps],
        "evidence": {"folder": folder, "complete": evidence_complete},
        "notification": {
            "due": iso(limit),
            "sent": iso(notified_at) if notified_at else None,
            "in_time": notified_at is not None and notified_at <= limit,
        },
        "deadlines": [
            {"who": one.who, "condition": one.condition, "rule": one.rule, "due": one.due.isoformat()}
            for one in deadlines(incident.discovered_at.date())
        ],
        "to_decide": list(QUESTIONS),
    }


def as_text(document: dict[str, Any]) -> str:
    """The report in Markdown."""
    incident, notification = document["incident"], document["notification"]
    lines = [
        f"# Incident {incident['incident_id']}",
        "",
        f"- Finding: `{incident['finding_type']}`, severity {incident['severity']:g} of 10, "
        f"on {incident['resource_type']} in {incident['account_id']}/{incident['region']}",
        f"- Discovered {incident['discovered_at']}, response began {incident['opened_at']}",
        f"- Mode: {'dry run, nothing was changed' if incident['dry_run'] else 'live'}",
        f"- Compliance list: {_told(notification)}",
        "",
        "## Containment",
        "",
        *(f"- {_sentence(Step.model_validate(step))}" for step in document["containment"]),
        "",
        "## Evidence",
        "",
        f"In `{document['evidence']['folder']}`, locked. "
        + ("Complete." if document["evidence"]["complete"] else "INCOMPLETE: collect by hand."),
        "",
        "## Deadlines, if this was a breach of unsecured PHI",
        "",
        "| tell | when | rule | at the latest |",
        "|---|---|---|---|",
        *(f"| {one['who']} | {one['condition']} | {one['rule']} | {one['due']} |" for one in document["deadlines"]),
        "",
        "## To decide",
        "",
        *(f"{number}. {question}" for number, question in enumerate(document["to_decide"], start=1)),
    ]
    return "\n".join(lines) + "\n"


def message(incident: Incident, steps: Sequence[Step], limit: datetime, report: str) -> tuple[str, str]:
    """Subject (fewer than 100 characters, as SNS wants) and text for the compliance list."""
    first = min(one.due for one in deadlines(incident.discovered_at.date()))
    subject = f"Security incident {incident.incident_id[:8]}, severity {incident.severity:g}"
    text = "\n".join(
        [
            f"GuardDuty reported {incident.finding_type} on {incident.resource_type}.",
            f"Incident {incident.incident_id}, discovered {iso(incident.discovered_at)}.",
            *(("This is a dry run: nothing was changed.",) if incident.dry_run else ()),
            *(_sentence(step) for step in steps),
            f"Report and evidence: {report}",
            f"You had to know by {iso(limit)}. Decide whether this was a breach of unsecured PHI; if it was, the first "
            f"legal deadline is {first.isoformat()} (45 CFR 164.404).",
        ]
    )
    return subject, text


def _told(notification: dict[str, Any]) -> str:
    if notification["sent"] is None:
        return f"NOT told; due {notification['due']}"
    return (
        f"told {notification['sent']}, {'in time' if notification['in_time'] else 'LATE'} (due {notification['due']})"
    )


def _sentence(step: Step) -> str:
    return f"{NAMES[step.action]}: {OUTCOMES[step.outcome]} ({step.count})."
