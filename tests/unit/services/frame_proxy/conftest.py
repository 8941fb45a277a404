"""The frame proxy over the HealthImaging stand-in, in one process: real HTTP upstream, real tokens, real frames."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import numpy as np
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from imaging.pseudonym import Pseudonymizer, key_from_secret
from lambda_shared.assignments import Assignment
from local.healthimaging.ports import StoredObject
from local.healthimaging.service import Service
from services.frame_proxy.app import App
from services.frame_proxy.settings import Settings
from services.frame_proxy.wiring import build

ARN_PREFIX = "arn:aws:medical-imaging:us-east-1:111122223333"
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool"
CLIENT = "viewer-client"
SECRET = "ab" * 32
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY, SERIES = "1.2.826.0.1.1", "1.2.826.0.1.1.1"
OTHER_STUDY, OTHER_SERIES = "1.2.826.0.1.2", "1.2.826.0.1.2.1"
READER = "11111111-2222-3333-4444-555555555555"
ANY = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def make_dataset(pixels: np.ndarray | None, **elements: Any) -> Dataset:
    """A CT image; `pixels` rows x columns [x 3], frames first when `NumberOfFrames` is given."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, elements.pop("SOPInstanceUID", None) or generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = "P-1", "Planted^Name", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", "3", "1"
    dataset.StudyDescription, dataset.SeriesDescription = "Chest", "Axial"
    if pixels is not None:
        frames = int(elements.get("NumberOfFrames", 1))
        shape = pixels.shape[1:] if frames > 1 else pixels.shape
        dataset.Rows, dataset.Columns = shape[:2]
        colour = len(shape) == 3
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        bits = pixels.dtype.itemsize * 8
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
        dataset.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
        dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def file_of(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


class _Surroundings:
    """S3, IAM and the event bus of the stand-in, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def assume(self, role_arn: str, session_name: str) -> _Surroundings:
        return self

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        for key, body in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield StoredObject(key, len(body))

    def read(self, bucket: str, key: str) -> bytes:
        return self.objects[key]

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        self.objects[key] = body

    def publish(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        return

    def require(self, action: str, resource: str) -> None:
        return


Fault = Callable[[str], web.Response | Awaitable[web.Response | None] | None]


class Store:
    """HealthImaging over HTTP; `fault(operation path)` may answer instead."""

    def __init__(self, folder: Path) -> None:
        self._surroundings = _Surroundings()
        outside = self._surroundings
        self.service = Service(folder, ARN_PREFIX, events=outside, roles=outside, access=outside)
        self.id: str = self._call("POST", "/datastore", {"clientToken": "store"})["datastoreId"]
        self.fault: Fault = lambda path: None
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._jobs = 0

    def _call(self, method: str, path: str, body: Any) -> Any:
        status, _, answer = self.service.handle(method, path, {}, json.dumps(body).encode())
        assert status == 200, answer
        return json.loads(answer)

    def put(self, *datasets: Dataset) -> None:
        """Import data sets."""
        self._jobs += 1
        folder = f"in/{self._jobs}/"
        for number, dataset in enumerate(datasets):
            self._surroundings.objects[f"{folder}{number}.dcm"] = file_of(dataset)
        request = {
            "dataAccessRoleArn": "arn:aws:iam::111122223333:role/import",
            "clientToken": str(self._jobs),
            "inputS3Uri": f"s3://landing/{folder}",
            "outputS3Uri": "s3://landing/out/",
        }
        job = self._call("POST", f"/startDICOMImportJob/datastore/{self.id}", request)["jobId"]
        self.service.run_waiting_jobs()
        done = json.loads(self.service.handle("GET", f"/getDICOMImportJob/datastore/{self.id}/job/{job}", {}, b"")[2])
        assert done["jobProperties"]["jobStatus"] == "COMPLETED", done
        failures = [key for key in self._surroundings.objects if "FAILURE" in key]
        assert not failures, self._surroundings.objects[failures[0]]

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        self.headers.append(dict(request.headers))
        instead = self.fault(request.path)
        if instead is not None and not isinstance(instead, web.Response):
            instead = await instead
        if instead is not None:
            return instead
        body = await request.read()
        query = {name: request.query.getall(name) for name in request.query}
        status, headers, answer = await asyncio.to_thread(
            self.service.handle, request.method, request.path, query, body
        )
        return web.Response(status=status, headers=headers, body=answer)

    def called(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(path.endswith(operation) for path in self.calls)


@dataclass
class Rights:
    """The assignments table."""

    held: dict[str, list[Assignment]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: Exception | None = None

    def assign(self, reader: str, patient_id: str, until: str = "") -> None:
        key = Pseudonymizer(key_from_secret(SECRET)).pseudonym("patient", patient_id)
        right = Assignment(reader=reader, patient_key=key, assigned_by="boss", assigned_at="2026", until=until)
        self.held.setdefault(reader, []).append(right)

    def patients_of(self, reader: str) -> Iterable[Assignment]:
        self.asked.append(reader)
        if self.failing is not None:
            raise self.failing
        return list(self.held.get(reader, []))


@dataclass
class Records:
    """The audit log."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    failing: Exception | None = None

    def write(self, lines: list[tuple[int, str]]) -> None:
        if self.failing is not None:
            raise self.failing
        self.lines += [json.loads(line) for _, line in lines]

    def outcomes(self, action: str) -> list[str]:
        return [line["outcome"] for line in self.lines if line["action"] == action]


class Pool:
    """A Cognito user pool: a key pair and the tokens it signs."""

    def __init__(self, key_id: str = "key-1") -> None:
        self.key_id = key_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self) -> dict[str, Any]:
        found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {**found, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def token(self, **changed: Any) -> str:
        """An access token; a claim changed to None is left out."""
        claims = {
            "sub": READER,
            "iss": ISSUER,
            "client_id": CLIENT,
            "token_use": "access",
            "exp": int(time.time()) + 3600,
            "cognito:groups": ["radiologist"],
            **changed,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="RS256", headers={"kid": self.key_id})


@pytest.fixture(scope="session")
def pool() -> Pool:
    return Pool()


@pytest.fixture
def rights() -> Rights:
    found = Rights()
    found.assign(READER, "P-1")
    return found


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """HealthImaging, empty."""
    found = Store(tmp_path / "store")
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{tail:.*}", found.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


Start = Callable[..., Awaitable["Client"]]


class Client:
    """A person's browser."""

    def __init__(self, app: App, token: str) -> None:
        self.app = app
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="https://viewer.example",
            headers={"Authorization": f"Bearer {token}", "Accept": ANY},
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.get(f"/dicom-web{path}", headers=named)


@pytest.fixture
def secrets(tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pool's public keys and the key of the pseudonyms; AWS keys in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [pool.public()]}))
    (tmp_path / "key").write_text(SECRET)
    return tmp_path


@pytest.fixture
async def start(store: Store, rights: Rights, records: Records, pool: Pool, secrets: Path) -> AsyncIterator[Start]:
    """`await start(**settings)`: the proxy over the store, as a client of the assigned reader."""
    running: list[Any] = []

    async def begin(token: str | None = None, **changed: Any) -> Client:
        values = {
            "region": "us-east-1",
            "datastore_id": store.id,
            "endpoint_url": store.url,
            "dicomweb_endpoint_url": store.url,
            "issuer": ISSUER,
            "client_ids": [CLIENT],
            "jwks_file": str(secrets / "jwks.json"),
            "assignments_table": "assignments",
            "pseudonym_key_file": str(secrets / "key"),
            "audit_file": str(secrets / "audit.jsonl"),
            "audit_flush_seconds": 0.02,
            "scope_seconds": 0,
            "directory_seconds": 0.2,
            **changed,
        }
        app = build(Settings.model_validate(values), assignments=rights, sink=records)
        life = app.lifespan(app)
        await life.__aenter__()
        running.append(life)
        while not app.services.directory.is_listed and not changed.get("no_wait"):
            await asyncio.sleep(0.005)
        return Client(app, pool.token() if token is None else token)

    yield begin
    for life in running:
        await life.__aexit__(None, None, None)


@pytest.fixture
def dataset() -> Callable[..., Dataset]:
    return make_dataset
