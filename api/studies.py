"""Studies and labels: reading is audited, a label is appended and announced."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, status

from api import models
from api.access import Outside, readable_study
from api.identity import Person, Radiologist, Reader
from api.ports import Ports, StudyImages
from lambda_shared.clock import iso
from lambda_shared.errors import ConflictError, InvalidEventError
from lambda_shared.events.models import ImageVerified
from lambda_shared.events.publisher import deterministic_event_id
from lambda_shared.labels import Label
from lambda_shared.tracking import TrackedImage

router = APIRouter(tags=["studies"])
PATIENT_KEY = re.compile(r"[0-9a-f]{32}")
READABLE = frozenset({"VALIDATED", "IMPORTED"})
REPEAT_SECONDS = 60  # twice API Gateway's time limit: within it, the same label again is a client's retry


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


@router.get("/studies/{study_key}/labels", operation_id="listLabels")
def list_labels(ports: Outside, person: Reader, study_key: models.StudyKey) -> models.Labels:
    """All versions of a study's label, oldest first."""
    readable_study(ports, person, study_key, "listLabels")
    return models.Labels(labels=[_label(label) for label in ports.labels.versions(study_key)])


@router.post("/studies/{study_key}/labels", operation_id="createLabel", status_code=status.HTTP_201_CREATED)
def create_label(
    ports: Outside, person: Radiologist, study_key: models.StudyKey, body: models.LabelRequest
) -> models.Label:
    """VERIFY AS GROUND TRUTH: append a label version and announce it.

    The label is durable before the event goes out, so a crash in between leaves a label that nobody heard of. The
    client got no answer then and tries again: the repeated label is recognised, keeps its version and is announced
    under the same event id, which consumers take once. A client that never returns leaves the label to the next
    ImageVerified, whose decision counts all labels since the last run.
    """
    images = readable_study(ports, person, study_key, "createLabel")
    readable = [image for image in images if image.status in READABLE]
    if not readable:
        raise ConflictError("NOTHING_TO_VERIFY", "no image of the study can be read")
    versions = ports.labels.versions(study_key)
    now = ports.clock.now()
    wanted = Label(
        study_key=study_key,
        version=versions[-1].version + 1 if versions else 1,
        finding=body.finding,
        certainty=body.certainty,
        notes=body.notes,
        reader=person.subject,
        created_at=iso(now),
        image_count=len(readable),
    )
    repeated = versions and _same(versions[-1], wanted, iso(now - timedelta(seconds=REPEAT_SECONDS)))
    label = versions[-1] if repeated else ports.labels.append(wanted)
    event = ImageVerified(
        study_key=study_key, label_version=label.version, finding=label.finding, image_count=label.image_count
    )
    ports.publisher.publish(event, deterministic_event_id("ImageVerified", study_key, label.version))
    return _label(label)


def _same(latest: Label, wanted: Label, since: str) -> bool:
    """Whether the wanted label is the latest one again, sent by a client that missed the answer."""
    said = (wanted.reader, wanted.finding, wanted.certainty, wanted.notes)
    return (latest.reader, latest.finding, latest.certainty, latest.notes) == said and latest.created_at >= since


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


def _label(label: Label) -> models.Label:
    return models.Label(**vars(label))
