"""The ports over boto3. Keys and URIs that pass here are opaque or pseudonymous; nothing is logged."""

from __future__ import annotations

import json
from typing import Any

from image_ingestion.batches import INPUT_FOLDER
from image_ingestion.ports import ImportJob, ImportThrottledError, StoredObject
from lambda_shared.errors import THROTTLE_CODES, TransientError, aws_code, aws_errors, http_status

NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
JOB_NAME_LENGTH = 64


class S3Store:
    """`ObjectStore` over an S3 client."""

    def __init__(self, s3_client: Any) -> None:
        self._s3 = s3_client

    def locate(self, bucket: str, key: str, etag: str) -> StoredObject | None:
        """The version with that ETag ("" = the current one), even if it was overwritten; None when there is none."""
        try:
            with aws_errors("HeadObject"):
                head = self._s3.head_object(Bucket=bucket, Key=key)
        except Exception as error:
            # 403 is how S3 answers for an absent object when the role may not list the bucket.
            if aws_code(error) not in NOT_FOUND and http_status(error) not in {403, 404}:
                raise
            head = None
        if head is not None and etag in {"", head["ETag"].strip('"')}:
            # Without its version id: reading the current version must not need the right to read old ones.
            return _stored(bucket, key, head["ETag"], head["ContentLength"], None)
        return self._older_version(bucket, key, etag)

    def _older_version(self, bucket: str, key: str, etag: str) -> StoredObject | None:
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": key}
        while True:
            try:
                with aws_errors("ListObjectVersions"):
                    page = self._s3.list_object_versions(**request)
            except Exception as error:
                if http_status(error) == 403:
                    return None  # a role that may not list versions has no older ones
                raise
            for version in page.get("Versions", []):
                if version["Key"] == key and etag in {"", version["ETag"].strip('"')}:
                    return _stored(bucket, key, version["ETag"], version["Size"], version.get("VersionId"))
            if not page.get("IsTruncated"):
                return None
            request["KeyMarker"] = page["NextKeyMarker"]
            request["VersionIdMarker"] = page["NextVersionIdMarker"]

    def read(self, stored: StoredObject) -> bytes:
        """The bytes of exactly that version."""
        request: dict[str, Any] = {"Bucket": stored.bucket, "Key": stored.key, "IfMatch": stored.etag}
        if stored.version_id:
            request["VersionId"] = stored.version_id
        try:
            with aws_errors("GetObject"):
                data: bytes = self._s3.get_object(**request)["Body"].read()
        except Exception as error:
            if http_status(error) in {404, 412}:
                raise TransientError("OBJECT_CHANGED", "the object changed between two reads") from None
            raise
        return data

    def copy(self, stored: StoredObject, bucket: str, key: str) -> None:
        """Copy exactly that version. Metadata and tags of the sender are dropped: they may name a person."""
        source = {"Bucket": stored.bucket, "Key": stored.key}
        if stored.version_id:
            source["VersionId"] = stored.version_id
        try:
            with aws_errors("CopyObject"):
                self._s3.copy_object(
                    Bucket=bucket,
                    Key=key,
                    CopySource=source,
                    CopySourceIfMatch=stored.etag,
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",
                    ContentType="application/dicom",
                )
        except Exception as error:
            if http_status(error) in {404, 412}:
                raise TransientError("OBJECT_CHANGED", "the object changed between two reads") from None
            raise

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object."""
        with aws_errors("PutObject"):
            self._s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)

    def read_if_exists(self, bucket: str, key: str) -> bytes | None:
        """The bytes of the current version; None when there is no such object."""
        try:
            with aws_errors("GetObject"):
                data: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            if aws_code(error) in NOT_FOUND:
                return None
            raise
        return data


def _stored(bucket: str, key: str, etag: str, size: int, version_id: str | None) -> StoredObject:
    # S3 calls the one version of an unversioned bucket "null".
    known = "" if version_id in {None, "null"} else str(version_id)
    return StoredObject(bucket=bucket, key=key, etag=etag.strip('"'), size=int(size), version_id=known)


class HealthImagingImports:
    """`ImportService` over the HealthImaging control plane (medical-imaging, API 2023-07-19)."""

    def __init__(self, imaging_client: Any, *, datastore_id: str, role_arn: str, bucket: str) -> None:
        self._client = imaging_client
        self._datastore_id = datastore_id
        self._role_arn = role_arn
        self._bucket = bucket

    def start(self, token: str) -> str:
        """Start the import of a batch's folder, once per token; answers the job id. Raises ImportThrottledError."""
        try:
            with aws_errors("StartDICOMImportJob"):
                answer = self._client.start_dicom_import_job(
                    jobName=f"batch-{token}"[:JOB_NAME_LENGTH],
                    dataAccessRoleArn=self._role_arn,
                    clientToken=token,
                    datastoreId=self._datastore_id,
                    inputS3Uri=f"s3://{self._bucket}/{INPUT_FOLDER}/{token}/",
                    outputS3Uri=f"s3://{self._bucket}/import-output/",
                )
        except TransientError as error:
            if error.code in THROTTLE_CODES:
                raise ImportThrottledError from None
            raise
        return str(answer["jobId"])

    def job(self, job_id: str) -> ImportJob | None:
        """A job's state; None when the service no longer lists it (90 days)."""
        try:
            with aws_errors("GetDICOMImportJob"):
                found = self._client.get_dicom_import_job(datastoreId=self._datastore_id, jobId=job_id)
        except Exception as error:
            if aws_code(error) == "ResourceNotFoundException":
                return None
            raise
        properties = found["jobProperties"]
        return ImportJob(
            job_id=job_id,
            status=str(properties["jobStatus"]),
            input_uri=str(properties["inputS3Uri"]),
            output_uri=str(properties["outputS3Uri"]),
        )


