"""The state machine `breach-response` as an Amazon States Language document, built without any AWS call.

A finding is opened, contained in three ways at once, its evidence kept, the compliance list told, a report written.
No step's failure keeps a later one from running: a network that could not be cut is told and reported all the same,
and the execution then fails so that an alarm sounds. The function's parts run inside the VPC; the one call of IAM is
the state machine's own, because IAM has an endpoint in a VPC in one region only.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam_vpc_endpoint_create.html
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from components.ingestion_workflow import THROTTLED, TRANSIENT_ERRORS

State = dict[str, Any]
Operation = Literal["open", "isolate-network", "revoke-grants", "collect", "notify", "report"]

POLICY_NAME: Final = "ShutByBreachResponse"
"""Inline policy that shuts a role; deleting it opens the role again."""
ANSWERS: Final = {
    "$.incident": (
        "incident_id",
        "reported",
        "contain_role",
        "role_outcome",
        "describe_role",
        "role_name",
        "role_policy",
    ),
    "$.evidence": ("complete",),
    "$.notification": ("notified_at", "in_time"),
    "$.report": ("complete", "open"),
}
"""Where the function's answers are kept in the execution's state, and which of their fields."""
TASK_SECONDS: Final = 330
NOTIFY_TRIES: Final = 20
NOTIFY_DELAY_SECONDS: Final = 3600
"""Half a minute, doubling to an hour: a topic that cannot be reached is tried for most of a day."""


def definition(function_arn: str) -> dict[str, Any]:
    """The whole document; `function_arn` is the BreachResponse function, which does every operation."""
    return {
        "Comment": "Contain, keep the evidence, tell the compliance list, report; no PHI in a finding.",
        "StartAt": "Open",
        "States": {
            "Open": _task(function_arn, "open", {"finding.$": "$.detail"}, result="$.incident", following="Known"),
            "Known": _choice("$.incident.reported", "Done", "Contain"),
            "Contain": _contain(function_arn),
            **_role_evidence(),
            "Collect": _task(
                function_arn,
                "collect",
                {"incident_id.$": "$.incident.incident_id", "role.$": "$.role"},
                result="$.evidence",
                following="Notify",
                caught="EvidenceIncomplete",
            ),
            "EvidenceIncomplete": _pass({"complete": False}, "$.evidence", "Notify"),
            "Notify": _task(
                function_arn,
                "notify",
                {"incident_id.$": "$.incident.incident_id", "containment.$": "$.containment"},
                result="$.notification",
                following="Report",
                caught="NotTold",
                patient=True,
            ),
            "NotTold": _pass({"notified_at": None}, "$.notification", "Report"),
            "Report": _task(
                function_arn,
                "report",
                {
                    "incident_id.$": "$.incident.incident_id",
                    "containment.$": "$.containment",
                    "notified_at.$": "$.notification.notified_at",
                    "evidence_complete.$": "$.evidence.complete",
                },
                result="$.report",
                following="Complete",
            ),
            "Complete": _choice("$.report.complete", "Done", "NeedsPeople"),
            "NeedsPeople": {
                "Type": "Fail",
                "Error": "IncidentNeedsPeople",
                "Cause": "A part of the response could not be done by itself: the report says which.",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def definition_json(function_arn: str) -> str:
    """`definition` as compact text with sorted keys, so that an unchanged machine shows no difference."""
    return json.dumps(definition(function_arn), sort_keys=True, separators=(",", ":"))


def _contain(function_arn: str) -> State:
    branches = (
        _step_branch(function_arn, "network", "isolate-network"),
        _identity_branch(),
        _step_branch(function_arn, "grants", "revoke-grants"),
    )
    return {"Type": "Parallel", "Branches": list(branches), "ResultPath": "$.containment", "Next": "RoleToDescribe"}


def _step_branch(function_arn: str, action: str, operation: Operation) -> State:
    name, failed = action.capitalize(), f"{action.capitalize()}Failed"
    task = _task(function_arn, operation, {"incident_id.$": "$.incident.incident_id"}, result="$", caught=failed)
    return {"StartAt": name, "States": {name: task, failed: _outcome(action, "failed")}}


def _identity_branch() -> State:
    """Shuts the role by an inline policy that denies every session issued before the release time."""
    return {
        "StartAt": "RoleToShut",
        "States": {
            "RoleToShut": _choice("$.incident.contain_role", "ShutRole", "RoleLeft"),
            "ShutRole": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:iam:putRolePolicy",
                "Parameters": {
                    "RoleName.$": "$.incident.role_name",
                    "PolicyName": POLICY_NAME,
                    "PolicyDocument.$": "$.incident.role_policy",
                },
                "Retry": [_retry(["Iam.ServiceFailureException", "Iam.ConcurrentModificationException"])],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "RoleFailed"}],
                "Next": "RoleShut",
            },
            "RoleShut": _outcome("identity", "done", 1),
            "RoleFailed": _outcome("identity", "failed"),
            "RoleLeft": {
                "Type": "Pass",
                "Parameters": {"action": "identity", "outcome.$": "$.incident.role_outcome", "count": 0},
                "End": True,
            },
        },
    }


def _role_evidence() -> dict[str, State]:
    return {
        "RoleToDescribe": _choice("$.incident.describe_role", "DescribeRole", "NoRole"),
        "DescribeRole": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:iam:getRole",
            "Parameters": {"RoleName.$": "$.incident.role_name"},
            "ResultSelector": {"role.$": "$.Role"},
            "ResultPath": "$.role",
            "Retry": [_retry(["Iam.ServiceFailureException"])],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "NoRole"}],
            "Next": "Collect",
        },
        "NoRole": _pass({}, "$.role", "Collect"),
    }


def _task(
    function_arn: str,
    operation: Operation,
    payload: dict[str, str],
    *,
    result: str,
    following: str | None = None,
    caught: str | None = None,
    patient: bool = False,
) -> State:
    """One call of the function; without `following` it ends its branch."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function_arn, "Payload": {"operation": operation, **payload}},
        "TimeoutSeconds": TASK_SECONDS,
        **({"OutputPath": "$.Payload"} if result == "$" else _kept(result)),
        "Retry": [_retry([THROTTLED, *TRANSIENT_ERRORS], patient=patient)],
        **({"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": caught}]} if caught else {}),
        **({"Next": following} if following else {"End": True}),
    }


def _kept(place: str) -> State:
    """The answer's fields alone, without what the service says around them."""
    return {"ResultSelector": {f"{name}.$": f"$.Payload.{name}" for name in ANSWERS[place]}, "ResultPath": place}


def _retry(errors: list[str], *, patient: bool = False) -> State:
    if patient:
        delays = {"IntervalSeconds": 30, "MaxAttempts": NOTIFY_TRIES, "MaxDelaySeconds": NOTIFY_DELAY_SECONDS}
    else:
        delays = {"IntervalSeconds": 2, "MaxAttempts": 5}
    return {"ErrorEquals": errors, "BackoffRate": 2.0, **delays}


def _choice(variable: str, when_true: str, otherwise: str) -> State:
    return {
        "Type": "Choice",
        "Choices": [{"Variable": variable, "BooleanEquals": True, "Next": when_true}],
        "Default": otherwise,
    }


def _outcome(action: str, outcome: str, count: int = 0) -> State:
    return {"Type": "Pass", "Result": {"action": action, "outcome": outcome, "count": count}, "End": True}


def _pass(result: dict[str, Any], place: str, following: str) -> State:
    return {"Type": "Pass", "Result": result, "ResultPath": place, "Next": following}
