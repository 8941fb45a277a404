"""A `forceDestroy` bucket goes, however full and whoever still writes into it; any other stays with its objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.provider.clients import Aws
from local.provider.types import s3 as s3_types
from local.provider.types.s3 import Bucket

NAME = "full-of-studies"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    for key in ("AWS_ENDPOINT_URL", "LOCAL_AWS_OFFLINE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(key, raising=False)
    with mock_aws():
        made = Aws("us-east-1")
        made.client("s3").create_bucket(Bucket=NAME)
        made.client("s3").put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
        yield made


def late_writer(s3: Any, times: int) -> None:
    """Somebody puts an object between the emptying and each of the next `times` deletions of the bucket."""
    left = [times]

    def put(**_: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            s3.put_object(Bucket=NAME, Key="import-output/late.json", Body=b"{}")

    s3.meta.events.register("before-call.s3.DeleteBucket", put)


def buckets(aws: Aws) -> list[str]:
    return [b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize(
    "page", [10, pytest.param(1000, marks=pytest.mark.thorough, id="as S3 has it: one deletion takes no more")]
)
def test_every_version_of_one_key_goes_where_a_listing_breaks_within_it(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(page))  # versions in a page of moto's listings
    s3 = aws.client("s3")
    for _ in range(page + 3):
        s3.put_object(Bucket=NAME, Key="labels.json", Body=b"")
    s3.delete_object(Bucket=NAME, Key="labels.json")
    assert s3.list_object_versions(Bucket=NAME)["IsTruncated"], "one page would show nothing"
    Bucket().delete(aws, NAME, {"forceDestroy": True})
    assert buckets(aws) == []


def test_what_arrives_after_the_emptying_goes_as_well(aws: Aws) -> None:
    late_writer(aws.client("s3"), 2)
    Bucket().delete(aws, NAME, {"forceDestroy": True})
    assert buckets(aws) == []


def test_a_bucket_that_never_stops_filling_is_told(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_types, "EMPTYING_SECONDS", 0.0)
    late_writer(aws.client("s3"), 100)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        Bucket().delete(aws, NAME, {"forceDestroy": True})


def test_without_force_destroy_nothing_is_deleted(aws: Aws) -> None:
    aws.client("s3").put_object(Bucket=NAME, Key="study.dcm", Body=b"")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        Bucket().delete(aws, NAME, {"forceDestroy": False})
    assert buckets(aws) == [NAME]
