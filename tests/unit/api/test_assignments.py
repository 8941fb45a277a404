# ruff: noqa: PLR0917 - fixtures and cases arrive as arguments
"""A radiologist reads the patients assigned to them and nobody else; who gave the right and who was refused is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambda_shared import aws
from lambda_shared.assignments import Assignment, DynamoAssignmentsTable

STUDY, PATIENT, OTHER = "a" * 32, "b" * 32, "e" * 32
LABEL = {"finding": "normal", "certainty": "possible"}
BY_STUDY = [
    ("GET", f"/studies/{STUDY}", None, "getStudy"),
    ("GET", f"/studies/{STUDY}/labels", None, "listLabels"),
    ("POST", f"/studies/{STUDY}/labels", LABEL, "createLabel"),
    ("POST", "/studies/lookup", {"study_instance_uid": "1.2.3"}, "findStudy"),
]
IDS = [action for *_, action in BY_STUDY]


@pytest.mark.parametrize(("method", "path", "body", "action"), BY_STUDY, ids=IDS)
def test_another_readers_patient_is_refused_by_every_route_and_the_try_is_recorded(
    call: Any, world: Any, method: str, path: str, body: Any, action: str
) -> None:
    code, problem, _ = call(method, path, body, subject="stranger")
    assert (code, problem["code"]) == (403, "NOT_ASSIGNED")
    assert [(person, tried) for person, tried, _ in world.denied] == [("stranger", action)]
    assert "1.2.3" not in str(world.denied)
    assert (world.audited, world.label_versions, world.events) == ([], {}, [])


@pytest.mark.parametrize(("method", "path", "body", "action"), BY_STUDY, ids=IDS)
def test_a_right_that_has_ended_or_was_taken_back_no_longer_opens(
    call: Any, world: Any, method: str, path: str, body: Any, action: str
) -> None:
    world.assign(
        Assignment(
            reader="person-1",
            patient_key=PATIENT,
            assigned_by="boss",
            assigned_at="2026",
            until="2026-11-21T12:00:00.000000Z",
        )
    )
    assert call(method, path, body)[0] == 403
    world.withdraw("person-2", PATIENT)
    assert call(method, path, body, subject="person-2")[0] == 403


def test_a_list_holds_the_readers_own_patients_only(call: Any, world: Any) -> None:
    assert [s["study_key"] for s in call("GET", "/studies")[1]["studies"]] == [STUDY]
    assert call("GET", "/studies", subject="stranger")[1]["studies"] == []
    assert [s["study_key"] for s in call("GET", "/studies", groups="[admin]", subject="boss")[1]["studies"]] == [STUDY]
    assert call("GET", "/studies", query={"cursor": "not a patient"})[0] == 422


def test_an_administrator_sees_everything_and_leaves_a_record(call: Any, world: Any) -> None:
    assert call("GET", f"/studies/{STUDY}", groups="[admin]", subject="boss")[0] == 200
    assert world.audited == [("boss", "getStudy", [STUDY])]


def test_a_study_of_two_patients_opens_only_with_both_rights(call: Any, world: Any) -> None:
    from dataclasses import replace

    world.images[STUDY][1] = replace(world.images[STUDY][1], patient_key=OTHER)
    assert call("GET", f"/studies/{STUDY}")[0] == 403
    world.assign(Assignment(reader="person-1", patient_key=OTHER, assigned_by="boss", assigned_at="2026"))
    assert call("GET", f"/studies/{STUDY}")[0] == 200


def test_an_administrator_assigns_lists_and_takes_back(call: Any, world: Any) -> None:
    boss: dict[str, Any] = {"groups": "[admin]", "subject": "boss"}
    asked = {"reader": "new", "patient_keys": [PATIENT, OTHER, PATIENT], "until": "2027-01-01T00:00:00+01:00"}
    code, answer, _ = call("POST", "/assignments", asked, **boss)
    assert (code, len(answer["assignments"])) == (201, 2)
    assert answer["assignments"][0]["assigned_by"] == "boss"
    assert answer["assignments"][0]["until"] == "2026-12-31T23:00:00.000000Z", "ends are compared as text in UTC"
    assert call("GET", f"/studies/{STUDY}", subject="new")[0] == 200
    by_reader = call("GET", "/assignments", query={"reader": "new"}, **boss)[1]["assignments"]
    assert [right["patient_key"] for right in by_reader] == [PATIENT, OTHER]
    by_patient = call("GET", "/assignments", query={"patient_key": OTHER}, **boss)[1]["assignments"]
    assert [right["reader"] for right in by_patient] == ["new"]
    assert call("DELETE", f"/assignments/new/{PATIENT}", **boss)[0] == 204
    assert call("GET", f"/studies/{STUDY}", subject="new")[0] == 403
    assert call("DELETE", f"/assignments/new/{PATIENT}", **boss)[0] == 404
    assert ("boss", "deleteAssignment", ["new", PATIENT]) in world.audited


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/assignments", None),
        ("POST", "/assignments", {"reader": "person-1", "patient_keys": [OTHER]}),
        ("DELETE", f"/assignments/person-2/{PATIENT}", None),
    ],
    ids=["list", "assign to oneself", "take away from another"],
)
def test_a_radiologist_changes_no_rights(call: Any, world: Any, method: str, path: str, body: Any) -> None:
    before = dict(world.rights)
    assert call(method, path, body)[0] == 403
    assert world.rights == before
    assert world.denied


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, None),
        ({"reader": "x", "patient_key": OTHER}, None),
        (None, {"reader": "x", "patient_keys": [OTHER], "until": "2020-01-01T00:00:00Z"}),
        (None, {"reader": "x", "patient_keys": []}),
        (None, {"reader": "x", "patient_keys": ["1.2.3"]}),
    ],
    ids=["neither", "both", "past", "nobody", "no pseudonym"],
)
def test_what_makes_no_sense_is_refused(call: Any, query: Any, body: Any) -> None:
    method = "POST" if body else "GET"
    assert call(method, "/assignments", body, query=query, groups="[admin]")[0] == 422


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoAssignmentsTable]:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    keys = [("reader", "HASH"), ("patient_key", "RANGE")]
    with mock_aws():
        aws.forget()
        boto3.client("dynamodb").create_table(
            TableName="assignments",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-patient",
                    "KeySchema": [
                        {"AttributeName": "patient_key", "KeyType": "HASH"},
                        {"AttributeName": "reader", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        yield DynamoAssignmentsTable(aws.table("assignments"))
    aws.forget()


def test_the_table_keeps_finds_and_forgets_rights(table: DynamoAssignmentsTable) -> None:
    rights = [
        Assignment(reader=reader, patient_key=patient * 32, assigned_by="boss", assigned_at="2026", until=until)
        for reader, patient, until in (("r1", "a", ""), ("r1", "b", "2027"), ("r2", "a", ""))
    ]
    for right in rights:
        table.assign(right)
    assert table.assignment("r1", "b" * 32) == rights[1]
    assert table.assignment("r2", "b" * 32) is None
    assert list(table.patients_of("r1")) == rights[:2]
    assert list(table.patients_of("r1", "a" * 32)) == rights[1:2]
    assert [right.reader for right in table.readers_of("a" * 32)] == ["r1", "r2"]
    assert table.withdraw("r1", "a" * 32)
    assert not table.withdraw("r1", "a" * 32)
    assert table.assignment("r1", "a" * 32) is None
