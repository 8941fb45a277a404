"""Delivery: presigned downloads of a study's images, and uploads in parts that can be taken up again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, status
from pydantic import Field

from api.access import Outside, readable_study
from api.identity import Reader
from api.models import Answer, Request, StudyKey
from api.ports import Part, Transfer
from lambda_shared.clock import new_id
from lambda_shared.errors import ConflictError

router = APIRouter(tags=["delivery"])
MAX_BATCH = 100
MAX_UPLOAD_BYTES = 5 * 1024**4
"""S3's limit of one object; what the platform reads of it is the stack's maxObjectBytes."""
UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Opaque name of the upload")]
ImageKey = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
TransferId = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9._+/=-]+$")]
Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{22}==$", description="MD5 of the part, base64 (RFC 1864)")]
PartNumber = Annotated[int, Field(ge=1, le=10_000)]


class DownloadRequest(Request):
    """Which images of the study are wanted."""

    image_keys: list[ImageKey] = Field(min_length=1, max_length=MAX_BATCH)


class Download(Answer):
    """GET url before it expires (byte ranges are served); the file has this size and SHA-256."""

    image_key: str
    url: str
    file_name: str
    size_bytes: int
    sha256: str
    expires_in_seconds: int


class Downloads(Answer):
    """What can be fetched, and which of the wanted images are not there."""

    downloads: list[Download]
    missing: list[str]


class TransferRequest(Request):
    """An upload in parts is about to begin."""

    size_bytes: int = Field(ge=1, le=MAX_UPLOAD_BYTES)


class TransferPlace(Answer):
    """An upload in parts: `part_count` parts of `part_bytes`, the last one with the rest."""

    upload_id: str
    transfer_id: str
    part_bytes: int
    part_count: int


class WantedPart(Request):
    """A part that is about to be sent, with its digest: S3 refuses other bytes."""

    number: PartNumber
    md5: Digest


class PartsRequest(Request):
    """Places for parts of an upload."""

    transfer_id: TransferId
    parts: list[WantedPart] = Field(min_length=1, max_length=MAX_BATCH)


class PartPlace(Answer):
    """PUT the part to url with exactly these headers before it expires."""

    number: int
    url: str
    headers: dict[str, str]


class PartPlaces(Answer):
    """The places."""

    parts: list[PartPlace]


class ProgressRequest(Request):
    """Which upload is asked for, or is complete."""

    transfer_id: TransferId


class ArrivedPart(Answer):
    """A part that S3 has."""

    number: int
    size_bytes: int


class Progress(Answer):
    """What arrived so far: a client that was stopped sends the rest."""

    parts: list[ArrivedPart]


class CompletionRequest(Request):
    """All parts were sent."""

    transfer_id: TransferId
    size_bytes: int = Field(ge=1, le=MAX_UPLOAD_BYTES)


class Completed(Answer):
    """The upload is one object now; ingestion takes it up."""

    upload_id: str


@router.post("/studies/{study_key}/downloads", operation_id="createDownloads")
def create_downloads(ports: Outside, person: Reader, study_key: StudyKey, body: DownloadRequest) -> Downloads:
    """Presigned places to fetch images from, of those that exist at this moment."""
    images = {image.image_key: image for image in readable_study(ports, person, study_key, "createDownloads")}
    found: list[Download] = []
    missing: list[str] = []
    for key in dict.fromkeys(body.image_keys):
        image = images.get(key)
        place = ports.delivery.download(image.validated_key, f"{key}.dcm") if image and image.validated_key else None
        if image is None or place is None:
            missing.append(key)
            continue
        found.append(
            Download(
                image_key=key,
                url=place.url,
                file_name=f"{key}.dcm",
                size_bytes=place.size_bytes,
                sha256=image.content_sha256,
                expires_in_seconds=place.expires_in_seconds,
            )
        )
    return Downloads(downloads=found, missing=missing)


@router.post("/transfers", operation_id="createTransfer", status_code=status.HTTP_201_CREATED)
def create_transfer(ports: Outside, _: Reader, body: TransferRequest) -> TransferPlace:
    """Begin an upload in parts under an opaque name; unfinished ones are gone after a week."""
    upload_id = new_id()
    transfer: Transfer = ports.delivery.begin(upload_id, body.size_bytes)
    return TransferPlace(
        upload_id=upload_id,
        transfer_id=transfer.transfer_id,
        part_bytes=transfer.part_bytes,
        part_count=-(-body.size_bytes // transfer.part_bytes),
    )


@router.post("/transfers/{upload_id}/parts", operation_id="createParts")
def create_parts(ports: Outside, _: Reader, upload_id: UploadId, body: PartsRequest) -> PartPlaces:
    """Presigned places for parts; each is signed for its digest."""
    places = [
        PartPlace(
            number=part.number,
            url=ports.delivery.part_url(upload_id, body.transfer_id, part.number, part.md5),
            headers={"Content-MD5": part.md5},
        )
        for part in body.parts
    ]
    return PartPlaces(parts=places)


@router.post("/transfers/{upload_id}/progress", operation_id="getProgress")
def progress(ports: Outside, _: Reader, upload_id: UploadId, body: ProgressRequest) -> Progress:
    """Which parts have arrived (a POST, since the transfer's id is a secret that belongs into no log of paths)."""
    parts = ports.delivery.parts(upload_id, body.transfer_id)
    return Progress(parts=[ArrivedPart(number=part.number, size_bytes=part.size_bytes) for part in parts])


@router.post("/transfers/{upload_id}/completion", operation_id="completeTransfer")
def complete(ports: Outside, _: Reader, upload_id: UploadId, body: CompletionRequest) -> Completed:
    """Put the parts together, if all bytes are there; a repeated call answers the same."""
    if ports.delivery.exists(upload_id, body.size_bytes):
        return Completed(upload_id=upload_id)
    parts: list[Part] = ports.delivery.parts(upload_id, body.transfer_id)
    arrived = sum(part.size_bytes for part in parts)
    if arrived != body.size_bytes:
        raise ConflictError("INCOMPLETE_UPLOAD", f"{arrived} of {body.size_bytes} bytes have arrived")
    ports.delivery.complete(upload_id, body.transfer_id, parts)
    return Completed(upload_id=upload_id)
