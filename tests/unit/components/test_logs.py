"""Log groups by class: retention, key, tag, deletion protection, and a mask where our code could log a patient."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._logs import CUSTOM_IDENTIFIERS, LogClass, LogKeeping, log_group, mask_document
from components._tags import DataClass
from components._workload import Workload

GROUP = "aws:cloudwatch/logGroup:LogGroup"
MASK = "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy"
TAKEN = re.compile(r"[A-Za-z0-9_#=@/;,\- ^$?\[\]{}|\\*+.]{1,200}")
"""What CloudWatch Logs takes as the expression of an identifier of our own."""


@pytest.fixture
def make(record: Any, context: Context, workload: Workload) -> Any:
    """Records one group."""

    def run(log_class: LogClass, data_class: DataClass, keeping: LogKeeping = workload.logs) -> Any:
        def program() -> dict[str, Any]:
            made = log_group(
                "g",
                name="/aws/lambda/f",
                log_class=log_class,
                keeping=keeping,
                tags=context.tags_for("t", data_class),
                opts=pulumi.ResourceOptions(),
            )
            return {"name": made.name}

        return record(program)

    return run


@pytest.mark.parametrize(
    ("log_class", "days", "key", "protected"), [("operations", 30, "logs", None), ("audit", 2557, "audit", True)]
)
def test_the_class_decides_days_key_and_protection(
    make: Any, log_class: LogClass, days: int, key: str, protected: bool | None
) -> None:
    group = make(log_class, "phi").one(GROUP).inputs
    assert group["retentionInDays"] == days
    assert group["kmsKeyId"].endswith(f"key/{key}")
    assert group.get("deletionProtectionEnabled") is protected
    assert group["tags"]["log-class"] == log_class


@pytest.mark.parametrize(
    ("log_class", "data_class", "masked"),
    [("operations", "phi", True), ("operations", "research", False), ("audit", "phi", False)],
)
def test_operations_logs_of_what_touches_phi_are_masked_and_no_others(
    make: Any, log_class: LogClass, data_class: DataClass, masked: bool
) -> None:
    recording = make(log_class, data_class)
    assert [one.inputs["logGroupName"] for one in recording.of(MASK)] == ["/aws/lambda/f"] * masked


def test_a_policy_counts_and_masks_the_same_identifiers() -> None:
    document = json.loads(mask_document("aws-us-gov"))
    count, mask = document["Statement"]
    assert count["Operation"] == {"Audit": {"FindingsDestination": {}}}
    assert mask["Operation"] == {"Deidentify": {"MaskConfig": {}}}
    assert count["DataIdentifier"] == mask["DataIdentifier"]
    assert "arn:aws-us-gov:dataprotection::aws:data-identifier/Ssn-US" in count["DataIdentifier"]
    assert set(CUSTOM_IDENTIFIERS) <= set(count["DataIdentifier"])


@pytest.mark.parametrize("pattern", CUSTOM_IDENTIFIERS.values(), ids=CUSTOM_IDENTIFIERS)
def test_an_identifier_is_written_in_what_cloudwatch_logs_takes(pattern: str) -> None:
    assert TAKEN.fullmatch(pattern)
    assert re.compile(pattern)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('{"message":"refused Doe^Jane"}', True),
        ('"PatientID": "MRN-4711"', True),
        ("PatientBirthDate=19610301", True),
        ("1.2.826.0.1.3680043.8.498.1 was sent again", True),
        ('{"level":"INFO","function_arn":"arn:aws:lambda:us-east-1:111122223333:function:f"}', False),
        ('{"patient_key":"0123456789abcdef0123456789abcdef","address":"10.0.1.7"}', False),
        ('{"xray_trace_id":"1-5759e988-bd862e3fe1be46a994272793","version":"3.12.1"}', False),
    ],
)
def test_our_identifiers_find_dicoms_and_leave_what_operators_read(line: str, masked: bool) -> None:
    assert any(re.search(pattern, line) for pattern in CUSTOM_IDENTIFIERS.values()) is masked
