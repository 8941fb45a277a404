"""Who may read which patient: administrators give the right and take it back, and each change is recorded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status

from api import models
from api.access import Outside
from api.identity import Administrator
from lambda_shared.assignments import Assignment
from lambda_shared.clock import iso
from lambda_shared.errors import InvalidEventError, NotFoundError

router = APIRouter(tags=["assignments"])


@router.get("/assignments", operation_id="listAssignments")
def list_assignments(
    ports: Outside,
    person: Administrator,
    reader: Annotated[str | None, Query(pattern=r"^[0-9A-Za-z-]{1,64}$")] = None,
    patient_key: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$")] = None,
) -> models.Assignments:
    """The patients of a reader, or the readers of a patient: exactly one of the two is asked for."""
    if (reader is None) == (patient_key is None):
        raise InvalidEventError("ONE_OF_READER_AND_PATIENT", "ask for a reader or for a patient")
    rights = ports.assignments.patients_of(reader) if reader else ports.assignments.readers_of(str(patient_key))
    found = [models.Assignment(**vars(right)) for right in rights]
    ports.audit.record(person.subject, "listAssignments", [reader or str(patient_key)])
    return models.Assignments(assignments=found)


@router.post("/assignments", operation_id="createAssignments", status_code=status.HTTP_201_CREATED)
def create_assignments(ports: Outside, person: Administrator, body: models.AssignmentRequest) -> models.Assignments:
    """Let a person read patients from now on. Safe to repeat; a new end replaces the old one."""
    now = iso(ports.clock.now())
    until = iso(body.until) if body.until else ""
    if until and until <= now:
        raise InvalidEventError("UNTIL_IS_PAST", "the right would have ended before it began")
    ports.audit.record(person.subject, "createAssignments", [body.reader, *body.patient_keys])
    made = [
        Assignment(
            reader=body.reader, patient_key=patient_key, assigned_by=person.subject, assigned_at=now, until=until
        )
        for patient_key in dict.fromkeys(body.patient_keys)
    ]
    for assignment in made:
        ports.assignments.assign(assignment)
    return models.Assignments(assignments=[models.Assignment(**vars(assignment)) for assignment in made])


@router.delete(
    "/assignments/{reader}/{patient_key}", operation_id="deleteAssignment", status_code=status.HTTP_204_NO_CONTENT
)
def delete_assignment(
    ports: Outside, person: Administrator, reader: models.Subject, patient_key: models.PatientKey
) -> None:
    """Take the right back; it ends with the next request."""
    ports.audit.record(person.subject, "deleteAssignment", [reader, patient_key])
    if not ports.assignments.withdraw(reader, patient_key):
        raise NotFoundError("UNKNOWN_ASSIGNMENT", "the patient is not assigned to the person")
