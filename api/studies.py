"""Studies: found by page, by key or by what a viewer shows; every read is recorded with the person."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api import models
from api.access import Outside, readable_study
from api.identity import Person, Reader
from api.ports import Ports, StudyImages
from lambda_shared.clock import iso
from lambda_shared.errors import InvalidEventError
from lambda_shared.tracking import TrackedImage

router = APIRouter(tags=["studies"])
PATIENT_KEY = re.compile(r"[0-9a-f]{32}")


@router.get("/studies", operation_id="listStudies")
def list_studies(
    ports: Outside,
    person: Reader,
    status: Annotated[models.Status | None, Query(description="Only studies with an image in this status")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> models.StudyPage:
    """Studies: an administrator's list is recently changed first, a radiologist's goes by assigned patient."""
    if person.sees_everything:
        studies, following = ports.studies.page(status, limit, cursor)
    else:
        studies, following = _assigned(ports, person, status, limit, cursor)
    ports.audit.record(person.subject, "listStudies", [study.study_key for study in studies])
    return models.StudyPage(
        studies=[models.StudySummary(**_summary(study.study_key, study.images)) for study in studies], cursor=following
    )


@router.post("/studies/lookup", operation_id="findStudy")
def find_study(ports: Outside, person: Reader, body: models.StudyLookup) -> models.StudySummary:
    """The study that a viewer shows: its pseudonym opens every other route."""
    study_key = ports.names.study_key(body.study_instance_uid)
    images = readable_study(ports, person, study_key, "findStudy")
    return models.StudySummary(**_summary(study_key, images))


@router.get("/studies/{study_key}", operation_id="getStudy")
def get_study(ports: Outside, person: Reader, study_key: models.StudyKey) -> models.Study:
    """One study with its images."""
    images = readable_study(ports, person, study_key, "getStudy")
    versions = ports.labels.versions(study_key)
    return models.Study(
        **_summary(study_key, images),
        datastore_id=ports.datastore_id,
        image_sets=sorted({image.image_set_id for image in images if image.image_set_id}),
        images=[_image(image) for image in sorted(images, key=lambda image: (image.series_key, image.image_key))],
        label_version=versions[-1].version if versions else None,
    )


def _assigned(
    ports: Ports, person: Person, status: models.Status | None, limit: int, cursor: str | None
) -> tuple[list[StudyImages], str | None]:
    """A page of the studies whose patients are assigned to the person; the cursor is the last patient of the page."""
    if cursor and not PATIENT_KEY.fullmatch(cursor):
        raise InvalidEventError("INVALID_CURSOR", "the cursor is not one of this list")
    now = iso(ports.clock.now())
    rights = ports.assignments.patients_of(person.subject, cursor or "")
    return ports.studies.page_of((right.patient_key for right in rights if right.holds(now)), status, limit)


def _summary(study_key: str, images: list[TrackedImage]) -> dict[str, Any]:
    return {
        "study_key": study_key,
        "patient_key": images[0].patient_key,
        "modalities": sorted({image.modality for image in images if image.modality}),
        "image_count": len(images),
        "statuses": dict(Counter(image.status for image in images)),
        "deidentified": sum(image.deid_status == "DEIDENTIFIED" for image in images),
        "updated_at": max(image.updated_at for image in images),
    }


def _image(image: TrackedImage) -> models.Image:
    return models.Image(**{name: getattr(image, name) for name in models.Image.model_fields})
