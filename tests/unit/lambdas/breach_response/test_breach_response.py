"""A finding is contained, kept, told and reported once, however often it arrives and whatever fails."""

from __future__ import annotations

import copy
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

import breach_response.handler as entry
from breach_response.adapters import MAX_EVENTS, CloudTrail, Ec2Network, KmsGrants, S3Records
from breach_response.findings import Finding
from breach_response.incident import Step
from breach_response.ports import Grant
from breach_response.service import BreachResponse
from lambda_shared.errors import InvalidEventError, NotFoundError

SAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "guardduty_finding.json").read_text(encoding="utf-8")
)
ROLE = "proj-local-image-ingestion"
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r"
)  # of the Lambda runtime
DONE = [Step(action="network", outcome="done", count=1), Step(action="identity", outcome="done", count=1)]


def finding(role: str = ROLE, **changes: Any) -> dict[str, Any]:
    """The sample finding about a role of ours."""
    detail = copy.deepcopy(SAMPLE)
    detail["resource"]["accessKeyDetails"]["userName"] = role
    return {**detail, **changes}


@dataclass
class Surroundings:
    """All ports, remembered."""

    files: dict[str, bytes] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=lambda: {"eni-0abc1234def567890": "sg-open"})
    grants: list[Grant] = field(default_factory=lambda: [Grant(key_arn="key", grant_id="g1", operations=("Decrypt",))])
    told: list[tuple[str, str]] = field(default_factory=list)
    looked_up: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, incident_id: str, name: str, content: bytes) -> bool:
        fresh = f"{incident_id}/{name}" not in self.files
        self.files.setdefault(f"{incident_id}/{name}", content)
        return fresh

    def read(self, incident_id: str, name: str) -> bytes:
        if f"{incident_id}/{name}" not in self.files:
            raise NotFoundError("NO_RECORD", name)
        return self.files[f"{incident_id}/{name}"]

    def address(self, incident_id: str, name: str) -> str:
        return f"s3://audit/incidents/{incident_id}/{name}"

    def describe(self, interface_ids: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"interface": one, "groups": [self.groups[one]]} for one in interface_ids if one in self.groups]

    def quarantine(self, interface_id: str) -> None:
        self.groups[interface_id] = "sg-quarantine"

    def of_principal(self, principal_arn: str) -> list[Grant]:
        assert principal_arn == f"arn:aws:iam::111122223333:role/{ROLE}"
        return list(self.grants)

    def revoke(self, grant: Grant) -> None:
        self.grants.remove(grant)

    def events(self, *wanted: Any) -> list[dict[str, Any]]:
        self.looked_up.append(wanted)
        return [{"eventName": "GetObject"}]

    def tell(self, subject: str, message: str) -> None:
        self.told.append((subject, message))


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def respond(around: Surroundings, clock: Any) -> Any:
    """`respond(**changes)`: the service over the surroundings."""
    clock.moment = datetime(2026, 11, 20, 23, 20, tzinfo=UTC)

    def make(**changes: Any) -> BreachResponse:
        values: dict[str, Any] = {
            "records": around,
            "network": around,
            "grants": around,
            "trail": around,
            "compliance": around,
            "clock": clock,
            "role_prefix": "proj-local-",
            "protected_roles": frozenset({"proj-local-breach-response", "proj-local-break-glass"}),
            "dry_run": False,
            "quarantine_hours": 24,
            "notify_hours": 24,
        }
        return BreachResponse(**{**values, **changes})

    return make


def opened(response: BreachResponse, detail: dict[str, Any]) -> dict[str, Any]:
    """The first step's answer."""
    return response.open(detail, Finding.model_validate(detail))


