"""`python -m bench.frames.healthimaging FOLDER PORT READER`: the HealthImaging stand-in with a folder of files.

It also answers the one DynamoDB query that the frame proxy makes, with the files' patients assigned to READER, so
that a bench needs no embedded AWS.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from pydicom import dcmread

from imaging.pseudonym import Pseudonymizer
from local.healthimaging.ports import StoredObject
from local.healthimaging.service import Service

DATASTORE = "0" * 32
KEY = bytes.fromhex("cd" * 32)


class _Files:
    """S3, IAM and the event bus: the folder's files, everything allowed, nobody told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def assume(self, role_arn: str, session_name: str) -> _Files:
        return self

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        yield from (StoredObject(one.name, one.stat().st_size) for one in sorted(self._folder.iterdir()))

    def read(self, bucket: str, key: str) -> bytes:
        return (self._folder / key).read_bytes()

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        return

    def publish(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        return

    def require(self, action: str, resource: str) -> None:
        return


def store(folder: Path, state: Path) -> tuple[Service, str]:
    """(service, id of the data store) with every file of the folder imported."""
    files = _Files(folder)
    service = Service(state, "arn:aws:medical-imaging:us-east-1:111122223333", events=files, roles=files, access=files)
    made = service.handle("POST", "/datastore", {}, b'{"clientToken": "bench"}')[2]
    datastore = str(json.loads(made)["datastoreId"])
    job = {
        "dataAccessRoleArn": "arn:aws:iam::111122223333:role/import",
        "clientToken": "bench",
        "inputS3Uri": "s3://landing/",
        "outputS3Uri": "s3://landing/out/",
    }
    service.handle("POST", f"/startDICOMImportJob/datastore/{datastore}", {}, json.dumps(job).encode())
    service.run_waiting_jobs()
    return service, datastore


def serve(folder: Path, port: int, reader: str) -> None:
    """Serve until the process is ended."""
    state = tempfile.TemporaryDirectory(prefix="healthimaging-bench-")
    service, datastore = store(folder, Path(state.name))
    patients = {str(dcmread(one, stop_before_pixels=True).PatientID) for one in folder.iterdir()}
    keys = [Pseudonymizer(KEY).pseudonym("patient", patient) for patient in patients]
    rights = [{name: {"S": value} for name, value in _right(reader, key).items()} for key in keys]

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == "/ready":
            return web.Response()
        if "DynamoDB" in request.headers.get("X-Amz-Target", ""):
            return web.json_response({"Items": rights, "Count": len(rights)}, content_type="application/x-amz-json-1.0")
        path = request.path.replace(DATASTORE, datastore)
        query = {name: request.query.getall(name) for name in request.query}
        status, headers, content = await asyncio.to_thread(service.handle, request.method, path, query, body)
        return web.Response(status=status, headers=headers, body=content)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    web.run_app(application, host="127.0.0.1", port=port, print=None)


def _right(reader: str, key: str) -> dict[str, str]:
    return {"reader": reader, "patient_key": key, "assigned_by": "bench", "assigned_at": "2026-01-01T00:00:00Z"}


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
