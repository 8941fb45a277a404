"""A breach drill: a finding about a role and a machine made for the drill, and what must have come of it.

On the local stack the finding is put on the bus as GuardDuty would put it. On AWS nobody but GuardDuty may use that
source: there the drill starts the state machine with the same event.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tools.drills import Drill

WAIT_SECONDS = 120
POLICY = "ShutByBreachResponse"


def run(drill: Drill) -> None:
    """The whole drill."""
    with _victim(drill) as (role, interface):
        finding = sample_finding(drill, role, interface)
        before = _executions(drill)
        _report_finding(drill, finding)
        first = _ended(drill, before)
        drill.expect("the response ends by itself", first["status"], good=first["status"] == "SUCCEEDED")
        _report_finding(drill, finding)  # GuardDuty renews a finding while it goes on
        second = _ended(drill, before | {first["executionArn"]})
        drill.expect("a renewal changes nothing", second["status"], good=second["status"] == "SUCCEEDED")
        _check_containment(drill, role, interface)
        _check_notification(drill, _check_records(drill, finding))


def sample_finding(drill: Drill, role: str, interface: str) -> dict[str, Any]:
    """A finding about stolen credentials of the role on a machine with the interface."""
    account = drill.outputs["breach_state_machine_arn"].split(":")[4]
    region = drill.outputs["breach_state_machine_arn"].split(":")[3]
    now = datetime.now(UTC)
    return {
        "schemaVersion": "2.0",
        "id": uuid.uuid4().hex,
        "accountId": account,
        "region": region,
        "type": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
        "severity": 8,
        "createdAt": now.isoformat(),
        "updatedAt": now.isoformat(),
        "resource": {
            "resourceType": "AccessKey",
            "accessKeyDetails": {"accessKeyId": "ASIADRILLDRILLDRILL0", "userType": "AssumedRole", "userName": role},
            "instanceDetails": {"networkInterfaces": [{"networkInterfaceId": interface}]},
        },
        "service": {"eventFirstSeen": (now - timedelta(hours=1)).isoformat(), "count": 1},
        "title": "Drill",
    }


@contextlib.contextmanager
def _victim(drill: Drill) -> Iterator[tuple[str, str]]:
    """A role of the stack without rights and an unattached interface, made for the drill and removed after it."""
    iam, ec2 = drill.client("iam"), drill.client("ec2")
    stack = drill.outputs["breach_state_machine_arn"].rsplit(":", 1)[1].removesuffix("breach-response")
    role = f"{stack}drill-{uuid.uuid4().hex[:8]}"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    subnet = next(
        item["SubnetId"]
        for item in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [drill.outputs["vpc_id"]]}])["Subnets"]
    )
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    try:
        yield role, interface
    finally:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role_policy(RoleName=role, PolicyName=POLICY)
        iam.delete_role(RoleName=role)


def _report_finding(drill: Drill, finding: dict[str, Any]) -> None:
    if "client_environment" in drill.outputs:
        entry = {"Source": "aws.guardduty", "DetailType": "GuardDuty Finding", "Detail": json.dumps(finding)}
        drill.client("events").put_events(Entries=[entry])
    else:
        event = {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": finding}
        drill.client("stepfunctions").start_execution(
            stateMachineArn=drill.outputs["breach_state_machine_arn"], input=json.dumps(event)
        )


def _executions(drill: Drill) -> set[str]:
    machine = drill.outputs["breach_state_machine_arn"]
    found = drill.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    return {item["executionArn"] for item in found}


def _ended(drill: Drill, known: set[str]) -> dict[str, Any]:
    """The new execution, once it has ended. Raises TimeoutError."""
    client, deadline = drill.client("stepfunctions"), time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for arn in _executions(drill) - known:
            found: dict[str, Any] = client.describe_execution(executionArn=arn)
            if found["status"] != "RUNNING":
                return found
        time.sleep(0.5)
    raise TimeoutError(f"no execution of {drill.outputs['breach_state_machine_arn']} ended in {WAIT_SECONDS} s")


def _check_containment(drill: Drill, role: str, interface: str) -> None:
    document = drill.client("iam").get_role_policy(RoleName=role, PolicyName=POLICY)["PolicyDocument"]
    statement = document["Statement"][0]
    shut = statement["Effect"] == "Deny" and "aws:TokenIssueTime" in statement["Condition"]["DateLessThan"]
    drill.expect("the role is shut", str(statement["Condition"]), good=shut)
    found = drill.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]
    groups = [group["GroupId"] for group in found["Groups"]]
    drill.expect("the interface is cut off", ", ".join(groups), good=groups == [drill.outputs["quarantine_group_id"]])


def _check_records(drill: Drill, finding: dict[str, Any]) -> str:
    """Evidence, lock, deadlines; answers the incident's id."""
    s3, bucket = drill.client("s3"), drill.outputs["audit_bucket"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="incidents/")
    keys = {item["Key"] for page in pages for item in page.get("Contents", [])}
    folder = next(
        key.rsplit("/", 1)[0]
        for key in keys
        if key.endswith("/finding.json")
        and finding["id"].encode() in s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    )
    names = {key.rsplit("/", 1)[1] for key in keys if key.startswith(folder)}
    wanted = {"finding.json", "incident.json", "role.json", "network-before.json", "trail.json.gz", "report.json"}
    drill.expect("the evidence is there", ", ".join(sorted(names)), good=wanted <= names)
    events = json.loads(gzip.decompress(s3.get_object(Bucket=bucket, Key=f"{folder}/trail.json.gz")["Body"].read()))
    drill.expect("the trail was read", f"{len(events['events'])} events by {events['attribute']}", good=True)
    head = s3.head_object(Bucket=bucket, Key=f"{folder}/report.json")
    until = head.get("ObjectLockRetainUntilDate")
    drill.expect("the report is locked", f"{head.get('ObjectLockMode')} until {until}", good=until is not None)
    _check_lock(drill, bucket, f"{folder}/report.json", head["VersionId"])
    report = json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/report.json")["Body"].read())
    discovered = datetime.fromisoformat(report["incident"]["discovered_at"]).date()
    due = {one["rule"]: date.fromisoformat(one["due"]) for one in report["deadlines"]}
    right = due["45 CFR 164.404(b)"] - discovered == timedelta(days=60)
    drill.expect("the deadlines are the rule's", f"individuals by {due['45 CFR 164.404(b)']}", good=right)
    drill.expect("the list was told in time", str(report["notification"]), good=report["notification"]["in_time"])
    return str(report["incident"]["incident_id"])


def _check_lock(drill: Drill, bucket: str, key: str, version: str) -> None:
    try:
        drill.client("s3").delete_object(Bucket=bucket, Key=key, VersionId=version)
    except ClientError as error:
        drill.expect("nobody deletes it", str(error.response["Error"]["Code"]), good=True)
    else:
        drill.expect("nobody deletes it", "it was deleted", good=False)


def _check_notification(drill: Drill, incident: str) -> None:
    inbox = drill.outputs.get("compliance_inbox_url")
    if not inbox:
        return  # on AWS the list is people: ask them
    sqs, texts = drill.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for item in messages:
            texts.append(json.loads(item["Body"])["Message"])
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=item["ReceiptHandle"])
    of_ours = [text for text in texts if incident in text]
    drill.expect("the compliance list was told once", f"{len(of_ours)} message(s)", good=len(of_ours) == 1)
