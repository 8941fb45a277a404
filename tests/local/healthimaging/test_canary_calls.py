"""The canary's calls against the embedded AWS: TLS, presigned upload, versions, the archive's metadata and frame.

Ingestion is stood in for by a thread that does what it leaves behind; the image itself is put to ingestion's rules.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from imaging.parse import read
from imaging.validate import check_for_cleaning, validate
from lambda_shared.tracking import object_id
from operations.canary import Canary, CanaryError, Store, image

STORE = Store(landing="canary-landing", research="canary-research", table="canary-tracking")


@pytest.fixture(scope="module")
def account(aws: Callable[..., Any], embedded_aws: dict[str, str]) -> Callable[..., Any]:
    """Two buckets with versions, and the table."""
    for bucket in (STORE.landing, STORE.research):
        aws("s3").create_bucket(Bucket=bucket)
        aws("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws("dynamodb").create_table(
        TableName=STORE.table,
        KeySchema=[{"AttributeName": "object_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "object_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    made = functools.partial(aws)
    made.bundle = embedded_aws["AWS_CA_BUNDLE"]  # type: ignore[attr-defined]
    return made


def ingest(aws: Any, datastore: str, run_import: Any, ended: dict[str, Any], status: str) -> None:
    """What ingestion leaves of the one upload: copies, an image set, an item in a final state."""
    s3 = aws("s3")
    while True:
        found = s3.list_objects_v2(Bucket=STORE.landing, Prefix="upload/").get("Contents", [])
        if found:
            break
    key, etag = found[0]["Key"], found[0]["ETag"]
    data = s3.get_object(Bucket=STORE.landing, Key=key)["Body"].read()
    for _ in range(2):  # an overwrite makes a second version
        s3.put_object(Bucket=STORE.landing, Key="validated/s/i.dcm", Body=data)
    s3.put_object(Bucket=STORE.research, Key="deidentified/p/s/i.dcm", Body=data)
    s3.put_object(Bucket=STORE.landing, Key="import-input/t/i.dcm", Body=data)
    job = run_import(datastore, {"i.dcm": data})
    ended["image_set"] = image_set = aws("medical-imaging").search_image_sets(datastoreId=datastore)[
        "imageSetsMetadataSummaries"
    ][0]["imageSetId"]
    assert job["jobStatus"] == "COMPLETED"
    item = {
        **{"object_id": object_id(STORE.landing, key, etag), "upload_key": key, "status": status},
        **{"deid_status": "DEIDENTIFIED", "validated_key": "validated/s/i.dcm", "import_token": "t"},
        **{"processed_key": "deidentified/p/s/i.dcm", "datastore_id": datastore, "image_set_id": image_set},
        "reason_code": "PLANTED",
    }
    aws("dynamodb").put_item(TableName=STORE.table, Item={name: {"S": value} for name, value in item.items()})


@pytest.mark.parametrize("status", ["IMPORTED", "QUARANTINED"])
def test_a_canary_is_read_back_and_leaves_nothing(
    status: str, account: Any, datastore: str, run_import: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", account.bundle)
    account("s3").put_object(Bucket=STORE.landing, Key="somebodys/image.dcm", Body=b"1")
    ended: dict[str, Any] = {}
    canary = Canary(store=STORE, client=account, say=lambda _: None)
    thread = threading.Thread(target=ingest, args=(account, datastore, run_import, ended, status), daemon=True)
    thread.start()
    if status == "IMPORTED":
        canary.fly(60)
        assert {"uploaded", "imported", "read back", "removed"} <= set(canary.seconds)
    else:
        with pytest.raises(CanaryError, match="PLANTED"):
            canary.fly(60)
    thread.join(60)
    for bucket, left in ((STORE.landing, {"somebodys/image.dcm"}), (STORE.research, set())):
        told = account("s3").list_object_versions(Bucket=bucket)
        assert {one["Key"] for one in [*told.get("Versions", []), *told.get("DeleteMarkers", [])]} == left
    assert account("dynamodb").scan(TableName=STORE.table, Select="COUNT")["Count"] == 0
    assert not account("medical-imaging").search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]


def test_ingestions_own_rules_take_the_image() -> None:
    assert validate(image()).valid
    assert check_for_cleaning(read(image()))  # raises where the research copy would be refused
