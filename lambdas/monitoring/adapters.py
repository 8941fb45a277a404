"""The ports over boto3."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lambda_shared.errors import PlatformError, aws_code, aws_errors
from lambda_shared.tracking import TrackingTable
from monitoring.ports import Retrieval, Upload
from monitoring.report import Report


class S3Uploads:
    """`Uploads` over the training-data bucket."""

    def __init__(self, s3_client: Any, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def listing(self) -> Iterator[Upload]:
        """Every current object below upload/."""
        for item in self._objects("upload/"):
            yield Upload(
                key=item["Key"], etag=item["ETag"].strip('"'), size=item["Size"], received_at=item["LastModified"]
            )

    def stored_bytes(self) -> int:
        """Bytes of all current objects in the bucket's data folders."""
        return sum(
            item["Size"] for folder in ("upload/", "validated/", "quarantine/") for item in self._objects(folder)
        )

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        return listed(self._s3, self._bucket, prefix)


def listed(s3_client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Current objects below a prefix."""
    request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        with aws_errors("ListObjectsV2"):
            page = s3_client.list_objects_v2(**request)
        yield from page.get("Contents", [])
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


def image_set_metadata(imaging: Any, datastore_id: str, image_set_id: str) -> Any:
    """The metadata document of an image set."""
    with aws_errors("GetImageSetMetadata"):
        blob = imaging.get_image_set_metadata(datastoreId=datastore_id, imageSetId=image_set_id)
    return json.loads(gzip.decompress(blob["imageSetMetadataBlob"].read()))


class S3Copies:
    """`Copies` over both buckets: names only, no object is read."""

    def __init__(self, s3_client: Any, *, phi_bucket: str, research_bucket: str) -> None:
        self._s3 = s3_client
        self._phi_bucket = phi_bucket
        self._research_bucket = research_bucket

    def validated(self, study_key: str) -> set[str]:
        """Keys of the copies for the archive."""
        return {item["Key"] for item in listed(self._s3, self._phi_bucket, f"validated/{study_key}/")}

    def deidentified(self, patient_key: str, study_key: str) -> set[str]:
        """Keys of the research copies."""
        prefix = f"deidentified/{patient_key}/{study_key}/"
        return {item["Key"] for item in listed(self._s3, self._research_bucket, prefix)}


class S3Reports:
    """`Reports` as a pair of objects below reports/reconcile/ of the PHI zone: ids there lead to patients."""

    def __init__(self, s3_client: Any, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def put(self, report: Report) -> str:
        """Keep a report; answers the key of its JSON form."""
        key = f"reports/reconcile/{report.at}"
        for suffix, content_type, body in (
            ("txt", "text/plain; charset=utf-8", report.as_text().encode()),
            ("json", "application/json", report.as_json()),
        ):
            with aws_errors("PutObject"):
                self._s3.put_object(Bucket=self._bucket, Key=f"{key}.{suffix}", Body=body, ContentType=content_type)
        return f"{key}.json"


class HealthImagingArchive:
    """`Archive` over HealthImaging's metadata; nothing of it is kept but a number."""

    def __init__(self, imaging_client: Any, datastore_id: str) -> None:
        self._imaging = imaging_client
        self._datastore_id = datastore_id

    def instances(self, image_set_id: str) -> int | None:
        """How many instances an image set has; None when there is no such set."""
        try:
            metadata = image_set_metadata(self._imaging, self._datastore_id, image_set_id)
        except Exception as error:
            if aws_code(error) == "ResourceNotFoundException":
                return None
            raise
        return sum(len(series["Instances"]) for series in metadata["Study"]["Series"].values())


class IngestionWorkflow:
    """`Workflow` over Step Functions and SQS."""

    def __init__(
        self, sfn_client: Any, sqs_client: Any, *, state_machine_arn: str, queue_url: str, bucket: str
    ) -> None:
        self._sfn = sfn_client
        self._sqs = sqs_client
        self._state_machine_arn = state_machine_arn
        self._queue_url = queue_url
        self._bucket = bucket

    def start(self, uploads: list[Upload], name: str) -> bool:
        """Drive uploads again under an execution name; False when that execution exists already."""
        objects = [
            {"bucket": self._bucket, "key": upload.key, "etag": upload.etag, "size": upload.size} for upload in uploads
        ]
        try:
            with aws_errors("StartExecution"):
                self._sfn.start_execution(
                    stateMachineArn=self._state_machine_arn, name=name, input=json.dumps({"objects": objects})
                )
        except Exception as error:
            if aws_code(error) == "ExecutionAlreadyExists":
                return False
            raise
        return True

    def queue_import(self, study_key: str, enqueued_at: str) -> None:
        """Ask again for a study's import."""
        body = json.dumps({"study_key": study_key, "enqueued_at": enqueued_at}, sort_keys=True)
        with aws_errors("SendMessage"):
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)


