"""Copies in the second region: encrypted there too, locked like their source, and out of reach of a wrong deletion."""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws
import pytest

from components._base import Context
from components.replica_keys import CLASSES, ReplicaKeys, ReplicaKeysArgs, in_region
from components.replication import ReplicatedBucket, Replication, ReplicationArgs
from components.storage import Lifecycle, ObjectLock, SecureBucket, SecureBucketArgs
from components.tables import PlatformTables, PlatformTablesArgs, TableReplica

ABROAD = "us-west-2"
TOPIC = "arn:aws:sns:us-east-1:111122223333:alerts"
RULE = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"


@pytest.fixture
def program(context: Context) -> Any:
    """`program(**changes)`: the audit bucket and its copy."""

    def make(**changes: Any) -> Any:
        def run() -> dict[str, Any]:
            keys = ReplicaKeys("replica-keys", ReplicaKeysArgs(context=context, region=ABROAD))
            lock = ObjectLock(mode="COMPLIANCE", days=2557)
            source = SecureBucket(
                "audit",
                SecureBucketArgs(
                    context=context,
                    role="audit",
                    data_class="audit",
                    key_arn="arn:aws:kms:us-east-1:111122223333:key/audit",
                    access_log_bucket="logs",
                    lifecycle=Lifecycle(),
                    object_lock=lock,
                ),
            )
            made = Replication(
                "replication",
                ReplicationArgs(
                    context=context,
                    region=ABROAD,
                    provider=keys.provider,
                    sources=source,
                    buckets=[
                        ReplicatedBucket(
                            role="audit",
                            data_class="audit",
                            name=source.bucket_name,
                            arn=source.bucket_arn,
                            key_arn="arn:aws:kms:us-east-1:111122223333:key/audit",
                            replica_key_arn=keys.audit_arn,
                            lock=lock,
                        )
                    ],
                    lifecycle=Lifecycle(),
                    access_log_days=2557,
                    restorers=["deploy"],
                    topic_arn=TOPIC,
                    **changes,
                ),
            )
            return {"names": made.replica_names}

        return run

    return make


def test_the_second_region_has_a_key_of_its_own_for_each_class_that_is_copied(
    record: Any, program: Any, preview: bool
) -> None:
    keys = record(program(), preview=preview).of("aws:kms/key:Key")
    assert {key.inputs["tags"]["data-class"] for key in keys} == set(CLASSES)
    assert all(key.inputs["enableKeyRotation"] for key in keys)
    assert all(not key.inputs.get("multiRegion") for key in keys)


def test_everything_encrypted_is_copied_under_the_other_regions_key_in_fifteen_minutes(
    record: Any, program: Any
) -> None:
    (rule,) = record(program()).one(RULE).inputs["rules"]
    assert rule["status"] == "Enabled"
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    destination = rule["destination"]
    assert destination["bucket"] == "arn:aws:s3:::healthcare-imaging-mlops-test-audit-replica-111122223333"
    assert destination["encryptionConfiguration"]["replicaKmsKeyId"]
    assert destination["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert destination["metrics"] == {"status": "Enabled", "eventThreshold": {"minutes": 15}}


def test_a_late_or_failed_copy_is_told_with_its_runbook(record: Any, program: Any, preview: bool) -> None:
    recording = record(program(), preview=preview)
    (rule,) = recording.one(RULE).inputs["rules"]
    alarms = {one.inputs["metricName"]: one.inputs for one in recording.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert {name: alarm["threshold"] for name, alarm in alarms.items()} == {
        "ReplicationLatency": 15 * 60,
        "OperationsFailedReplication": 0,
    }
    for alarm in alarms.values():
        assert alarm["dimensions"]["RuleId"] == rule["id"]
        assert set(alarm["dimensions"]) == {"SourceBucket", "DestinationBucket", "RuleId"}
        assert alarm["alarmActions"] == alarm["okActions"] == [TOPIC]
        assert alarm["alarmDescription"].endswith("docs/runbooks/replication.md")


@pytest.mark.parametrize(("travel", "status"), [(False, "Disabled"), (True, "Enabled")])
def test_deletions_travel_only_when_the_stack_says_so(record: Any, program: Any, travel: bool, status: str) -> None:
    (rule,) = record(program(replicate_deletes=travel)).one(RULE).inputs["rules"]
    assert rule["deleteMarkerReplication"] == {"status": status}


def test_the_copy_of_a_locked_bucket_is_locked_alike(record: Any, program: Any) -> None:
    recording = record(program())
    lock = recording.one(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "replication-audit-lock"
    ).inputs
    assert lock["rule"]["defaultRetention"] == {"mode": "COMPLIANCE", "days": 2557}
    assert recording.one("aws:s3/bucket:Bucket", "replication-audit").inputs["objectLockEnabled"]


def test_nobody_but_a_restorer_reads_the_copy(record: Any, program: Any) -> None:
    policy = record(program()).policy("aws:s3/bucketPolicy:BucketPolicy", "replication-audit-policy")
    denied = policy["DenyReadsButForRestore"]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"]["ArnNotLike"]["aws:PrincipalArn"] == ["arn:aws:iam::111122223333:role/deploy"]


def test_s3_decrypts_here_and_encrypts_there_and_no_other_way_round(record: Any, program: Any) -> None:
    statements = record(program()).policy("aws:iam/rolePolicy:RolePolicy", "replication-role-policy")
    assert statements["DecryptHere"]["Condition"]["StringEquals"]["kms:ViaService"] == "s3.us-east-1.amazonaws.com"
    assert statements["EncryptThere"]["Condition"]["StringEquals"]["kms:ViaService"] == "s3.us-west-2.amazonaws.com"
    assert statements["EncryptThere"]["Action"] == ["kms:Encrypt"]


def test_names_in_the_second_region_are_the_first_ones_and_arns_name_it(context: Context) -> None:
    there = in_region(context, ABROAD)
    assert there.naming.name("x") == context.naming.name("x")
    assert ":us-west-2:" in there.naming.arn("kms", "key/k")


def test_tables_become_global_with_recovery_in_both_regions(record: Any, context: Context, preview: bool) -> None:
    args = PlatformTablesArgs(
        context=context,
        key_arn="arn:aws:kms:us-east-1:111122223333:key/tracking",
        replica=TableReplica(region=ABROAD, key_arn="arn:aws:kms:us-west-2:111122223333:key/tracking"),
    )
    recording = record(lambda: {"labels": PlatformTables("tables", args).labels_name}, preview=preview)
    for table in recording.of("aws:dynamodb/table:Table"):
        (replica,) = table.inputs["replicas"]
        assert replica["regionName"] == ABROAD
        assert replica["pointInTimeRecovery"]
        assert ":us-west-2:" in replica["kmsKeyArn"]
        assert table.inputs["streamEnabled"], "global tables travel by the stream"


def test_the_provider_of_the_second_region_is_explicit(record: Any, context: Context) -> None:
    def run() -> dict[str, Any]:
        keys = ReplicaKeys("replica-keys", ReplicaKeysArgs(context=context, region=ABROAD))
        assert isinstance(keys.provider, aws.Provider)
        return {"key": keys.phi_arn}

    provider = record(run).one("pulumi:providers:aws")
    assert provider.inputs["region"] == ABROAD