class SqsImportQueue:
    """`ImportQueue` over SQS."""

    def __init__(self, sqs_client: Any, queue_url: str) -> None:
        self._sqs = sqs_client
        self._queue_url = queue_url

    def send(self, study_key: str, enqueued_at: str, delay_seconds: int, object_id: str | None = None) -> None:
        """Queue a study, on account of one object or as a whole; the message becomes visible after the delay."""
        message = {"study_key": study_key, "enqueued_at": enqueued_at, "object_id": object_id}
        body = json.dumps({name: value for name, value in message.items() if value}, sort_keys=True)
        with aws_errors("SendMessage"):
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body, DelaySeconds=delay_seconds)


class SqsDeliveries:
    """`Deliveries` over SQS: the queues' addresses by the last part of their ARNs."""

    def __init__(self, sqs_client: Any, queue_urls: list[str]) -> None:
        self._sqs = sqs_client
        self._urls = {url.rsplit("/", 1)[-1]: url for url in queue_urls}

    def delay(self, queue_arn: str, receipt: str, seconds: int) -> None:
        """Let a failed message come again after this time instead of the queue's whole visibility timeout."""
        with aws_errors("ChangeMessageVisibility"):
            self._sqs.change_message_visibility(
                QueueUrl=self._urls[queue_arn.rsplit(":", 1)[-1]], ReceiptHandle=receipt, VisibilityTimeout=seconds
            )


class StateMachine:
    """`Workflow` over Step Functions."""

    def __init__(self, sfn_client: Any, state_machine_arn: str) -> None:
        self._sfn = sfn_client
        self._arn = state_machine_arn

    def start(self, objects: list[dict[str, Any]], name: str) -> None:
        """Start an execution over object references; one of that name that exists is as good."""
        try:
            with aws_errors("StartExecution"):
                self._sfn.start_execution(
                    stateMachineArn=self._arn, name=name, input=json.dumps({"objects": objects}, sort_keys=True)
                )
        except Exception as error:
            if aws_code(error) != "ExecutionAlreadyExists":
                raise


def read_secret(secrets_client: Any, secret_arn: str) -> str:
    """The text of a secret."""
    with aws_errors("GetSecretValue"):
        return str(secrets_client.get_secret_value(SecretId=secret_arn)["SecretString"])
