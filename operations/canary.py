"""One invented image through the whole way of a running stack, and out of it again without a trace.

Upload, validation, de-identification, import, one frame read back; then the image set, every version of every object
and the tracked item are removed and looked for once more. It needs the rights of an operator who may delete images; it
counts as one image in the metrics, and the audit trail keeps what was done.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from botocore.exceptions import ClientError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from lambda_shared.tracking import FINAL, TrackedImage, object_id
from operations.stack import account, prefix

SIDE: Final = 64
"""Rows and columns of the image: small enough to be quick, large enough to be coded."""
Say = Callable[[str], None]


class CanaryError(RuntimeError):
    """The image did not come through; the message says how far it came."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where one stack keeps images: names by the rule of `components/_base.py`."""

    landing: str
    research: str
    table: str

    @classmethod
    def of(cls, stack: str) -> Store:
        """By the stack's name; asks AWS for the account."""
        begin, owner = prefix(stack), account()
        return cls(
            landing=f"{begin}-training-data-{owner}",
            research=f"{begin}-preprocessed-{owner}",
            table=f"{begin}-image-tracking",
        )


@dataclass
class Canary:
    """One flight; `client` makes a client of a service, `seconds` tells when each stage was reached."""

    store: Store
    client: Callable[[str], Any]
    say: Say
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _began: float = 0.0
    _last: TrackedImage | None = None

    def fly(self, limit_seconds: float) -> None:
        """The whole way. Raises CanaryError when it was refused or is not there in time."""
        self._began = time.monotonic()
        data = image()
        key = f"upload/canary-{secrets.token_hex(16)}.dcm"
        try:
            identity = self._upload(key, data)
            found = self._wait(identity, limit_seconds)
            self._read(found)
        finally:
            self._last = self._last or TrackedImage(object_id="", upload_key=key)
            self._remove(self._last)
        left = [*self._left(self._last)]
        if left:
            raise CanaryError(f"removed, and still there: {', '.join(left)}")
        self._reached("removed")

    def _upload(self, key: str, data: bytes) -> str:
        """By a presigned address, as every sender does. Answers the object's id in the table."""
        s3 = self.client("s3")
        request = {"Bucket": self.store.landing, "Key": key, "ContentType": "application/dicom"}
        address = s3.generate_presigned_url("put_object", Params=request, ExpiresIn=300)
        sent = urllib.request.Request(  # noqa: S310  (boto3 made the address)
            address, data=data, method="PUT", headers={"Content-Type": "application/dicom"}
        )
        trust = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
        try:
            with urllib.request.urlopen(sent, timeout=60, context=trust) as answer:  # noqa: S310
                etag = answer.headers["ETag"].strip('"')
        except urllib.error.URLError as error:
            raise CanaryError(f"the upload was refused: {error.reason}") from error
        identity = object_id(self.store.landing, key, etag)
        self._last = TrackedImage(object_id=identity, upload_key=key)
        self._reached("uploaded")
        return identity

    def _wait(self, identity: str, limit_seconds: float) -> TrackedImage:
        table = self.client("dynamodb")
        status = "not seen"
        while time.monotonic() - self._began < limit_seconds:
            item = table.get_item(
                TableName=self.store.table, Key={"object_id": {"S": identity}}, ConsistentRead=True
            ).get("Item")
            if item:
                self._last = found = TrackedImage.from_item(_plain(item))
                if found.status != status:
                    status = found.status
                    self._reached(status.lower())
                if found.status in FINAL:
                    return self._accepted(found)
            time.sleep(1)
        raise CanaryError(
            f"after {limit_seconds:.0f} s it is {status}: look at the ingestion's executions. What was "
            "there is removed; an import under way can still bring it: `python -m operations reconcile --full` tells"
        )

    @staticmethod
    def _accepted(found: TrackedImage) -> TrackedImage:
        if found.status != "IMPORTED":
            raise CanaryError(f"it was put aside: {found.reason_code}")
        if found.deid_status != "DEIDENTIFIED":
            raise CanaryError(f"its research copy was not made: {found.deid_status}")
        return found

    def _read(self, found: TrackedImage) -> None:
        """The research copy is there, and the archive hands out the one frame."""
        self.client("s3").head_object(Bucket=self.store.research, Key=found.processed_key)
        archive = self.client("medical-imaging")
        place = {"datastoreId": found.datastore_id, "imageSetId": found.image_set_id}
        told = archive.get_image_set_metadata(**place)["imageSetMetadataBlob"].read()
        frame = next(_frames(json.loads(gzip.decompress(told))))
        blob = archive.get_image_frame(**place, imageFrameInformation={"imageFrameId": frame})["imageFrameBlob"].read()
        if not blob:
            raise CanaryError("the archive hands out an empty frame")
        self._reached("read back")

    def _remove(self, found: TrackedImage) -> None:
        if found.image_set_id:
            with suppress(self.client("medical-imaging").exceptions.ResourceNotFoundException):
                self.client("medical-imaging").delete_image_set(
                    datastoreId=found.datastore_id, imageSetId=found.image_set_id
                )
        s3 = self.client("s3")
        for bucket, key, version in self._versions(found):
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
        if found.object_id:
            self.client("dynamodb").delete_item(TableName=self.store.table, Key={"object_id": {"S": found.object_id}})

    def _versions(self, found: TrackedImage) -> Iterator[tuple[str, str, str]]:
        """(bucket, key, version) of everything that this image became, deletion markers too."""
        landing, research = self.store.landing, self.store.research
        prefixes = [(landing, found.upload_key), (landing, found.validated_key), (research, found.processed_key)]
        prefixes += [(landing, f"import-input/{found.import_token}/")] if found.import_token else []
        for bucket, begin in prefixes:
            if begin:
                pages = self.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=begin)
                for page in pages:
                    for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                        yield bucket, one["Key"], one["VersionId"]

    def _left(self, found: TrackedImage) -> Iterator[str]:
        yield from (f"s3://{bucket}/{key}" for bucket, key, _ in self._versions(found))
        table = self.client("dynamodb")
        if table.get_item(TableName=self.store.table, Key={"object_id": {"S": found.object_id}}).get("Item"):
            yield "the tracked item"
        if found.image_set_id and self._archived(found):
            yield "the image set"

    def _archived(self, found: TrackedImage) -> bool:
        """Deleting an image set takes the archive a moment, in which it says so."""
        archive = self.client("medical-imaging")
        try:
            told = archive.get_image_set(datastoreId=found.datastore_id, imageSetId=found.image_set_id)
        except archive.exceptions.ResourceNotFoundException:
            return False
        except ClientError as error:
            raise CanaryError(
                f"the archive does not say whether it is gone: {error.response['Error']['Code']}"
            ) from error
        return told["imageSetState"] != "DELETED" and told.get("imageSetWorkflowStatus") not in {"DELETING", "DELETED"}

    def _reached(self, stage: str) -> None:
        self.seconds[stage] = round(time.monotonic() - self._began, 1)
        self.say(f"  {self.seconds[stage]:6.1f} s  {stage}")


