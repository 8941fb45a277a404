"""Delivery: places only for what exists, under neutral names, and uploads in parts that go on after a kill."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from api.transfers import MEBIBYTE, S3Delivery, part_bytes
from lambda_shared.tracking import TrackedImage

BUCKET = "landing"
STUDY, IMAGE = "a" * 32, "c" * 32
PATIENT = "b" * 32


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", config=Config(signature_version="s3v4"))
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def api(world: Any, call: Any, s3: Any) -> Any:
    """The API over a real S3 adapter: (path, body) -> status, answer."""
    world.delivery.target = S3Delivery(s3, BUCKET, 900)
    key = f"validated/{STUDY}/{IMAGE}.dcm"
    image = TrackedImage(
        object_id="1", patient_key=PATIENT, study_key=STUDY, image_key=IMAGE, validated_key=key, content_sha256="5" * 64
    )
    world.images[STUDY] = [image]
    return lambda path, body: call("POST", path, body)[:2]


def test_an_image_that_exists_gets_a_place_and_one_that_does_not_is_named(api: Any, s3: Any, world: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"validated/{STUDY}/{IMAGE}.dcm", Body=b"12345")
    status, answer = api(f"/studies/{STUDY}/downloads", {"image_keys": [IMAGE, "d" * 32, IMAGE]})
    assert (status, answer["missing"]) == (200, ["d" * 32])
    (place,) = answer["downloads"]
    assert (place["size_bytes"], place["sha256"], place["file_name"]) == (5, "5" * 64, f"{IMAGE}.dcm")
    query = parse_qs(urlsplit(place["url"]).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]
    assert query["response-content-type"] == ["application/dicom"]
    assert query["response-content-disposition"] == [f'attachment; filename="{IMAGE}.dcm"']
    assert ("person-1", "createDownloads", [STUDY]) in world.audited


def test_an_image_whose_copy_is_gone_is_missing(api: Any) -> None:
    assert api(f"/studies/{STUDY}/downloads", {"image_keys": [IMAGE]}) == (200, {"downloads": [], "missing": [IMAGE]})


def test_nobody_downloads_what_is_not_theirs(api: Any, call: Any) -> None:
    status, *_ = call("POST", f"/studies/{STUDY}/downloads", {"image_keys": [IMAGE]}, subject="stranger")
    assert status == 403
    assert api(f"/studies/{'e' * 32}/downloads", {"image_keys": [IMAGE]})[0] == 404


def test_an_upload_in_parts_goes_on_where_it_stopped_and_completes_once(api: Any, s3: Any) -> None:
    size = 17 * MEBIBYTE
    status, transfer = api("/transfers", {"size_bytes": size})
    assert (status, transfer["part_bytes"], transfer["part_count"]) == (201, 16 * MEBIBYTE, 2)
    base, ids = f"/transfers/{transfer['upload_id']}", {"transfer_id": transfer["transfer_id"]}
    key = f"upload/{transfer['upload_id']}.dcm"

    def put(number: int, content: bytes) -> None:
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=transfer["transfer_id"], PartNumber=number, Body=content)

    put(1, b"1" * 16 * MEBIBYTE)
    assert api(f"{base}/progress", ids)[1] == {"parts": [{"number": 1, "size_bytes": 16 * MEBIBYTE}]}
    refused = api(f"{base}/completion", {**ids, "size_bytes": size})
    assert (refused[0], refused[1]["code"]) == (409, "INCOMPLETE_UPLOAD")
    put(2, b"2" * MEBIBYTE)
    for _ in range(2):
        assert api(f"{base}/completion", {**ids, "size_bytes": size}) == (200, {"upload_id": transfer["upload_id"]})
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ContentLength"], head["ContentType"]) == (size, "application/dicom")
    assert api(f"{base}/progress", ids)[1]["code"] == "UNKNOWN_TRANSFER"


def test_a_part_is_signed_for_its_digest(api: Any) -> None:
    _, transfer = api("/transfers", {"size_bytes": 10})
    md5 = base64.b64encode(hashlib.md5(b"x", usedforsecurity=False).digest()).decode()
    body = {"transfer_id": transfer["transfer_id"], "parts": [{"number": 1, "md5": md5}]}
    (place,) = api(f"/transfers/{transfer['upload_id']}/parts", body)[1]["parts"]
    assert place["headers"] == {"Content-MD5": md5}
    assert "content-md5" in parse_qs(urlsplit(place["url"]).query)["X-Amz-SignedHeaders"][0]


@pytest.mark.parametrize(
    "body",
    [{}, {"size_bytes": 0}, {"size_bytes": 6 * 1024**4}, {"size_bytes": 1, "name": "Zyxwvut^Qwerta.dcm"}],
    ids=["nothing", "empty", "above S3's limit", "a file name"],
)
def test_an_upload_that_cannot_be_is_refused(api: Any, body: dict[str, Any]) -> None:
    status, problem = api("/transfers", body)
    assert status == 422
    assert "Zyxwvut" not in str(problem)


@pytest.mark.parametrize("size", [1, 64 * MEBIBYTE, 10**12, 5 * 1024**4], ids=["byte", "small", "terabyte", "limit"])
def test_parts_are_whole_mebibytes_and_at_most_ten_thousand(size: int) -> None:
    length = part_bytes(size)
    assert length % MEBIBYTE == 0
    assert -(-size // length) <= 10_000


def test_a_refusal_of_s3_is_an_error_and_not_an_absence() -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "Operation")

    delivery = S3Delivery(SimpleNamespace(head_object=refuse, list_parts=refuse), BUCKET, 1)
    for ask in (lambda: delivery.exists("a", 1), lambda: delivery.parts("a", "t")):
        with pytest.raises(ClientError):
            ask()


def test_all_pages_of_parts_are_read() -> None:
    def page(**request: Any) -> dict[str, Any]:
        number = request.get("PartNumberMarker", 0) + 1
        part = {"PartNumber": number, "ETag": "e", "Size": 1}
        return {"Parts": [part], "IsTruncated": number < 3, "NextPartNumberMarker": number}

    parts = S3Delivery(SimpleNamespace(list_parts=page), BUCKET, 1).parts("a", "t")
    assert [part.number for part in parts] == [1, 2, 3]
