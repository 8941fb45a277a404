"""The console page: what it tells of one image, of rights and of resources, and what it never shows."""

# ruff: noqa: N803  (names of boto3)
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from starlette.testclient import TestClient

from operations.console import measures, rights, trail
from operations.console.resources import by_component, read_state
from operations.console.server import Console

PREFIX = "healthcare-imaging-mlops-prod"
OBJECT, STUDY = "0b" * 16, "5c" * 16
NAME = "upload/of-a-person.dcm"
ROLE = f"{PREFIX}-image-ingestion"
ITEM = {
    **{"object_id": OBJECT, "upload_key": NAME, "status": "IMPORTED", "deid_status": "DEIDENTIFIED", "modality": "CT"},
    **{"study_key": STUDY, "datastore_id": "d", "image_set_id": "i", "import_job_id": "j", "reason": "FREE TEXT"},
    **{"received_at": "2026-11-22T10:00:00+00:00", "validated_at": "2026-11-22T10:00:05+00:00"},
    "updated_at": "2026-11-22T10:00:40+00:00",
}
STATE = {
    "checkpoint": {
        "latest": {
            "resources": [
                {"urn": "urn:pulumi:prod::p::pulumi:pulumi:Stack::s", "type": "pulumi:pulumi:Stack", "custom": False},
                {
                    "urn": "urn:pulumi:prod::p::imaging:storage:Storage$imaging:storage:Zone$aws:s3/bucket:Bucket::b",
                    "type": "aws:s3/bucket:Bucket",
                    "custom": True,
                    "id": "the-bucket",
                    "inputs": {"password": "SENTINEL"},
                },
                {
                    "urn": "urn:pulumi:prod::p::aws:sqs/queue:Queue::q",
                    "type": "aws:sqs/queue:Queue",
                    "custom": True,
                    "id": "the-queue",
                },
            ]
        }
    }
}


def allow(sid: str, action: str, resource: str, **conditions: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, "Condition": conditions}


OUTPUT = json.dumps({"outcomes": ["refused", "queued"]})
DENY = {"Sid": "NeverKeys", "Effect": "Deny", "Action": ["kms:*"], "Resource": "*"}
TLS = {
    "Sid": "OnlyTls", "Effect": "Deny", "NotAction": "sts:*", "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}  # fmt: skip


class Archive:
    """HealthImaging, as far as the trail asks; moto has none."""

    def get_dicom_import_job(self, datastoreId: str, jobId: str) -> Any:
        at = datetime(2026, 11, 22, 10, 0, 20, tzinfo=UTC)
        return {"jobProperties": {"jobId": jobId, "submittedAt": at, "jobStatus": "COMPLETED", "endedAt": at}}

    def get_image_set(self, **_: str) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": NAME}}, "GetImageSet")


class Machines:
    """Step Functions with one execution of two objects; moto runs none."""

    def __init__(self) -> None:
        self.meta = type("meta", (), {"region_name": "us-east-1"})

    def get_paginator(self, operation: str) -> Any:
        answer = {
            "list_executions": {"executions": [{"executionArn": "a", "name": "n1", "startDate": _at(2)}]},
            "get_execution_history": {"events": list(_history())},
            "list_state_machines": {"stateMachines": []},
        }[operation]
        return type("Pages", (), {"paginate": lambda *_, **__: [answer]})()

    def describe_execution(self, executionArn: str) -> Any:
        given = json.dumps({"objects": [{"key": "upload/other"}, {"key": NAME}]})
        return {"startDate": _at(2), "stopDate": _at(15), "status": "SUCCEEDED", "input": given, "output": OUTPUT}


def _at(second: int) -> datetime:
    return datetime(2026, 11, 22, 10, 0, second, tzinfo=UTC)


def _history() -> Iterator[dict[str, Any]]:
    """Two iterations whose events are interleaved: each names the event before it."""
    yield {"id": 1, "type": "MapStateStarted", "timestamp": _at(2)}
    for index in (0, 1):
        yield {
            "id": 2 + index, "type": "MapIterationStarted", "previousEventId": 1, "timestamp": _at(3),
            "mapIterationStartedEventDetails": {"index": index},
        }  # fmt: skip
    for number, (before, name) in enumerate([(2, "Quarantine"), (3, "Validate"), (5, "Deidentify")], 4):
        yield {
            "id": number, "type": "TaskStateEntered", "previousEventId": before, "timestamp": _at(number),
            "stateEnteredEventDetails": {"name": name},
        }  # fmt: skip
    yield {"id": 7, "type": "MapIterationSucceeded", "previousEventId": 6, "timestamp": _at(9)}


@pytest.fixture(scope="module")
def clients() -> Iterator[Callable[[str], Any]]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        _tables()
        _role()
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=f"{PREFIX}-training-data-123456789012")
        s3.put_object(Bucket=f"{PREFIX}-training-data-123456789012", Key=NAME, Body=b"abc")
        others = {"medical-imaging": Archive(), "stepfunctions": Machines()}
        made = cache(boto3.client)
        yield lambda service: others.get(service) or made(service)