def image() -> bytes:
    """A CT image of nobody: a gradient of 64 x 64, a patient whose name says what it is, new identifiers each time."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = Dataset()
    made.file_meta = meta
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = (generate_uid() for _ in range(3))
    made.PatientName, made.PatientID = "CANARY^VALIDATION", f"CANARY-{secrets.token_hex(8)}"
    made.PatientBirthDate, made.PatientSex = "19000101", "O"
    made.StudyDate = made.SeriesDate = made.ContentDate = f"{datetime.now(UTC):%Y%m%d}"
    made.StudyTime = made.SeriesTime = made.ContentTime = "120000"
    made.Modality, made.StudyID, made.AccessionNumber = "CT", "1", "CANARY"
    made.Manufacturer, made.SeriesNumber, made.InstanceNumber = "healthcare-imaging-mlops", 1, 1
    made.ReferringPhysicianName, made.PositionReferenceIndicator, made.AcquisitionNumber = "", "", 1
    made.ImageType, made.KVP, made.SliceThickness = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, 1
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    made.PixelSpacing, made.RescaleIntercept, made.RescaleSlope, made.RescaleType = [1, 1], -1024, 1, "HU"
    made.Rows = made.Columns = SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation, made.BurnedInAnnotation = 1, "MONOCHROME2", "NO"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = (np.arange(SIDE * SIDE, dtype="<u2") % 4096).tobytes()
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _frames(metadata: dict[str, Any]) -> Iterator[str]:
    """Ids of the frames in the archive's document of an image set."""
    for series in metadata["Study"]["Series"].values():
        for instance in series["Instances"].values():
            yield from (one["ID"] for one in instance["ImageFrames"])


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """A DynamoDB item without its type letters."""
    kinds: dict[str, Callable[[Any], Any]] = {"S": str, "N": lambda text: int(float(text)), "BOOL": bool}
    return {key: kinds[kind](value) for key, typed in item.items() for kind, value in typed.items() if kind in kinds}
