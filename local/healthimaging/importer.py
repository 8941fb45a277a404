"""What an import job does: read the prefix as the role, store frames and metadata, write the output manifest.

Order matters for a kill at any moment: frames go to disk first, then one transaction makes them image sets and
notes the results in the job, then the output is written to S3, last the job is COMPLETED. A job found running after
a restart is taken up again: before the transaction from the start, after it from the output on.
"""

from __future__ import annotations

import io
import json
import logging
import time
from typing import NamedTuple

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from local.healthimaging import metadata, pixels
from local.healthimaging.errors import ServiceError
from local.healthimaging.image_sets import ImageSets, Outcome, Prepared
from local.healthimaging.jobs import ImportJobs
from local.healthimaging.ports import Document, Roles, RoleStorage, StorageError, StoredObject
from local.healthimaging.store import Store, new_id

logger = logging.getLogger("local.healthimaging.importer")

FILES_LIMIT = 5_000
JOB_BYTES_LIMIT = 10 * 1024**3
FILE_BYTES_LIMIT = 4 * 1024**3


class JobError(Exception):
    """The whole job fails; the text is its message."""


class Place(NamedTuple):
    """An S3 URI taken apart."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, uri: str) -> Place:
        """Parse s3://bucket/prefix."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return cls(bucket, prefix)


class Importer:
    """Runs one job at a time per call of `run`; callers may use several threads."""

    def __init__(self, store: Store, image_sets: ImageSets, jobs: ImportJobs, roles: Roles) -> None:
        self._store = store
        self._image_sets = image_sets
        self._jobs = jobs
        self._roles = roles

    def run(self, identifier: str) -> None:
        """Bring a job to COMPLETED or FAILED."""
        job = self._store.get("job", identifier)
        if job is None or job["jobStatus"] not in ("SUBMITTED", "IN_PROGRESS"):
            return
        try:
            storage = self._roles.assume(job["dataAccessRoleArn"], f"HealthImaging-{identifier}")
            if job["jobStatus"] == "SUBMITTED":
                job = self._set(job, jobStatus="IN_PROGRESS")
                self._jobs.tell("Import Job In Progress", job)
            if "results" not in job:
                job = self._import(job, storage)
            self._write_output(job, storage)
        except (JobError, StorageError, ServiceError) as error:
            job = self._set(job, jobStatus="FAILED", endedAt=time.time(), message=_message(str(error)))
            self._jobs.tell("Import Job Failed", job)
            return
        job = self._set(job, jobStatus="COMPLETED", endedAt=time.time())
        made = [(one["imageSetId"], one["created"]) for one in job["results"]["imageSets"]]
        self._image_sets.announce(job["datastoreId"], made)
        self._jobs.tell("Import Job Completed", job)

    def _set(self, job: Document, **changed: object) -> Document:
        job = {**job, **changed}
        self._store.put("job", job["jobId"], job, job["datastoreId"])
        return job

    def _import(self, job: Document, storage: RoleStorage) -> Document:
        source = Place.of(job["inputS3Uri"])
        objects = self._scan(storage, source)
        prepared: list[Prepared] = []
        failures: list[Document] = []
        for one in objects:
            try:
                prepared.append(self._prepare(job["datastoreId"], storage, source.bucket, one))
            except (metadata.MetadataError, pixels.PixelError, InvalidDicomError, StorageError) as error:
                failures.append(_failure(one.key, type(error).__name__, error))
            except (ValueError, KeyError, AttributeError, NotImplementedError, EOFError, OSError) as error:
                # pydicom raises these for files that are no proper DICOM; their texts may quote the file.
                failures.append(_failure(one.key, "ParseError", f"The file cannot be parsed ({type(error).__name__})"))
        with self._store.transaction():
            outcomes = self._image_sets.take_in(job["datastoreId"], _last_of_each(prepared))
            return self._set(job, results=_results(len(objects), outcomes, failures))

    def _scan(self, storage: RoleStorage, source: Place) -> list[StoredObject]:
        objects: list[StoredObject] = []
        total = 0
        for one in storage.list(source.bucket, source.prefix):
            if one.key.endswith("/"):
                continue
            objects.append(one)
            total += one.size
            if len(objects) > FILES_LIMIT:
                raise JobError(f"The input has more than {FILES_LIMIT} files")
            if total > JOB_BYTES_LIMIT:
                raise JobError(f"The input has more than {JOB_BYTES_LIMIT} bytes")
        if not objects:
            raise JobError("The input prefix has no files")
        return objects

    def _prepare(self, data_store: str, storage: RoleStorage, bucket: str, one: StoredObject) -> Prepared:
        if one.size > FILE_BYTES_LIMIT:
            raise metadata.MetadataError(f"The file has more than {FILE_BYTES_LIMIT} bytes")
        dataset = dcmread(io.BytesIO(storage.read(bucket, one.key)))
        metadata.check(dataset)
        stored = pixels.stored(dataset, str(dataset.file_meta.TransferSyntaxUID))
        frames: list[tuple[str, str]] = []
        described: list[Document] = []
        for frame in stored.frames:
            identifier = new_id()
            self._store.write_frame(data_store, identifier, frame.data)
            frames.append((identifier, frame.content_type))
            described.append(
                {
                    "ID": identifier,
                    "PixelDataChecksumFromBaseToFullResolution": frame.checksums,
                    "MinPixelValue": frame.minimum,
                    "MaxPixelValue": frame.maximum,
                    "FrameSizeInBytes": len(frame.data),
                }
            )
        return Prepared(
            sources=(one.key,),
            study_uid=str(dataset.StudyInstanceUID),
            series_uid=str(dataset.SeriesInstanceUID),
            instance_uid=str(dataset.SOPInstanceUID),
            fingerprint=metadata.fingerprint(dataset),
            levels=metadata.instance(dataset, stored.stored_syntax, described),
            frames=frames,
        )

    def _write_output(self, job: Document, storage: RoleStorage) -> None:
        place = Place.of(job["outputS3Uri"])
        prefix = place.prefix if not place.prefix or place.prefix.endswith("/") else f"{place.prefix}/"
        folder = f"{prefix}{job['datastoreId']}-DicomImport-{job['jobId']}/"
        results = job["results"]
        base = f"s3://{place.bucket}/{folder}"
        summary = {
            "jobId": job["jobId"],
            "datastoreId": job["datastoreId"],
            "inputS3Uri": job["inputS3Uri"],
            "outputS3Uri": job["outputS3Uri"],
            "successOutputS3Uri": f"{base}SUCCESS/",
            "failureOutputS3Uri": f"{base}FAILURE/",
            "warningsOutputS3Uri": f"{base}WARNING/",
            "numberOfScannedFiles": results["scanned"],
            "numberOfImportedFiles": len(results["success"]),
            "numberOfFilesWithCustomerError": len(results["failure"]),
            "numberOfFilesWithServerError": 0,
            "numberOfGeneratedImageSets": len(results["imageSets"]),
            "imageSetsSummary": [
                {key: one[key] for key in ("imageSetId", "imageSetVersion", "isPrimary", "numberOfMatchedSOPInstances")}
                for one in results["imageSets"]
            ],
        }
        for name in ("success", "failure"):
            if results[name]:
                body = "".join(json.dumps(line) + "\n" for line in results[name]).encode()
                storage.write(place.bucket, f"{folder}{name.upper()}/{name}.ndjson", body, "application/x-ndjson")
        manifest = json.dumps({"jobSummary": summary}).encode()
        storage.write(place.bucket, f"{folder}job-output-manifest.json", manifest, "application/json")