def _tables() -> None:
    rows: dict[str, list[dict[str, str]]] = {
        "image-tracking": [ITEM],
        "labels": [
            {"study_key": STUDY, "version": "1", "finding": "normal", "state": "VERIFIED", "notes": "FREE TEXT",
             "created_at": "2026-11-22T11:00:00+00:00"}
        ],
        "training-runs": [
            {"pipeline_name": f"{PREFIX}-training", "created_at": f"2026-11-22T{hour}:00:00+00:00", "study_count": "48",
             "status": "STARTED"}
            for hour in ("09", "12")
        ],
    }  # fmt: skip
    keys = {
        "image-tracking": ["object_id"],
        "labels": ["study_key", "version"],
        "training-runs": ["pipeline_name", "created_at"],
    }
    for name, items in rows.items():
        boto3.client("dynamodb").create_table(
            TableName=f"{PREFIX}-{name}",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys[name]],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys[name], ("HASH", "RANGE"), strict=False)
            ],
        )
        for item in items:
            boto3.resource("dynamodb").Table(f"{PREFIX}-{name}").put_item(Item=item)


def _role() -> None:
    iam = boto3.client("iam")
    bounds = {
        "Version": "2012-10-17",
        "Statement": [
            allow("Own", "s3:*", "*"),
            allow("OwnTables", "dynamodb:*", "*"),
            allow("K", "kms:*", "*"),
            DENY,
            TLS,
        ],
    }
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(bounds))["Policy"]["Arn"]
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}", PermissionsBoundary=boundary)
    own = [
        allow("ReadUploads", "s3:GetObject", "arn:aws:s3:::own/*"),
        allow("Decrypt", "kms:Decrypt", "*"),
        allow("Count", "cloudwatch:PutMetricData", "*"),
        allow("Track", "dynamodb:PutItem", "*", StringEquals={"dynamodb:LeadingKeys": ["x"]}),
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": own})
    iam.put_role_policy(RoleName=ROLE, PolicyName="own", PolicyDocument=document)


def test_the_way_of_one_image_is_told_in_order_by_every_part(clients: Any) -> None:
    found = trail.trail(clients, "prod", OBJECT)
    assert found is not None
    told = [(one.where, one.what) for one in found.moments]
    workflow = [what for where, what in told if where == "workflow"]
    assert workflow == [
        "execution n1 of 2 objects",
        "state Validate",
        "state Deidentify",
        "execution SUCCEEDED: queued",
    ]
    assert ("image archive", "import job COMPLETED") in told
    assert ("labels", "label version 1: normal, VERIFIED") in told
    assert ("training", "snapshot of 48 studies, training STARTED") in told
    assert told.count(("training", "snapshot of 48 studies, training STARTED")) == 1, "the run before it cannot know it"
    times = [one.at for one in found.moments if one.at]
    assert times == sorted(times)


def test_a_part_that_does_not_answer_is_named_and_hides_nothing(clients: Any) -> None:
    found = trail.trail(clients, "prod", OBJECT)
    assert found is not None
    assert found.silent == ["image archive: ThrottlingException"]


def test_neither_names_of_uploads_nor_free_text_nor_inputs_of_resources_are_shown(clients: Any) -> None:
    page = Console(clients=clients, stack="prod", state=lambda: json.dumps(STATE)).page({"image": OBJECT})
    assert OBJECT in page
    assert STUDY in page
    for hidden in (NAME, "of-a-person", "FREE TEXT", "SENTINEL"):
        assert hidden not in page


def test_an_unknown_image_is_said_to_be_unknown(clients: Any) -> None:
    assert trail.trail(clients, "prod", "f" * 32) is None
    page = Console(clients=clients, stack="prod", state=lambda: json.dumps(STATE)).page({"image": "f" * 32})
    assert "No image has this id" in page


@pytest.mark.parametrize(
    ("action", "resource", "reason"),
    [
        ("s3:GetObject", "arn:aws:s3:::own/x", "Allowed by the statement ReadUploads; denied all the same where this"),
        (
            "s3:GetObject",
            "arn:aws:s3:::models/x",
            "Denied: the role's policies allow s3:GetObject, but on other resources",
        ),
        ("s3:DeleteObject", "arn:aws:s3:::own/x", "Denied: no statement of the role's policies allows s3:DeleteObject"),
        ("kms:Decrypt", "arn:aws:kms:k", "Denied by the statement NeverKeys of permissions boundary: an explicit Deny"),
        ("cloudwatch:PutMetricData", "*", "Denied: no statement of its permissions boundary allows cloudwatch:Put"),
        ("dynamodb:PutItem", "t", "Allowed where this holds: dynamodb:LeadingKeys StringEquals x"),
    ],
)
def test_a_denied_action_is_explained_by_the_statement_that_decides(
    clients: Any, monkeypatch: pytest.MonkeyPatch, action: str, resource: str, reason: str
) -> None:
    iam = boto3.client("iam")
    told = {"EvaluationResults": [{"EvalDecision": "implicitDeny"}]}
    monkeypatch.setattr(iam, "simulate_principal_policy", lambda **_: told, raising=False)
    decision = rights.why(lambda _: iam, "prod", ROLE, action, resource)
    assert decision.reason.startswith(reason)
    assert decision.simulated == "implicitDeny"


def test_only_roles_of_the_stack_are_offered_and_asked_about(clients: Any) -> None:
    boto3.client("iam").create_role(RoleName="somebody-elses", AssumeRolePolicyDocument="{}")
    assert rights.roles(clients, "prod") == [ROLE]
    with pytest.raises(ValueError, match="no role of prod"):
        rights.why(clients, "prod", "somebody-elses", "s3:GetObject", "*")


def test_resources_are_listed_by_the_innermost_component_by_name_and_id_only() -> None:
    for document in (STATE, {"deployment": STATE["checkpoint"]["latest"]}):
        groups = by_component(read_state(json.dumps(document)))
        assert {name: [one.id for one in rows] for name, rows in groups.items()} == {
            "(the program itself)": ["the-queue"],
            "Zone": ["the-bucket"],
        }
    with pytest.raises(ValueError, match="no state"):
        read_state("{}")


def test_alarms_that_sound_come_first_and_metrics_and_refusals_are_read(clients: Any) -> None:
    watch = boto3.client("cloudwatch")
    for name in ("a-quiet", "z-loud"):
        watch.put_metric_alarm(
            AlarmName=f"{PREFIX}-{name}", MetricName="m", Namespace="n", Period=60, EvaluationPeriods=1, Threshold=1,
            Statistic="Sum", ComparisonOperator="GreaterThanThreshold", AlarmDescription="Text. Runbook: docs/x.md",
        )  # fmt: skip
    watch.set_alarm_state(AlarmName=f"{PREFIX}-z-loud", StateValue="ALARM", StateReason="test")
    first, second = measures.alarms(clients, "prod")
    assert (first.name, first.page, second.name) == ("z-loud", "docs/x.md", "a-quiet")
    watch.put_metric_data(Namespace=measures.NAMESPACE, MetricData=[{"MetricName": "Imported", "Value": 3.0}])
    assert [(one.name, one.last) for one in measures.measures(clients)] == [("Imported", 3.0)]
    logs, group = boto3.client("logs"), f"/aws/lambda/{ROLE}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(datetime.now(UTC).timestamp() * 1000)
    line = {"level": "ERROR", "message": "The operation failed", "error_code": "AccessDenied", "key": NAME}
    lines = [json.dumps(line), f"START {NAME} AccessDenied"]
    events = [{"timestamp": now, "message": text} for text in lines]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    assert [one.what for one in measures.refusals(clients, "prod")] == ["The operation failed AccessDenied"]


def test_the_page_answers_on_names_of_this_machine_only_and_may_load_nothing(clients: Any) -> None:
    page = Console(clients=clients, stack="prod", state=lambda: json.dumps(STATE)).application()
    answer = TestClient(page, base_url="http://127.0.0.1:4690").get("/", params={"image": "<script>alert(1)</script>"})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert TestClient(page, base_url="http://evil.example").get("/").status_code == 400
    assert TestClient(page, base_url="http://localhost").post("/").status_code == 405
