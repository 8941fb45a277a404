"""The table of rights: what is given is found by reader and by patient, page by page, and gone once taken back."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from lambda_shared import aws
from lambda_shared.assignments import Assignment, DynamoAssignmentsTable


@pytest.fixture
def rights(cloud: None) -> Any:
    keys = {"reader": "HASH", "patient_key": "RANGE"}
    boto3.client("dynamodb").create_table(
        TableName="assignments",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
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
    return aws.table("assignments")


def right(reader: str, patient: str, until: str = "") -> Assignment:
    return Assignment(
        reader=reader, patient_key=patient * 32, assigned_by="boss", assigned_at="2026-01-01T00:00:00Z", until=until
    )


class Paged:
    """A table that answers two items at a time, as a large one does after 1 MiB."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.queries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, **request: Any) -> Any:
        self.queries += 1
        return self._table.query(**request, Limit=2)


def test_rights_are_found_by_reader_and_by_patient_over_all_pages(rights: Any) -> None:
    paged = Paged(rights)
    table = DynamoAssignmentsTable(paged)
    for patient in "abcde":
        table.assign(right("r1", patient))
    table.assign(right("r2", "c"))
    assert [one.patient_key[0] for one in table.patients_of("r1")] == list("abcde")
    assert paged.queries == 3
    assert [one.patient_key[0] for one in table.patients_of("r1", "b" * 32)] == list("cde"), "from there on"
    assert [one.reader for one in table.readers_of("c" * 32)] == ["r1", "r2"]
    assert list(table.patients_of("nobody")) == []


def test_a_right_given_again_replaces_the_old_one_with_its_end(rights: Any) -> None:
    table = DynamoAssignmentsTable(rights)
    table.assign(right("r1", "a", until="2026-02-01T00:00:00Z"))
    table.assign(right("r1", "a"))
    assert table.assignment("r1", "a" * 32) == right("r1", "a"), "without an end now"


def test_taking_a_right_back_says_whether_there_was_one(rights: Any) -> None:
    table = DynamoAssignmentsTable(rights)
    table.assign(right("r1", "a"))
    assert table.withdraw("r1", "a" * 32)
    assert not table.withdraw("r1", "a" * 32)
    assert table.assignment("r1", "a" * 32) is None


def test_a_right_holds_until_its_end_and_not_at_it() -> None:
    ending = right("r1", "a", until="2026-02-01T00:00:00.000000Z")
    assert ending.holds("2026-01-31T23:59:59.999999Z")
    assert not ending.holds("2026-02-01T00:00:00.000000Z")
    assert right("r1", "a").holds("2999-01-01T00:00:00.000000Z")
