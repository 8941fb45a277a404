"""Labels: VERIFY AS GROUND TRUTH, the history that a person may see, and how far readers agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter, status

from api import models, reading
from api.access import Outside, readable_study
from api.agreement import agreements
from api.identity import Radiologist, Reader
from api.ports import Ports
from lambda_shared.clock import iso
from lambda_shared.errors import ConflictError
from lambda_shared.events.models import ImageVerified
from lambda_shared.events.outbox import Waiting, deliver
from lambda_shared.events.publisher import deterministic_event_id
from lambda_shared.labels import VERIFIED, Label
from lambda_shared.logs import describe, logger

router = APIRouter(tags=["labels"])
READABLE = frozenset({"VALIDATED", "IMPORTED"})
REPEAT_SECONDS = 60  # twice API Gateway's time limit: within it, the same label again is a client's retry
MAX_RACES = 5


@router.get("/studies/{study_key}/labels", operation_id="listLabels")
def list_labels(ports: Outside, person: Reader, study_key: models.StudyKey) -> models.Labels:
    """The versions of a study's label that the person may see, oldest first, and what is for them to do."""
    readable_study(ports, person, study_key, "listLabels")
    versions = ports.labels.versions(study_key)
    return models.Labels(
        labels=[_label(label) for label in reading.visible(versions, person, ports.rules)],
        reading=models.Reading(**vars(reading.situation(versions, person, ports.rules))),
    )


@router.post("/studies/{study_key}/labels", operation_id="createLabel", status_code=status.HTTP_201_CREATED)
def create_label(
    ports: Outside, person: Radiologist, study_key: models.StudyKey, body: models.LabelRequest
) -> models.Label:
    """VERIFY AS GROUND TRUTH: lock the person's read; where it completes the round, the ground truth is announced.

    Label and announcement are written in one transaction, so a crash at any point loses neither: what is not on the
    bus yet stays in the outbox, and the sweep sends it. A client that missed the answer asks again and gets the same
    version.
    """
    images = readable_study(ports, person, study_key, "createLabel")
    readable = [image for image in images if image.status in READABLE]
    if not readable:
        raise ConflictError("NOTHING_TO_VERIFY", "no image of the study can be read")
    now = ports.clock.now()
    wanted = Label(
        study_key=study_key,
        version=0,
        finding=body.finding,
        certainty=body.certainty,
        notes=body.notes,
        reader=person.subject,
        created_at=iso(now),
        image_count=len(readable),
        request_id=body.request_id,
    )
    since = iso(now - timedelta(seconds=REPEAT_SECONDS))
    for _ in range(MAX_RACES):
        versions = ports.labels.versions(study_key)
        repeated = _repeated(versions, wanted, since)
        if repeated:
            return _label(repeated)
        made = reading.next_versions(versions, wanted, ports.rules)
        waiting = _announcement(made[-1])
        if ports.labels.commit(made, waiting):
            _announce(ports, waiting)
            return _label(made[-1])
    raise ConflictError("LABEL_RACE", "too many labels were written at the same time")


@router.get("/agreement", operation_id="getAgreement")
def get_agreement(ports: Outside, person: Reader) -> models.Agreements:
    """Cohen's kappa of every two readers and of each reader with all others; people are named by their subject.

    A radiologist is told their own agreement with all others only: how two colleagues agree is not theirs to know.
    """
    found = agreements(ports.labels.reads())
    if "admin" not in person.groups:
        found = [one for one in found if one.readers == (person.subject, "*")]
    return models.Agreements(agreements=[models.Agreement(**vars(one)) for one in found])


def relay(ports: Ports, older_than_seconds: int) -> int:
    """The sweep: announce what a crash or a silent bus left in the outbox; answers how many."""
    before = iso(ports.clock.now() - timedelta(seconds=older_than_seconds))
    delivered = 0
    for waiting in list(ports.outbox.undelivered(before)):
        deliver(waiting, ports.publisher, ports.outbox)
        delivered += 1
    return delivered


def _announcement(label: Label) -> Waiting | None:
    if label.state != VERIFIED:
        return None
    event = ImageVerified(
        study_key=label.study_key, label_version=label.version, finding=label.finding, image_count=label.image_count
    )
    event_id = deterministic_event_id("ImageVerified", label.study_key, label.version)
    return Waiting.of(event, event_id, label.created_at)


def _announce(ports: Ports, waiting: Waiting | None) -> None:
    """At once if the bus takes it; else the label stands all the same, and the sweep announces it."""
    if waiting is None:
        return
    try:
        deliver(waiting, ports.publisher, ports.outbox)
    except Exception as error:  # a refusal too (a policy that was tightened): the reader's label is written
        logger().warning("An announcement waits for the sweep", extra=describe(error))


def _repeated(versions: Sequence[Label], wanted: Label, since: str) -> Label | None:
    """What an earlier sending of the wanted read was answered, for a client that missed it.

    Raises:
        ConflictError: the request's id came before with another content.
    """
    if not wanted.request_id:
        recent = [label for label in versions if label.created_at >= since]
        return next((label for label in reversed(recent) if _content(label) == _content(wanted)), None)
    sent = (wanted.reader, wanted.request_id)
    known = [label for label in versions if (label.reader, label.request_id) == sent]
    if known and _content(known[0]) != _content(wanted):
        raise ConflictError("REQUEST_ID_TAKEN", "the request's id stands for another read")
    return known[-1] if known else None  # the read itself, or the consensus that it led to


def _content(label: Label) -> tuple[str, ...]:
    return (label.reader, label.finding, label.certainty, label.notes)


def _label(label: Label) -> models.Label:
    return models.Label(**vars(label))
