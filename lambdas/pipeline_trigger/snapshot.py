"""The label snapshot: what the model will learn from, frozen and hashed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lambda_shared.labels import Label
from lambda_shared.tracking import TrackedImage

SCHEMA = "label-snapshot/1"
MODALITIES = frozenset({"CT", "CR", "DX"})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot ready to be written.

    Attributes:
        snapshot_id: 32 hexadecimal characters, the same for the same labels and images: a repeated trigger writes the
            same file and asks for the same execution.
        contradictory_patients: patients with both findings among their studies. Their studies stay (a patient can
            fall ill between two scans); the split by patient keeps them on one side.
    """

    snapshot_id: str
    document: dict[str, Any]
    study_count: int
    contradictory_patients: int
    excluded: dict[str, str]


def canonical_sha256(studies: list[dict[str, Any]]) -> str:
    """SHA-256 over the canonical JSON of the studies: sorted keys, no spaces."""
    return hashlib.sha256(json.dumps(studies, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def latest_per_study(labels: Iterable[Label]) -> dict[str, Label]:
    """The newest version of each study's label: a later reader corrects an earlier one."""
    latest: dict[str, Label] = {}
    for label in labels:
        known = latest.get(label.study_key)
        if known is None or label.version > known.version:
            latest[label.study_key] = label
    return latest


def freeze(
    labels: Iterable[Label], members: Callable[[str], list[TrackedImage]], bucket: str, created_at: str
) -> Snapshot:
    """Build the snapshot of all labelled studies whose images may leave the PHI zone.

    Left out, with a reason by study: studies without a de-identified image of the modalities, and studies whose
    images belong to two patients (a mix-up at the scanner would put one patient on both sides of the split).
    """
    labels = list(labels)
    studies: list[dict[str, Any]] = []
    excluded: dict[str, str] = {}
    findings: dict[str, set[str]] = defaultdict(set)
    for study_key, label in sorted(latest_per_study(labels).items()):
        usable = _usable(members(study_key))
        patients = {image.patient_key for image in usable.values()}
        if len(patients) != 1:
            excluded[study_key] = "no usable image" if not patients else "images of two patients"
            continue
        patient_key = patients.pop()
        findings[patient_key].add(label.finding)
        studies.append(_study(label, patient_key, usable, bucket))
    watermark = max((label.created_at for label in labels), default="")
    digest = canonical_sha256(studies)
    snapshot_id = hashlib.sha256(f"{digest}/{watermark}".encode()).hexdigest()[:32]
    return Snapshot(
        snapshot_id=snapshot_id,
        study_count=len(studies),
        contradictory_patients=sum(len(found) > 1 for found in findings.values()),
        excluded=excluded,
        document={
            "schema": SCHEMA,
            "snapshot_id": snapshot_id,
            "created_at": created_at,
            "label_watermark": watermark,
            "studies": studies,
            "sha256": digest,
        },
    )


def _usable(images: list[TrackedImage]) -> dict[str, TrackedImage]:
    """De-identified images of the modalities by image key: an image that was sent twice counts once."""
    return {
        image.image_key: image
        for image in sorted(images, key=lambda image: image.object_id)
        if image.deid_status == "DEIDENTIFIED" and image.modality in MODALITIES and image.status != "QUARANTINED"
    }


def _study(label: Label, patient_key: str, images: dict[str, TrackedImage], bucket: str) -> dict[str, Any]:
    return {
        "study_key": label.study_key,
        "patient_key": patient_key,
        "finding": label.finding,
        "label_version": label.version,
        "certainty": label.certainty,
        "reader": label.reader,
        "verified_at": label.created_at,
        "images": [
            {
                "image_key": image_key,
                "uri": f"s3://{bucket}/{image.processed_key}",
                **({"pixel_sha256": image.pixel_sha256} if image.pixel_sha256 else {}),
            }
            for image_key, image in sorted(images.items())
        ],
    }
