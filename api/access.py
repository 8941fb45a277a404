"""Whose studies a person may read: the patients assigned to them, asked for at every request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.identity import NotAllowedError, Person
from api.ports import Ports
from lambda_shared.clock import iso
from lambda_shared.errors import NotFoundError
from lambda_shared.tracking import TrackedImage


def ports_of(request: Request) -> Ports:
    """The application's ports."""
    ports: Ports = request.app.state.ports
    return ports


Outside = Annotated[Ports, Depends(ports_of)]


def readable_study(ports: Ports, person: Person, study_key: str, action: str) -> list[TrackedImage]:
    """The images of a study that the person may read, with the read recorded. Raises as `assigned_study` does."""
    images = assigned_study(ports, person, study_key)
    ports.audit.record(person.subject, action, [study_key])
    return images


def assigned_study(ports: Ports, person: Person, study_key: str) -> list[TrackedImage]:
    """The images of a study that the person may read; what is told of it is the caller's to record.

    Raises:
        NotFoundError: no image of the study was received.
        NotAllowedError: a patient of the study is not assigned to the person. All of its patients must be: a study
            whose images belong to two patients (a mix-up at the scanner) shows the other one too.
    """
    images = ports.studies.images(study_key)
    if not images:
        raise NotFoundError("UNKNOWN_STUDY", "no image of the study was received")
    for patient_key in sorted({image.patient_key for image in images}):
        if not may_read(ports, person, patient_key):
            raise NotAllowedError(person.subject, "NOT_ASSIGNED", "The patient is not assigned to you")
    return images


def may_read(ports: Ports, person: Person, patient_key: str) -> bool:
    """Whether the patient is assigned to the person at this moment."""
    if person.sees_everything:
        return True
    assignment = ports.assignments.assignment(person.subject, patient_key)
    return assignment is not None and assignment.holds(iso(ports.clock.now()))
