"""Studies and labels: reading is audited, a label is appended and announced."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, status

from api import models
from api.identity import Radiologist, Reader
from api.ports import Ports
from lambda_shared.clock import iso
from lambda_shared.errors import ConflictError, NotFoundError
from lambda_shared.events.models import ImageVerified
from lambda_shared.events.publisher import deterministic_event_id
from lambda_shared.labels import Label
from lambda_shared.tracking import TrackedImage

router = APIRouter(tags=["studies"])
READABLE = frozenset({"VALIDATED", "IMPORTED"})
REPEAT_SECONDS = 60  # twice API Gateway's time limit: within it, the same label again is a client's retry


def ports_of(request: Request) -> Ports:
    """The application's ports."""
    ports: Ports = request.app.state.ports
    return ports


Outside = Annotated[Ports, Depends(ports_of)]


@router.get("/studies", operation_id="listStudies")
def list_studies(
    ports: Outside,
    person: Reader,
    status: Annotated[models.Status | None, Query(description="Only studies with an image in this status")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> models.StudyPage:
    """Studies, recently changed first."""
    studies, following = ports.studies.page(status, limit, cursor)
    ports.audit.record(person.subject, "studies.list", [study.study_key for study in studies])
    return models.StudyPage(
        studies=[models.StudySummary(**_summary(study.study_key, study.images)) for study in studies], cursor=following
    )


@router.get("/studies/{study_key}", operation_id="getStudy")
def get_study(ports: Outside, person: Reader, study_key: models.StudyKey) -> models.Study:
    """One study with its images."""
    images = _images(ports, study_key)
    ports.audit.record(person.subject, "study.read", [study_key])
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
    _images(ports, study_key)
    ports.audit.record(person.subject, "labels.read", [study_key])
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
    readable = [image for image in _images(ports, study_key) if image.status in READABLE]
    if not readable:
        raise ConflictError("NOTHING_TO_VERIFY", "no image of the study can be read")
    ports.audit.record(person.subject, "label.create", [study_key])
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


def _images(ports: Ports, study_key: str) -> list[TrackedImage]:
    images = ports.studies.images(study_key)
    if not images:
        raise NotFoundError("UNKNOWN_STUDY", "no image of the study was received")
    return images


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