def test_opening_writes_the_finding_down_and_decides_to_shut_the_role(respond: Any, around: Surroundings) -> None:
    detail = finding()
    answer = opened(respond(), detail)
    assert answer["contain_role"]
    assert not answer["reported"]
    assert json.loads(around.read(answer["incident_id"], "finding.json")) == detail
    (statement,) = json.loads(answer["role_policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"DateLessThan": {"aws:TokenIssueTime": "2026-11-21T23:20:00Z"}}


def test_a_renewed_finding_is_the_same_incident_with_the_first_decision(respond: Any, clock: Any) -> None:
    first = opened(respond(), finding())
    clock.forward(3600)
    again = opened(respond(dry_run=True), finding(severity=9, updatedAt="2026-11-21T00:15:00Z"))
    assert again == first, "a renewal must not open the role again nor move its release time"


def test_a_reported_incident_is_over(respond: Any) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    response.report(incident, DONE, "2026-11-20T23:25:00Z", evidence_complete=True)
    assert opened(response, finding())["reported"]


@pytest.mark.parametrize(
    ("role", "outcome"),
    [
        ("somebody-elses-role", "left-to-people"),
        ("proj-local-break-glass", "left-to-people"),
        ("proj-local-breach-response", "left-to-people"),
        (ROLE, "to-do"),
    ],
)
def test_only_the_stacks_own_workload_roles_are_shut(respond: Any, role: str, outcome: str) -> None:
    answer = opened(respond(), finding(role))
    assert answer["role_outcome"] == outcome
    assert answer["contain_role"] == (outcome == "to-do")


def test_a_users_key_is_left_to_people_and_a_finding_without_identity_needs_none(respond: Any) -> None:
    detail = finding()
    detail["resource"]["accessKeyDetails"]["userType"] = "IAMUser"
    assert opened(respond(), detail)["role_outcome"] == "left-to-people"
    del detail["resource"]["accessKeyDetails"]
    assert opened(respond(), {**detail, "id": "other"})["role_outcome"] == "none"


def test_the_role_of_a_function_is_found_by_its_arn(respond: Any) -> None:
    detail = finding(id="function")
    detail["resource"] = {
        "resourceType": "Lambda",
        "lambdaDetails": {"role": f"arn:aws:iam::111122223333:role/{ROLE}"},
    }
    assert opened(respond(), detail)["role_name"] == ROLE


@pytest.mark.parametrize("sample", [False, True], ids=["by-config", "guardduty-sample"])
def test_a_dry_run_says_what_it_would_do_and_changes_nothing(respond: Any, around: Surroundings, sample: bool) -> None:
    detail = finding()
    detail["service"]["additionalInfo"] = {"sample": sample}
    response = respond(dry_run=not sample)
    answer = opened(response, detail)
    assert answer["role_outcome"] == "dry-run"
    incident = answer["incident_id"]
    assert response.isolate_network(incident) == {"action": "network", "outcome": "dry-run", "count": 1}
    assert response.revoke_grants(incident) == {"action": "grants", "outcome": "dry-run", "count": 1}
    assert around.groups == {"eni-0abc1234def567890": "sg-open"}
    assert len(around.grants) == 1


def test_containment_cuts_off_and_revokes_and_keeps_what_was(respond: Any, around: Surroundings) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    assert response.isolate_network(incident)["outcome"] == "done"
    assert response.revoke_grants(incident)["outcome"] == "done"
    assert around.groups == {"eni-0abc1234def567890": "sg-quarantine"}
    assert around.grants == []
    response.isolate_network(incident)  # a second try
    before = json.loads(around.read(incident, "network-before.json"))
    assert before[0]["groups"] == ["sg-open"], "the second try must not overwrite what was found"


def test_grants_of_a_role_that_is_not_ours_are_left_alone(respond: Any, around: Surroundings) -> None:
    response = respond()
    incident = opened(response, finding("somebody-elses-role"))["incident_id"]
    assert response.revoke_grants(incident)["outcome"] == "none"
    assert len(around.grants) == 1


def test_evidence_holds_the_role_and_the_actors_doings_from_a_day_before(respond: Any, around: Surroundings) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    assert response.collect(incident, {"role": {"Arn": "arn"}}) == {"complete": True, "trail_events": 1}
    attribute, value, since, until = around.looked_up[0]
    assert (attribute, value) == ("AccessKeyId", "ASIAEXAMPLEEXAMPLE00")
    assert since == datetime(2026, 11, 19, 22, 10, tzinfo=UTC)
    assert until == datetime(2026, 11, 20, 23, 20, tzinfo=UTC)
    kept = json.loads(gzip.decompress(around.read(incident, "trail.json.gz")))
    assert kept["events"] == [{"eventName": "GetObject"}]
    assert json.loads(around.read(incident, "role.json"))["role"]["Arn"] == "arn"


def test_the_compliance_list_is_told_in_time_what_was_done_and_by_when_to_decide(
    respond: Any, around: Surroundings
) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    answer = response.notify(incident, [*DONE, Step(action="grants", outcome="failed")])
    assert answer["in_time"]
    ((subject, text),) = around.told
    assert len(subject) < 100
    assert "Key grants revoked: FAILED" in text
    assert "2027-01-19" in text, "sixty days after the discovery on 20 November"
    assert f"incidents/{incident}/report.md" in text
    assert ROLE not in text, "the list is mailed: details stay in the bucket"


def test_a_late_notification_says_so(respond: Any, clock: Any) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    clock.forward(25 * 3600)
    assert not response.notify(incident, DONE)["in_time"]


@pytest.mark.parametrize(
    ("steps", "told", "evidence", "complete"),
    [
        (DONE, "2026-11-20T23:25:00Z", True, True),
        ([Step(action="network", outcome="failed")], "2026-11-20T23:25:00Z", True, False),
        ([Step(action="identity", outcome="left-to-people")], "2026-11-20T23:25:00Z", True, False),
        (DONE, None, True, False),
        (DONE, "2026-11-20T23:25:00Z", False, False),
    ],
    ids=["all-done", "network-failed", "foreign-role", "nobody-told", "evidence-missing"],
)
def test_a_report_is_complete_only_when_nothing_is_left_to_people(
    respond: Any, steps: list[Step], told: str | None, evidence: bool, complete: bool
) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    assert response.report(incident, steps, told, evidence_complete=evidence)["complete"] == complete


def test_the_report_names_every_deadline_with_its_rule(respond: Any, around: Surroundings) -> None:
    response = respond()
    incident = opened(response, finding())["incident_id"]
    response.report(incident, DONE, "2026-11-20T23:25:00Z", evidence_complete=True)
    text = around.read(incident, "report.md").decode()
    for rule in ("164.404(b)", "164.406(b)", "164.408(b)", "164.408(c)", "164.410(b)", "164.402(2)", "164.414(b)"):
        assert rule in text
    document = json.loads(around.read(incident, "report.json"))
    assert {one["due"] for one in document["deadlines"]} == {"2027-01-19", "2027-03-01"}
    assert document["notification"]["in_time"]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"id": ""},
        {"severity": 11},
        {"accountId": "x"},
        {"resource": {"instanceDetails": {"networkInterfaces": [{"networkInterfaceId": "eni-../x"}]}}},
    ],
    ids=["no-id", "severity", "account", "interface"],
)
def test_a_malformed_finding_is_refused_by_its_places_alone(spoiled: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError) as caught:
        entry.handler({"operation": "open", "finding": finding(**spoiled)}, CONTEXT)
    assert ROLE not in str(caught.value)


