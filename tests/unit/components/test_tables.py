"""Tables: the keys that functions rely on, and no way to lose a row for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components.tables import SHAPES, PlatformTables, PlatformTablesArgs

TABLE = "aws:dynamodb/table:Table"
ROLES = [shape.role for shape in SHAPES]


@pytest.fixture
def program(context: Context) -> Callable[..., Callable[[], dict[str, Any]]]:
    """Makes a program with the platform's tables."""

    def make(**changes: Any) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            tables = PlatformTables("tables", PlatformTablesArgs(context=context, key_arn="arn:key", **changes))
            return {"labels": tables.labels_name, "labels_arn": tables.labels_arn}

        return run

    return make


@pytest.mark.parametrize(
    ("role", "keys"),
    [
        ("image-tracking", ("object_id", None)),
        ("assignments", ("reader", "patient_key")),
        ("labels", ("study_key", "version")),
        ("outbox", ("event_id", None)),
        ("metrics", ("model_version", "evaluation_timestamp")),
        ("training-runs", ("pipeline_name", "created_at")),
        ("idempotency", ("id", None)),
    ],
    ids=ROLES,
)
def test_each_table_has_the_keys_that_functions_write(
    record: Any, program: Any, role: str, keys: tuple[str, str | None]
) -> None:
    table = record(program()).one(TABLE, f"tables-{role}").inputs
    assert (table["hashKey"], table.get("rangeKey")) == keys
    assert table["name"] == f"healthcare-imaging-mlops-test-{role}"


def test_a_label_version_is_a_number_so_that_ten_comes_after_nine(record: Any, program: Any) -> None:
    attributes = record(program()).one(TABLE, "tables-labels").inputs["attributes"]
    assert {"name": "version", "type": "N"} in attributes


@pytest.mark.parametrize(
    ("role", "indexes"),
    [
        (
            "image-tracking",
            {
                "by-study": ("study_key", "object_id"),
                "by-status": ("status", "updated_at"),
                "by-validated-key": ("validated_key", None),
                "by-patient": ("patient_key", "study_key"),
            },
        ),
        ("assignments", {"by-patient": ("patient_key", "reader")}),
        ("labels", {"by-state": ("state", "created_at")}),
    ],
)
def test_indexes_answer_the_questions_of_api_and_reconciler(
    record: Any, program: Any, role: str, indexes: dict[str, tuple[str, str | None]]
) -> None:
    table = record(program()).one(TABLE, f"tables-{role}").inputs
    made = {
        index["name"]: {key["keyType"]: key["attributeName"] for key in index["keySchemas"]}
        for index in table["globalSecondaryIndexes"]
    }
    assert made == {
        name: {"HASH": partition, **({"RANGE": sort} if sort else {})} for name, (partition, sort) in indexes.items()
    }
    declared = {attribute["name"] for attribute in table["attributes"]}
    used = {name for pair in indexes.values() for name in pair if name}
    assert declared == used | {table["hashKey"]} | {table[key] for key in ("rangeKey",) if key in table}, (
        "DynamoDB refuses attributes that no key uses"
    )


@pytest.mark.parametrize("role", ROLES)
def test_every_table_is_encrypted_restorable_and_protected(record: Any, program: Any, role: str, preview: bool) -> None:
    table = record(program(), preview=preview).one(TABLE, f"tables-{role}").inputs
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": "arn:key"}
    assert table["pointInTimeRecovery"] == {"enabled": True, "recoveryPeriodInDays": 35}
    assert table["billingMode"] == "PAY_PER_REQUEST", "a morning's peak must not be throttled"
    assert table["deletionProtectionEnabled"] is True, "protection is what a stack gets without asking"


def test_deletion_protection_can_be_lifted_by_data_alone(record: Any, program: Any) -> None:
    tables = record(program(deletion_protection=False)).of(TABLE)
    assert {table.inputs["deletionProtectionEnabled"] for table in tables} == {False}


def test_only_idempotency_records_expire(record: Any, program: Any) -> None:
    expiring = {t.name: t.inputs["ttl"] for t in record(program()).of(TABLE) if "ttl" in t.inputs}
    assert expiring == {"tables-idempotency": {"attributeName": "expiration", "enabled": True}}


def test_names_are_known_in_a_preview(record: Any, program: Any) -> None:
    recording = record(program(), preview=True)
    assert recording.values["labels"] == "healthcare-imaging-mlops-test-labels"
    assert not recording.known["labels_arn"]
