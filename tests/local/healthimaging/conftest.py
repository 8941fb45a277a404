"""A data store, a role and DICOM files for the HealthImaging stand-in, all through boto3."""

from __future__ import annotations

import contextlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"


def ct_file(
    *,
    study: str,
    series: str,
    instance: str | None = None,
    patient: str = "P-1",
    pixels: np.ndarray | None = None,
) -> tuple[bytes, str, np.ndarray]:
    """(file, SOP instance UID, pixels) of a small CT image."""
    instance = instance or generate_uid()
    if pixels is None:
        pixels = np.random.default_rng(abs(hash(instance)) % 2**32).integers(-1024, 1500, (64, 96)).astype(np.int16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = patient, "Planted^Name", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", "3", "1"
    dataset.PixelSpacing, dataset.RescaleSlope, dataset.RescaleIntercept = ["0.70", "0.70"], "1", "0"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue(), instance, pixels


def role_with(iam: Any, name: str, statements: list[dict[str, Any]], service: str = "medical-imaging") -> str:
    """ARN of a role that the service may assume."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        policy = {"Version": "2012-10-17", "Statement": statements}
        iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(policy))
    return arn


@pytest.fixture(scope="session")
def imaging(aws: Callable[..., Any]) -> Any:
    """The medical-imaging client of the deploy user."""
    return aws("medical-imaging")


@pytest.fixture(scope="session")
def bucket(aws: Callable[..., Any]) -> str:
    """A bucket for import input and output."""
    aws("s3").create_bucket(Bucket="imaging-tests")
    return "imaging-tests"


@pytest.fixture(scope="session")
def import_role(aws: Callable[..., Any], bucket: str) -> str:
    """A role with exactly the rights an import needs."""
    statements = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/out/*"},
    ]
    return role_with(aws("iam"), "imaging-import", statements)


@pytest.fixture
def datastore(imaging: Any) -> Iterator[str]:
    """An active data store of its own; deleted at the end, for an account has ten."""
    made = imaging.create_datastore(datastoreName=f"store-{uuid.uuid4().hex[:8]}")["datastoreId"]
    yield made
    with contextlib.suppress(imaging.exceptions.ResourceNotFoundException):  # the test has deleted it
        for page in imaging.get_paginator("search_image_sets").paginate(datastoreId=made):
            for one in page["imageSetsMetadataSummaries"]:
                imaging.delete_image_set(datastoreId=made, imageSetId=one["imageSetId"])
        imaging.delete_datastore(datastoreId=made)


@pytest.fixture
def run_import(
    imaging: Any, aws: Callable[..., Any], bucket: str, import_role: str, eventually: Callable[..., Any]
) -> Callable[..., dict[str, Any]]:
    """Put files below a prefix, import them, wait; returns the job's properties with `folder`, its output prefix."""

    def run(datastore: str, files: dict[str, bytes], prefix: str | None = None, **changed: Any) -> dict[str, Any]:
        prefix = prefix or f"in/{uuid.uuid4().hex}/"
        for name, body in files.items():
            aws("s3").put_object(Bucket=bucket, Key=prefix + name, Body=body)
        request = {
            "datastoreId": datastore,
            "dataAccessRoleArn": import_role,
            "inputS3Uri": f"s3://{bucket}/{prefix}",
            "outputS3Uri": f"s3://{bucket}/out/",
            "clientToken": uuid.uuid4().hex,
            **changed,
        }
        job = imaging.start_dicom_import_job(**request)["jobId"]

        def ended() -> dict[str, Any] | None:
            found = imaging.get_dicom_import_job(datastoreId=datastore, jobId=job)["jobProperties"]
            return found if found["jobStatus"] in ("COMPLETED", "FAILED") else None

        return {**eventually(ended, what="the end of the import"), "folder": f"out/{datastore}-DicomImport-{job}/"}

    return run