def _raw_bytes(attributes: Mapping[str, Any]) -> int:
    """Bytes of one frame's pixels as they would lie uncompressed (PS3.3 C.7.6.3)."""
    samples = int(attributes.get("SamplesPerPixel") or 1)
    return int(attributes["Rows"]) * int(attributes["Columns"]) * samples * int(attributes["BitsAllocated"]) // 8


class AwsProbes:
    """`Probes` over the services themselves."""

    def __init__(
        self,
        clients: dict[str, Any],
        tracking: TrackingTable,
        *,
        datastore_id: str,
        state_machine_arn: str,
        queue_url: str,
    ) -> None:
        self._clients = clients
        self._tracking = tracking
        self._datastore_id = datastore_id
        self._state_machine_arn = state_machine_arn
        self._queue_url = queue_url

    def data_store(self) -> None:
        """The HealthImaging data store is ACTIVE."""
        with aws_errors("GetDatastore"):
            found = self._clients["medical-imaging"].get_datastore(datastoreId=self._datastore_id)
        _require(found["datastoreProperties"]["datastoreStatus"], "ACTIVE", "DATASTORE")

    def tracking_table(self) -> None:
        """The tracking table answers."""
        self._tracking.statuses(["health-check"])

    def state_machine(self) -> None:
        """The ingestion state machine is ACTIVE."""
        with aws_errors("DescribeStateMachine"):
            found = self._clients["stepfunctions"].describe_state_machine(stateMachineArn=self._state_machine_arn)
        _require(found["status"], "ACTIVE", "STATE_MACHINE")

    def import_queue(self) -> None:
        """The import queue answers."""
        with aws_errors("GetQueueAttributes"):
            self._clients["sqs"].get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["ApproximateNumberOfMessages"]
            )

    def retrieval(self) -> Retrieval | None:
        """One image frame read from the data store; None while the store holds none."""
        imaging = self._clients["medical-imaging"]
        frame = self._any_frame(imaging)
        if frame is None:
            return None
        image_set_id, frame_id, raw_bytes = frame
        begin = time.perf_counter()
        with aws_errors("GetImageFrame"):
            answer = imaging.get_image_frame(
                datastoreId=self._datastore_id,
                imageSetId=image_set_id,
                imageFrameInformation={"imageFrameId": frame_id},
            )
            blob = answer["imageFrameBlob"].read()
        milliseconds = (time.perf_counter() - begin) * 1000
        return Retrieval(milliseconds=milliseconds, compression_ratio=raw_bytes / max(len(blob), 1))

    def _any_frame(self, imaging: Any) -> tuple[str, str, int] | None:
        """Image set, frame, and the bytes of its pixels before compression."""
        with aws_errors("SearchImageSets"):
            found = imaging.search_image_sets(datastoreId=self._datastore_id, maxResults=1)
        for summary in found["imageSetsMetadataSummaries"]:
            image_set_id = str(summary["imageSetId"])
            metadata = image_set_metadata(imaging, self._datastore_id, image_set_id)
            for series in metadata["Study"]["Series"].values():
                for instance in series["Instances"].values():
                    frames: list[Any] = instance.get("ImageFrames") or []
                    if frames:
                        return image_set_id, str(frames[0]["ID"]), _raw_bytes(instance["DICOM"])
        return None

    def last_audit_delivery(self) -> datetime | None:
        """When CloudTrail last delivered a log file; None when no trail is readable here.

        A trail takes some minutes to its first delivery: until then the time it was started counts, so that a new
        stack is measured from its first health check on and a trail that never delivers is late all the same.
        """
        trail_client = self._clients["cloudtrail"]
        with aws_errors("DescribeTrails"):
            trails = trail_client.describe_trails(includeShadowTrails=False)["trailList"]
        times: list[datetime] = []
        for trail in trails:
            try:
                with aws_errors("GetTrailStatus"):
                    status = trail_client.get_trail_status(Name=trail["TrailARN"])
            except Exception as error:
                if aws_code(error).startswith("AccessDenied"):
                    continue  # another team's trail: the role may read the platform's own only
                raise
            since = status.get("LatestDeliveryTime") or status.get("StartLoggingTime")
            if status.get("IsLogging") and since:
                times.append(since)
        return max(times, default=None)


def _require(actual: str, wanted: str, code: str) -> None:
    if actual != wanted:
        raise PlatformError(f"{code}_{actual}", f"the state is not {wanted}")
