"""The HealthImaging service with its surroundings in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from local.healthimaging.errors import AccessDeniedError
from local.healthimaging.ports import StorageError, StoredObject
from local.healthimaging.service import Service

ARN_PREFIX = "arn:aws:medical-imaging:us-east-1:111122223333"
ROLE = "arn:aws:iam::111122223333:role/import"
CT = "1.2.840.10008.5.1.4.1.1.2"


class Surroundings:
    """S3, IAM and the event bus, as dictionaries and lists."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.sizes: dict[str, int] = {}
        self.events: list[tuple[str, dict[str, Any], list[str]]] = []
        self.denied_actions: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.trusted = True
        self.refused_operation = ""

    # Roles and RoleStorage
    def assume(self, role_arn: str, session_name: str) -> Surroundings:
        if not self.trusted:
            raise AccessDeniedError("The dataAccessRoleArn cannot be assumed")
        return self

    def _check(self, operation: str) -> None:
        if self.refused_operation == operation:
            raise StorageError("AccessDenied", operation)

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        self._check("ListObjectsV2")
        for (place, key), body in sorted(self.objects.items()):
            if place == bucket and key.startswith(prefix):
                yield StoredObject(key, self.sizes.get(key, len(body)))

    def read(self, bucket: str, key: str) -> bytes:
        self._check("GetObject")
        return self.objects[(bucket, key)]

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        self._check("PutObject")
        self.objects[(bucket, key)] = body

    # Events
    def publish(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        self.events.append((detail_type, detail, resources))

    # Access
    def require(self, action: str, resource: str) -> None:
        self.asked.append((action, resource))
        if action in self.denied_actions:
            raise AccessDeniedError(f"not authorized to perform: {action}")

    def told(self, word: str) -> list[str]:
        """Detail types of the events so far that hold a word."""
        return [name for name, _, _ in self.events if word in name]


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings()


@pytest.fixture
def make_service(tmp_path: Path, surroundings: Surroundings) -> Callable[[], Service]:
    """A service over the same folder each time, as after a restart."""
    return lambda: Service(tmp_path, ARN_PREFIX, events=surroundings, roles=surroundings, access=surroundings)


class Api:
    """Calls by operation, answers as parsed JSON; an error answer raises RefusedError."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        status, headers, answer = self.service.handle(method, path, {k: [v] for k, v in query.items()}, sent)
        if status != 200:
            raise RefusedError(status, headers["x-amzn-errortype"], json.loads(answer)["message"])
        is_json = headers.get("Content-Type") == "application/json" and "Content-Encoding" not in headers
        return json.loads(answer) if is_json else answer

    def create(self, client: str = "first", **settings: Any) -> str:
        return self.call("POST", "/datastore", {"clientToken": client, **settings})["datastoreId"]

    def start(self, datastore: str, client: str = "job-1", **changed: Any) -> str:
        body = {
            "dataAccessRoleArn": ROLE,
            "clientToken": client,
            "inputS3Uri": "s3://landing/in/",
            "outputS3Uri": "s3://landing/out/",
            **changed,
        }
        return self.call("POST", f"/startDICOMImportJob/datastore/{datastore}", body)["jobId"]

    def job(self, datastore: str, job: str) -> Any:
        return self.call("GET", f"/getDICOMImportJob/datastore/{datastore}/job/{job}")["jobProperties"]

    def search(self, datastore: str, criteria: Any = None, **query: str) -> Any:
        return self.call("POST", f"/datastore/{datastore}/searchImageSets", criteria, **query)


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


@pytest.fixture
def refused() -> type[RefusedError]:
    return RefusedError


@pytest.fixture
def api(make_service: Callable[[], Service]) -> Api:
    return Api(make_service())


@pytest.fixture
def make_api() -> type[Api]:
    return Api


def make_dataset(
    pixels: np.ndarray | None,
    *,
    study: str = "1.2.3",
    series: str = "1.2.3.4",
    instance: str | None = None,
    patient: str = "P-1",
    syntax: str = ExplicitVRLittleEndian,
    **elements: Any,
) -> Dataset:
    """A CT image; `pixels` rows x columns, frames first if three-dimensional."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, instance or generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientID, dataset.PatientName = patient, "Planted^Name"
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260102", "101112", "CT"
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape[-2:]
        dataset.NumberOfFrames = pixels.shape[0] if pixels.ndim == 3 else 1
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        bits = pixels.dtype.itemsize * 8
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
        dataset.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def file_of(dataset: Dataset) -> bytes:
    """The DICOM file of a data set."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def dataset_of() -> Callable[..., Dataset]:
    return make_dataset


@pytest.fixture
def dicom() -> Callable[..., bytes]:
    """`dicom(**elements)`: the file of a small CT image."""
    pixels = np.arange(64 * 32, dtype=np.int16).reshape(64, 32) - 1024
    return lambda **elements: file_of(make_dataset(elements.pop("pixels", pixels), **elements))