def test_records_are_written_once(cloud: None) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="audit")
    records = S3Records(client, "audit")
    assert records.add("i", "report.json", b"first")
    assert not records.add("i", "report.json", b"second")
    assert records.read("i", "report.json") == b"first"
    with pytest.raises(NotFoundError):
        records.read("i", "report.md")


def test_an_interface_moves_into_quarantine_and_one_that_is_gone_is_skipped(cloud: None) -> None:
    client = boto3.client("ec2")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = client.create_security_group(GroupName="q", Description="q", VpcId=vpc)["GroupId"]
    interface = client.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    network = Ec2Network(client, group)
    network.quarantine(interface)
    found = network.describe((interface, "eni-0000000000000dead"))
    assert [(one["interface"], one["groups"]) for one in found] == [(interface, [group])]


def test_grants_are_found_by_principal_over_all_keys_and_ended(cloud: None) -> None:
    client = boto3.client("kms")
    keys = tuple(client.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    principal = f"arn:aws:iam::111122223333:role/{ROLE}"
    for key in keys:
        client.create_grant(KeyId=key, GranteePrincipal=principal, Operations=["Decrypt"])
        client.create_grant(KeyId=key, GranteePrincipal=f"{principal}-2", Operations=["Decrypt"])
    grants = KmsGrants(client, keys)
    found = grants.of_principal(principal)
    assert {grant.key_arn for grant in found} == set(keys)
    for grant in found:
        grants.revoke(grant)
    assert grants.of_principal(principal) == []
    assert len(grants.of_principal(f"{principal}-2")) == 2


class FakeCloudTrail:
    """Endless pages of fifty."""

    def lookup_events(self, **request: Any) -> dict[str, Any]:
        assert request["LookupAttributes"] == [{"AttributeKey": "AccessKeyId", "AttributeValue": "A"}]
        return {"Events": [{"CloudTrailEvent": '{"eventName": "x"}'}] * 50, "NextToken": "more"}


def test_the_trail_slice_has_an_end() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert len(CloudTrail(FakeCloudTrail()).events("AccessKeyId", "A", now, now)) == MAX_EVENTS


def test_the_handler_goes_all_the_way_over_real_clients(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3").create_bucket(Bucket="audit")
    topic = boto3.client("sns").create_topic(Name="compliance")["TopicArn"]
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    values = {
        "AUDIT_BUCKET": "audit",
        "COMPLIANCE_TOPIC_ARN": topic,
        "QUARANTINE_GROUP_ID": "sg-1",
        "KEY_ARNS": key,
        "ROLE_PREFIX": "proj-local-",
        "PROTECTED_ROLES": "proj-local-breach-response",
        "DRY_RUN": "false",
        "QUARANTINE_HOURS": "24",
        "NOTIFY_HOURS": "24",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    entry.response.cache_clear()
    detail = finding()
    detail["resource"].pop("instanceDetails")
    incident = entry.handler({"operation": "open", "finding": detail}, CONTEXT)["incident_id"]
    steps = [
        entry.handler({"operation": operation, "incident_id": incident}, CONTEXT)
        for operation in ("isolate-network", "revoke-grants")
    ]
    assert [step["outcome"] for step in steps] == ["none", "none"]
    told = entry.handler({"operation": "notify", "incident_id": incident, "containment": steps}, CONTEXT)
    answer = entry.handler(
        {
            "operation": "report",
            "incident_id": incident,
            "containment": steps,
            "notified_at": told["notified_at"],
            "evidence_complete": True,
        },
        CONTEXT,
    )
    entry.response.cache_clear()
    assert answer == {"complete": True, "open": []}