def _last_of_each(prepared: list[Prepared]) -> list[Prepared]:
    """Of several files with one instance UID in a series the last one's content is kept; all count as imported."""
    kept: dict[tuple[str, str, str, str], Prepared] = {}
    for one in prepared:
        key = (one.study_uid, one.series_uid, one.fingerprint, one.instance_uid)
        earlier = kept[key].sources if key in kept else ()
        kept[key] = one._replace(sources=(*earlier, *one.sources))
    return list(kept.values())


def _results(scanned: int, outcomes: list[Outcome], failures: list[Document]) -> Document:
    success = [
        {"inputFile": source, "importResponse": {"imageSetId": outcome.image_set, "isPrimary": outcome.is_primary}}
        for outcome in outcomes
        for one in outcome.instances
        for source in one.sources
    ]
    return {
        "scanned": scanned,
        "success": success,
        "failure": failures,
        "imageSets": [
            {
                "imageSetId": outcome.image_set,
                "imageSetVersion": outcome.version,
                "isPrimary": outcome.is_primary,
                "numberOfMatchedSOPInstances": len(outcome.instances),
                "created": outcome.created,
            }
            for outcome in outcomes
        ],
    }


def _failure(key: str, kind: str, error: object) -> Document:
    exception = {"exceptionType": "ValidationException", "message": f"{kind}: {error}"}
    return {"inputFile": key, "exception": exception}


def _message(text: str) -> str:
    """A job message holds only what the API's pattern allows: word characters, spaces and - : `."""
    return "".join(letter if letter.isalnum() or letter in "_ -:`" else " " for letter in text)[:2048]
