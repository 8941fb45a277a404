"""The whole way of an image through the stand-in: S3, import job, image set, metadata, frame."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.local.healthimaging.conftest import ct_file, role_with

ROOT = Path(__file__).resolve().parents[3]


def read_json_lines(aws: Any, bucket: str, key: str) -> list[dict[str, Any]]:
    body = aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def decode(codestream: bytes, skipped: int = 0) -> np.ndarray:
    """Decode HTJ2K by the embedded AWS's own environment, where imagecodecs is."""
    script = (
        "import sys, imagecodecs, numpy;"
        f"a = imagecodecs.htj2k_decode(sys.stdin.buffer.read(), skipres={skipped});"
        "numpy.save(sys.stdout.buffer, a)"
    )
    python = str(ROOT / ".venvs/aws/bin/python")
    done = subprocess.run([python, "-c", script], input=codestream, capture_output=True, check=True)
    import io

    return np.load(io.BytesIO(done.stdout))


def test_a_study_is_imported_found_and_read_back_bit_for_bit(
    imaging: Any, aws: Any, bucket: str, datastore: str, run_import: Any
) -> None:
    study, series = generate_uid(), generate_uid()
    first, uid, pixels = ct_file(study=study, series=series)
    second, _, _ = ct_file(study=study, series=series)
    job = run_import(datastore, {"a.dcm": first, "b.dcm": second})
    assert job["jobStatus"] == "COMPLETED"

    manifest = json.loads(
        aws("s3").get_object(Bucket=bucket, Key=job["folder"] + "job-output-manifest.json")["Body"].read()
    )
    summary = manifest["jobSummary"]
    assert (summary["numberOfScannedFiles"], summary["numberOfImportedFiles"]) == (2, 2)
    assert summary["numberOfGeneratedImageSets"] == 1
    lines = read_json_lines(aws, bucket, job["folder"] + "SUCCESS/success.ndjson")
    assert {line["inputFile"].rsplit("/", 1)[1] for line in lines} == {"a.dcm", "b.dcm"}
    image_set = lines[0]["importResponse"]["imageSetId"]

    found = imaging.search_image_sets(
        datastoreId=datastore,
        searchCriteria={"filters": [{"operator": "EQUAL", "values": [{"DICOMStudyInstanceUID": study}]}]},
    )["imageSetsMetadataSummaries"]
    assert [one["imageSetId"] for one in found] == [image_set]
    assert found[0]["DICOMTags"]["DICOMNumberOfStudyRelatedInstances"] == 2

    properties = imaging.get_image_set(datastoreId=datastore, imageSetId=image_set)
    assert (properties["versionId"], properties["imageSetState"], properties["isPrimary"]) == ("1", "ACTIVE", True)
    answer = imaging.get_image_set_metadata(datastoreId=datastore, imageSetId=image_set)
    assert answer["contentEncoding"] == "gzip"
    document = json.loads(gzip.decompress(answer["imageSetMetadataBlob"].read()))
    instance = document["Study"]["Series"][series]["Instances"][uid]
    assert document["Patient"]["DICOM"]["PatientID"] == "P-1"
    assert instance["StoredTransferSyntaxUID"] == "1.2.840.10008.1.2.4.202"
    assert instance["DICOM"]["RescaleSlope"] == "1"

    frame = instance["ImageFrames"][0]
    answer = imaging.get_image_frame(
        datastoreId=datastore, imageSetId=image_set, imageFrameInformation={"imageFrameId": frame["ID"]}
    )
    codestream = answer["imageFrameBlob"].read()
    assert answer["contentType"] == "image/jphc"
    assert len(codestream) == frame["FrameSizeInBytes"]
    assert b"\xff\x55" in codestream[:200], "no TLM marker in the main header"
    assert np.array_equal(decode(codestream), pixels)
    levels = frame["PixelDataChecksumFromBaseToFullResolution"]
    assert levels[-1] == {"Width": 96, "Height": 64, "Checksum": zlib.crc32(pixels.tobytes())}
    assert levels[-2]["Checksum"] == zlib.crc32(np.ascontiguousarray(decode(codestream, 1)).tobytes())
    assert (frame["MinPixelValue"], frame["MaxPixelValue"]) == (pixels.min(), pixels.max())


def test_a_second_import_of_a_series_makes_the_next_version(imaging: Any, datastore: str, run_import: Any) -> None:
    study, series = generate_uid(), generate_uid()
    body, uid, _ = ct_file(study=study, series=series)
    again, _, _ = ct_file(study=study, series=series, instance=uid, pixels=np.full((64, 96), 7, np.int16))
    run_import(datastore, {"a.dcm": body})
    run_import(datastore, {"a.dcm": again})
    (one,) = imaging.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    assert (one["version"], one["DICOMTags"]["DICOMNumberOfStudyRelatedInstances"]) == (2, 1)
    versions = imaging.list_image_set_versions(datastoreId=datastore, imageSetId=one["imageSetId"])
    assert [v["versionId"] for v in versions["imageSetPropertiesList"]] == ["2", "1"]


