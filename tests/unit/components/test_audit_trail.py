"""The trail records who touched PHI, keeps it where nobody can change it, and never records itself for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._workload import Workload
from components.audit_trail import AuditTrail, AuditTrailArgs, trail_arn

TRAIL = "aws:cloudtrail/trail:Trail"
STORE = "arn:aws:medical-imaging:us-east-1:111122223333:datastore/d"


@pytest.fixture
def program(context: Context, workload: Workload) -> Callable[[], dict[str, Any]]:
    """A trail over one PHI bucket."""

    def run() -> dict[str, Any]:
        bucket = pulumi.ComponentResource("test:index:Bucket", "audit-bucket")
        trail = AuditTrail(
            "trail",
            AuditTrailArgs(
                context=context,
                bucket=bucket,
                bucket_name="audit",
                bucket_arn="arn:aws:s3:::audit",
                key_arn="arn:aws:kms:us-east-1:111122223333:key/audit",
                phi_bucket_arns=["arn:aws:s3:::phi"],
                datastore_arn=STORE,
                logs=workload.logs,
                insights=["ApiErrorRateInsight"],
            ),
        )
        return {"arn": trail.trail_arn}

    return run


def selectors(inputs: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Selector name -> field -> values."""
    return {
        selector["name"]: {
            field["field"]: field.get("equals") or field.get("startsWiths") for field in selector["fieldSelectors"]
        }
        for selector in inputs["advancedEventSelectors"]
    }


def test_the_trail_is_validated_encrypted_and_covers_every_region(record: Any, program: Any, preview: bool) -> None:
    inputs = record(program, preview=preview).one(TRAIL).inputs
    assert inputs["enableLogFileValidation"]
    assert inputs["isMultiRegionTrail"]
    assert inputs["includeGlobalServiceEvents"]
    assert inputs["enableLogging"]
    assert inputs["kmsKeyId"].endswith("key/audit")


def test_data_events_cover_objects_images_items_and_functions(record: Any, program: Any) -> None:
    found = selectors(record(program).one(TRAIL).inputs)
    types = {fields["resources.type"][0] for fields in found.values() if "resources.type" in fields}
    assert types == {
        "AWS::S3::Object",
        "AWS::MedicalImaging::Datastore",
        "AWS::DynamoDB::Table",
        "AWS::Lambda::Function",
    }
    assert found["Management events"] == {"eventCategory": ["Management"]}
    assert found["Image sets and frames"]["resources.ARN"] == [STORE]


def test_the_trail_does_not_record_its_own_writing(record: Any, program: Any) -> None:
    found = selectors(record(program).one(TRAIL).inputs)
    own = [fields for fields in found.values() if "arn:aws:s3:::audit/" in fields.get("resources.ARN", [])]
    assert own
    assert all(fields["readOnly"] == ["true"] for fields in own)


def test_the_log_group_keeps_seven_years_under_the_audit_key(record: Any, program: Any) -> None:
    group = record(program).one("aws:cloudwatch/logGroup:LogGroup").inputs
    assert group["retentionInDays"] == 2557
    assert group["kmsKeyId"].endswith("key/audit")
    assert group["tags"]["data-class"] == "audit"


def test_cloudtrail_may_write_this_log_group_for_this_trail_and_nothing_else(
    record: Any, program: Any, context: Context
) -> None:
    recording = record(program)
    trust = recording.policy("aws:iam/role:Role", "trail-role", "assumeRolePolicy")["AssumedByServiceForThisAccount"]
    assert trust["Condition"]["ArnLike"]["aws:SourceArn"] == trail_arn(context)
    (statement,) = recording.policy("aws:iam/rolePolicy:RolePolicy", "trail-role-policy").values()
    assert set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert statement["Resource"] == [
        "arn:aws:logs:us-east-1:111122223333:log-group:/aws/cloudtrail/healthcare-imaging-mlops-test-audit-trail"
        ":log-stream:*"
    ]


def test_the_arn_that_policies_name_is_the_trails_own(record: Any, program: Any, context: Context) -> None:
    assert trail_arn(context).endswith(f"trail/{record(program).one(TRAIL).inputs['name']}")
