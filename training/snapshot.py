"""The label snapshot: which images carry which verified finding, frozen and hashed by pipeline-trigger."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.failure import DatasetError
from training.names import FINDINGS, SNAPSHOT_SCHEMA


@dataclass(frozen=True)
class LabelledImage:
    """One de-identified image and the finding of its study; every key is a pseudonym.

    Attributes:
        label: 1 = pneumonia, 0 = normal.
        sha256: hex digest of the object's bytes, where the snapshot says it.
        pixel_sha256: hex digest of its decoded pixels (`training.pixels.digest`), where the snapshot says it.
    """

    image_key: str
    study_key: str
    patient_key: str
    label: int
    uri: str
    sha256: str | None = None
    pixel_sha256: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A checked snapshot."""

    snapshot_id: str
    created_at: str
    sha256: str
    images: tuple[LabelledImage, ...]


def studies_digest(studies: list[dict[str, Any]]) -> str:
    """SHA-256 over the canonical JSON of the studies: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(studies, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def read(path: Path) -> Snapshot:
    """Read and check one snapshot file.

    Raises:
        DatasetError: another schema, studies that do not match their digest, an unknown finding, an image listed twice.
    """
    document = json.loads(path.read_text())
    if document.get("schema") != SNAPSHOT_SCHEMA:
        raise DatasetError(f"the snapshot's schema is {document.get('schema')!r}, expected {SNAPSHOT_SCHEMA!r}")
    if studies_digest(document["studies"]) != document["sha256"]:
        raise DatasetError("the snapshot's studies do not match its sha256: it was changed after it was frozen")
    images = tuple(image for study in document["studies"] for image in _images_of(study))
    if len({image.image_key for image in images}) != len(images):
        raise DatasetError("the snapshot lists an image twice")
    return Snapshot(document["snapshot_id"], document["created_at"], document["sha256"], images)


def _images_of(study: dict[str, Any]) -> list[LabelledImage]:
    if study["finding"] not in FINDINGS:
        raise DatasetError(f"the snapshot has the finding {study['finding']!r}; known are {', '.join(FINDINGS)}")
    return [
        LabelledImage(
            image_key=image["image_key"],
            study_key=study["study_key"],
            patient_key=study["patient_key"],
            label=FINDINGS.index(study["finding"]),
            uri=image["uri"],
            sha256=image.get("sha256"),
            pixel_sha256=image.get("pixel_sha256"),
        )
        for image in study["images"]
    ]
