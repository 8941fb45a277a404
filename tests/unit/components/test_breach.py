"""Breach response as infrastructure: what starts it, what it may do, what it may never do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components._base import Context
from components._configuration import SecuritySettings
from components._workload import Workload
from components.boundary import PROTECTED_ROLES, boundary_document, responder_document
from components.breach_function import MACHINE_ROLE, ROLE, START_ROLE, protected_roles
from components.breach_response import FINDING_RULE, BreachResponse, BreachResponseArgs
from components.breach_workflow import POLICY_NAME, definition
from components.function import FunctionSize

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


@pytest.fixture
def program(workload: Workload) -> Any:
    """Breach response with one person on the compliance list and an inbox."""

    def run() -> dict[str, Any]:
        made = BreachResponse(
            "breach",
            BreachResponseArgs(
                workload=workload,
                responder_boundary_arn="arn:aws:iam::111122223333:policy/responder-boundary",
                vpc_id="vpc-1",
                audit_bucket_name="audit",
                audit_bucket_arn="arn:aws:s3:::audit",
                alerts_topic_arn="arn:aws:sns:us-east-1:111122223333:alerts",
                security=SecuritySettings(compliance_emails=("officer@example.org",)),
                size=FunctionSize(memory_mb=512, timeout_seconds=300, reserved_concurrency=5),
                compliance_inbox=True,
            ),
        )
        return {"arn": made.state_machine_arn, "inbox": made.inbox_url}

    return run


def test_a_severe_finding_starts_the_machine_and_a_mild_one_does_not(record: Any, program: Any, preview: bool) -> None:
    rule = record(program, preview=preview).one("aws:cloudwatch/eventRule:EventRule", f"breach-{FINDING_RULE}")
    pattern = json.loads(rule.inputs["eventPattern"])
    assert pattern["source"] == ["aws.guardduty"]
    assert pattern["detail"]["severity"] == [{"numeric": [">=", 7.0]}]


def test_the_quarantine_group_has_no_rule(record: Any, program: Any) -> None:
    recording = record(program)
    group = recording.one("aws:ec2/securityGroup:SecurityGroup").inputs
    assert not group.get("ingress")
    assert not group.get("egress")
    assert not recording.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")


def test_every_role_has_the_responders_boundary(record: Any, program: Any) -> None:
    roles = record(program).of("aws:iam/role:Role")
    assert {role.inputs["name"].rsplit("test-", 1)[1] for role in roles} == {ROLE, MACHINE_ROLE, START_ROLE}
    assert all(role.inputs["permissionsBoundary"].endswith("responder-boundary") for role in roles)


def test_the_machine_shuts_roles_of_the_stack_but_never_the_responders(
    record: Any, program: Any, context: Context
) -> None:
    statements = record(program).policy("aws:iam/rolePolicy:RolePolicy", "breach-machine-role-policy")
    assert statements["ShutRoles"]["Resource"] == ["arn:aws:iam::111122223333:role/healthcare-imaging-mlops-test-*"]
    denied = statements["NeverShutResponders"]
    assert denied["Effect"] == "Deny"
    assert {arn.rsplit("/", 1)[1] for arn in denied["Resource"]} == set(protected_roles(context))


def test_the_function_moves_interfaces_into_the_quarantine_group_alone(record: Any, program: Any) -> None:
    statements = record(program).policy("aws:iam/rolePolicy:RolePolicy", "breach-function-role-policy")
    (group,) = [arn for arn in statements["CutOff"]["Resource"] if ":security-group/" in arn]
    assert group.rsplit("/", 1)[1].startswith("sg-"), "one group, not any"
    denied = statements["DenyNetworkInterfacesToTheCode"]["Action"]
    assert "ec2:DescribeNetworkInterfaces" not in denied, "the code asks for it"
    assert "ec2:CreateNetworkInterface" in denied


def test_an_execution_that_needs_people_sounds_at_the_compliance_list_too(record: Any, program: Any) -> None:
    alarm = record(program).one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs
    assert alarm["metricName"] == "ExecutionsFailed"
    assert len(alarm["alarmActions"]) == 2


def test_everybody_on_the_list_is_subscribed(record: Any, program: Any) -> None:
    protocols = [one.inputs["protocol"] for one in record(program).of("aws:sns/topicSubscription:TopicSubscription")]
    assert sorted(protocols) == ["email", "sqs"]


def states(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All states by name, those of branches too."""
    found = dict(document["States"])
    for state in document["States"].values():
        for branch in state.get("Branches", []):
            found |= states(branch)
    return found


def test_no_failure_keeps_the_compliance_list_from_being_told() -> None:
    found = states(definition(FUNCTION))
    for name in ("Network", "ShutRole", "Grants", "DescribeRole", "Collect", "Notify"):
        assert found[name]["Catch"][0]["ErrorEquals"] == ["States.ALL"], name
    assert found["EvidenceIncomplete"]["Next"] == "Notify"
    assert found["NotTold"]["Next"] == "Report"


def test_telling_is_tried_for_most_of_a_day() -> None:
    (retry,) = states(definition(FUNCTION))["Notify"]["Retry"]
    waited, delay = 0.0, float(retry["IntervalSeconds"])
    for _ in range(retry["MaxAttempts"]):
        waited += min(delay, retry["MaxDelaySeconds"])
        delay *= retry["BackoffRate"]
    assert 12 * 3600 < waited < 24 * 3600


def test_every_state_that_is_named_exists() -> None:
    def check(document: dict[str, Any]) -> None:
        own = document["States"]
        named = {document["StartAt"]}
        for state in own.values():
            named |= {state[key] for key in ("Next", "Default") if key in state}
            named |= {entry["Next"] for key in ("Choices", "Catch") for entry in state.get(key, [])}
            for branch in state.get("Branches", []):
                check(branch)
        assert named <= set(own)
        assert named == set(own), "a state that nothing leads to"

    check(definition(FUNCTION))


def test_the_policy_that_shuts_a_role_has_one_name_to_look_for() -> None:
    assert states(definition(FUNCTION))["ShutRole"]["Parameters"]["PolicyName"] == POLICY_NAME


def test_the_responders_boundary_lets_them_shut_roles_which_no_workload_may(context: Context) -> None:
    workload = json.loads(boundary_document(context))["Statement"]
    denied = [action for one in workload if one["Effect"] == "Deny" for action in one["Action"]]
    assert "iam:Put*" in denied
    responder = {one["Sid"]: one for one in json.loads(responder_document(context))["Statement"]}
    assert "iam:PutRolePolicy" in responder["Respond"]["Action"]
    assert all(
        any(arn.endswith(f"{start}*") for arn in responder["NeverOpenOrShutOneself"]["Resource"])
        for start in PROTECTED_ROLES
    )
    allowed = {action.split(":")[0] for action in responder["Respond"]["Action"]}
    assert not allowed & {"dynamodb", "medical-imaging", "secretsmanager", "sagemaker"}, "responders read no PHI"


def test_the_protected_roles_begin_as_the_boundary_says() -> None:
    for role in (ROLE, MACHINE_ROLE, START_ROLE):
        assert role.startswith(PROTECTED_ROLES)