def test_an_instance_that_contradicts_its_study_becomes_non_primary(
    imaging: Any, datastore: str, run_import: Any
) -> None:
    study, series = generate_uid(), generate_uid()
    run_import(datastore, {"a.dcm": ct_file(study=study, series=series)[0]})
    run_import(datastore, {"b.dcm": ct_file(study=study, series=series, patient="P-2")[0]})
    found = imaging.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    assert {(one["DICOMTags"]["DICOMPatientId"], one["isPrimary"]) for one in found} == {("P-1", True), ("P-2", False)}


def test_files_that_are_no_dicom_are_listed_as_failures(aws: Any, bucket: str, datastore: str, run_import: Any) -> None:
    good = ct_file(study=generate_uid(), series=generate_uid())[0]
    job = run_import(datastore, {"good.dcm": good, "cut.dcm": good[:900], "noise.dcm": b"\x00" * 64})
    assert job["jobStatus"] == "COMPLETED"
    lines = read_json_lines(aws, bucket, job["folder"] + "FAILURE/failure.ndjson")
    assert {line["inputFile"].rsplit("/", 1)[1] for line in lines} == {"cut.dcm", "noise.dcm"}
    assert all(line["exception"]["exceptionType"] == "ValidationException" for line in lines)
    assert "Planted" not in json.dumps(lines)


def test_a_role_without_the_right_to_read_fails_the_job(aws: Any, bucket: str, datastore: str, run_import: Any) -> None:
    listing = [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}]
    weak = role_with(aws("iam"), "imaging-no-write", listing)
    body = ct_file(study=generate_uid(), series=generate_uid())[0]
    job = run_import(datastore, {"a.dcm": body}, dataAccessRoleArn=weak)
    assert job["jobStatus"] == "FAILED"
    assert "AccessDenied" in job["message"]


def test_a_role_that_does_not_trust_the_service_is_refused_at_once(
    aws: Any, imaging: Any, datastore: str, run_import: Any
) -> None:
    stranger = role_with(aws("iam"), "imaging-stranger", [], service="lambda")
    with pytest.raises(imaging.exceptions.AccessDeniedException):
        run_import(datastore, {}, dataAccessRoleArn=stranger)


def test_each_action_needs_its_own_right(
    aws: Any, imaging: Any, datastore: str, make_client: Any, embedded_aws: dict[str, str]
) -> None:
    iam = aws("iam")
    iam.create_user(UserName="viewer")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "medical-imaging:GetDatastore", "Resource": "*"}],
    }
    iam.put_user_policy(UserName="viewer", PolicyName="view", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="viewer")["AccessKey"]
    viewer = make_client(
        embedded_aws, "medical-imaging", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    assert viewer.get_datastore(datastoreId=datastore)["datastoreProperties"]["datastoreStatus"] == "ACTIVE"
    with pytest.raises(viewer.exceptions.AccessDeniedException):
        viewer.delete_datastore(datastoreId=datastore)
    with pytest.raises(viewer.exceptions.AccessDeniedException):
        viewer.get_image_set(datastoreId=datastore, imageSetId="0" * 32)


def test_a_data_store_with_image_sets_cannot_be_deleted(imaging: Any, datastore: str, run_import: Any) -> None:
    run_import(datastore, {"a.dcm": ct_file(study=generate_uid(), series=generate_uid())[0]})
    with pytest.raises(imaging.exceptions.ConflictException):
        imaging.delete_datastore(datastoreId=datastore)
    (one,) = imaging.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    imaging.delete_image_set(datastoreId=datastore, imageSetId=one["imageSetId"])
    with pytest.raises(imaging.exceptions.ResourceNotFoundException):
        imaging.get_image_set(datastoreId=datastore, imageSetId=one["imageSetId"])
    assert imaging.delete_datastore(datastoreId=datastore)["datastoreStatus"] == "DELETING"


def test_cloud_control_serves_the_data_store_type(aws: Any, imaging: Any) -> None:
    control, type_name = aws("cloudcontrol"), "AWS::HealthImaging::Datastore"
    event = control.create_resource(TypeName=type_name, DesiredState=json.dumps({"DatastoreName": "by-control"}))[
        "ProgressEvent"
    ]
    assert event["OperationStatus"] == "SUCCESS"
    identifier = event["Identifier"]
    read = control.get_resource(TypeName=type_name, Identifier=identifier)["ResourceDescription"]
    properties = json.loads(read["Properties"])
    assert properties["DatastoreId"] == identifier
    assert properties["DatastoreArn"].endswith(f":datastore/{identifier}")
    assert imaging.get_datastore(datastoreId=identifier)["datastoreProperties"]["datastoreName"] == "by-control"
    control.delete_resource(TypeName=type_name, Identifier=identifier)
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_resource(TypeName=type_name, Identifier=identifier)


@pytest.mark.parametrize("operation", ["copy_image_set", "update_image_set_metadata"])
def test_what_is_not_served_is_refused_by_name(imaging: Any, datastore: str, operation: str) -> None:
    requests = {
        "copy_image_set": {
            "sourceImageSetId": "0" * 32,
            "copyImageSetInformation": {"sourceImageSet": {"latestVersionId": "1"}},
        },
        "update_image_set_metadata": {
            "imageSetId": "0" * 32,
            "latestVersionId": "1",
            "updateImageSetMetadataUpdates": {"revertToVersionId": "1"},
        },
    }
    with pytest.raises(botocore.exceptions.ClientError, match="is not served by the embedded AWS"):
        getattr(imaging, operation)(datastoreId=datastore, **requests[operation])
