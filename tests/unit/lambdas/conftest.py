"""Fixtures of the functions' tests: a mocked AWS with the platform's tables, buckets and queue, and a clock to set."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambda_shared import aws
from lambda_shared.metrics import Meter
from lambda_shared.tracking import DynamoTrackingTable

REGION = "us-east-1"
UPLOADS = "proj-local-training-data-111122223333"
RESEARCH = "proj-local-preprocessed-111122223333"
ARTIFACTS = "proj-local-model-artifacts-111122223333"
KEY_HEX = "5a" * 32


class SetClock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class CountingMeter(Meter):
    """Remembers what was counted."""

    counts: dict[str, float] = field(default_factory=dict)

    def count(self, name: Any, value: float = 1, unit: Any = "Count") -> None:
        self.counts[name] = self.counts.get(name, 0) + value


@pytest.fixture(autouse=True)
def function_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every function's environment holds."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    values = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_METRICS_NAMESPACE": "ImagingPlatform",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cloud() -> Iterator[None]:
    """A mocked AWS; clients made inside do not survive the test."""
    with mock_aws():
        aws.forget()
        yield
    aws.forget()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
def s3(cloud: None) -> Any:
    client = boto3.client("s3")
    for bucket in (UPLOADS, RESEARCH, ARTIFACTS):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return client


def make_table(name: str, keys: dict[str, str], indexes: dict[str, tuple[str, str | None]] | None = None) -> Any:
    """A table with a hash (and range) key and indexes: name -> (hash, range)."""
    schema = [{"AttributeName": part, "KeyType": kind} for part, kind in zip(keys, ("HASH", "RANGE"), strict=False)]
    attributes = dict(keys)
    definition = []
    for index, parts in (indexes or {}).items():
        index_schema = [
            {"AttributeName": part, "KeyType": kind}
            for part, kind in zip(parts, ("HASH", "RANGE"), strict=True)
            if part is not None
        ]
        attributes.update({part: attributes.get(part, "S") for part in parts if part})
        definition.append({"IndexName": index, "KeySchema": index_schema, "Projection": {"ProjectionType": "ALL"}})
    options: dict[str, Any] = {"GlobalSecondaryIndexes": definition} if definition else {}
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in attributes.items()],
        BillingMode="PAY_PER_REQUEST",
        **options,
    )
    return aws.table(name)


@pytest.fixture
def tracking_table(cloud: None) -> Any:
    return make_table(
        "image-tracking",
        {"object_id": "S"},
        {
            "by-study": ("study_key", "object_id"),
            "by-status": ("status", "updated_at"),
            "by-validated-key": ("validated_key", None),
        },
    )


@pytest.fixture
def tracking(tracking_table: Any) -> DynamoTrackingTable:
    return DynamoTrackingTable(tracking_table)


@pytest.fixture
def labels_table(cloud: None) -> Any:
    return make_table("labels", {"study_key": "S", "version": "N"}, {"by-state": ("state", "created_at")})


@pytest.fixture
def outbox_table(cloud: None) -> Any:
    return make_table("outbox", {"event_id": "S"})


@pytest.fixture
def metrics_table(cloud: None) -> Any:
    return make_table("metrics", {"model_version": "S", "evaluation_timestamp": "S"})


@pytest.fixture
def runs_table(cloud: None) -> Any:
    return make_table("training-runs", {"pipeline_name": "S", "created_at": "S"})


@pytest.fixture
def import_queue(cloud: None) -> str:
    return boto3.client("sqs").create_queue(QueueName="import")["QueueUrl"]


def dicom_bytes(**changes: Any) -> bytes:
    """A small sound CT image; changes are attributes by keyword, None removes one."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1.1.1",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.1.1",
        "PatientID": "MRN-0042",
        "PatientName": "Zyxwvut^Qwerta",
        "PatientBirthDate": "19620807",
        "PatientSex": "F",
        "StudyDate": "20260310",
        "StudyTime": "101500",
        "AccessionNumber": "ACC77001",
        "ReferringPhysicianName": "Ward^Doctor",
        "StudyID": "S1",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "BurnedInAnnotation": "NO",
        "Rows": 8,
        "Columns": 8,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "PixelData": bytes(range(128)),
    }
    for keyword, value in {**values, **changes}.items():
        if value is not None:
            setattr(image, keyword, value)
    image.file_meta.MediaStorageSOPInstanceUID = image.get("SOPInstanceUID", "1.2.3")
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def make_dicom() -> Any:
    return dicom_bytes


@pytest.fixture
def idempotency_table(cloud: None) -> Any:
    return make_table("idempotency", {"id": "S"})
