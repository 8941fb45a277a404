"""A restore drill: tables back from point-in-time recovery, objects from their versions, copies in the second region.

Nothing of the platform is overwritten: a table is restored beside the original, compared, and removed; objects are the
drill's own. docs/RESTORE.md says what to do when it is no drill.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tools.drills import Drill

TABLES = ("tracking_table", "labels_table", "metrics_table")
BUCKETS = ("training_data_bucket", "preprocessed_bucket", "model_artifacts_bucket")
RESTORE_SECONDS = 3600
REPLICATION_SECONDS = 900
"""Replication Time Control: 99.99 % of objects within fifteen minutes."""


def run(drill: Drill) -> None:
    """The whole drill."""
    for name in TABLES:
        _restore_table(drill, drill.outputs[name])
    for name in BUCKETS:
        _restore_object(drill, drill.outputs[name])
    for bucket, replica in sorted(drill.outputs.get("replica_buckets", {}).items()):
        _find_replica(drill, bucket, replica)


def _restore_table(drill: Drill, table: str) -> None:
    client, restored = drill.client("dynamodb"), f"{table}-drill-{uuid.uuid4().hex[:6]}"
    begin = time.monotonic()
    with _marker(client, table):
        _eventually_restore(client, table, restored)
        client.get_waiter("table_exists").wait(TableName=restored, WaiterConfig={"Delay": 2, "MaxAttempts": 1800})
        wanted, found = _digest(client, table), _digest(client, restored)
    seconds = time.monotonic() - begin
    drill.expect(
        f"{table} comes back",
        f"{found[0]} items, digest {found[1][:12]}, {seconds:.1f} s",
        good=wanted == found and found[0] > 0,
    )
    client.update_table(TableName=restored, DeletionProtectionEnabled=False)
    client.delete_table(TableName=restored)


@contextlib.contextmanager
def _marker(client: Any, table: str) -> Iterator[None]:
    """An item of the drill's own, so that an empty table proves something too."""
    described = client.describe_table(TableName=table)["Table"]
    types = {item["AttributeName"]: item["AttributeType"] for item in described["AttributeDefinitions"]}
    key = {
        part["AttributeName"]: {types[part["AttributeName"]]: "0" if types[part["AttributeName"]] == "N" else "drill"}
        for part in described["KeySchema"]
    }
    client.put_item(TableName=table, Item=key)
    try:
        yield
    finally:
        client.delete_item(TableName=table, Key=key)


def _eventually_restore(client: Any, table: str, restored: str) -> None:
    """The latest restorable time lags some minutes behind on AWS: the marker must be older than that."""
    if "amazonaws.com" in client.meta.endpoint_url:
        time.sleep(6 * 60)
    client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=restored, UseLatestRestorableTime=True)


def _digest(client: Any, table: str) -> tuple[int, str]:
    """Number of items and a digest of all of them that does not depend on their order."""
    lines = sorted(
        json.dumps(item, sort_keys=True, default=str)
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for item in page["Items"]
    )
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _restore_object(drill: Drill, bucket: str) -> None:
    """Overwritten, then deleted: the first content comes back from its version."""
    s3, key = drill.client("s3"), f"drill/{uuid.uuid4().hex}"
    first = s3.put_object(Bucket=bucket, Key=key, Body=b"first")["VersionId"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"second")
    s3.delete_object(Bucket=bucket, Key=key)
    try:
        s3.head_object(Bucket=bucket, Key=key)
        gone = False
    except ClientError as error:
        gone = error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key, "VersionId": first})
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    drill.expect(f"{bucket} gives a deleted object back", content.decode(), good=gone and content == b"first")
    versions = s3.list_object_versions(Bucket=bucket, Prefix=key)
    for item in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=item["VersionId"])


def _find_replica(drill: Drill, bucket: str, replica: str) -> None:
    s3, key = drill.client("s3"), f"drill/{uuid.uuid4().hex}"
    s3.put_object(Bucket=bucket, Key=key, Body=b"replicate me", ChecksumAlgorithm="SHA256")
    begin, status = time.monotonic(), "PENDING"
    while status == "PENDING" and time.monotonic() - begin < REPLICATION_SECONDS:
        time.sleep(5)
        status = s3.head_object(Bucket=bucket, Key=key).get("ReplicationStatus", "none")
    seconds = time.monotonic() - begin
    drill.expect(f"{bucket} is copied to {replica}", f"{status}, {seconds:.0f} s", good=status == "COMPLETED")
