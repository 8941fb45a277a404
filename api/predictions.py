"""What the deployed model says of a study: asked for on demand, kept by model version, told after one's own read."""

from __future__ import annotations

from datetime import timedelta
from statistics import fmean

from fastapi import APIRouter

from api import models, reading
from api.access import Outside, assigned_study
from api.identity import NotAllowedError, Reader
from api.ports import Judgement, Ports, Prediction
from lambda_shared.clock import iso
from lambda_shared.errors import ConflictError, NotFoundError, TransientError
from lambda_shared.tracking import TrackedImage

router = APIRouter(tags=["labels"])
MODALITY = "CT"  # what the model was trained on (training/pixels.py)
JUDGED_IMAGES = 8
"""Of a study."""
ASKING_SECONDS = 12
"""After so long no further image is asked about: with the one under way, within API Gateway's 29 seconds."""


@router.get("/studies/{study_key}/prediction", operation_id="getPrediction")
def get_prediction(ports: Outside, person: Reader, study_key: models.StudyKey) -> models.Prediction:
    """What the model in service says of the study; refused (READ_FIRST) until the person's own read is locked.

    The first question after a deployment asks the model, later ones get the same answer. It is the mean over a sample
    of the study's de-identified images, as the evaluation judges studies: no original leaves the PHI zone for it. An
    endpoint too slow for the whole sample is cut short: that answer says of how many images it is, and is not kept.
    """
    images = assigned_study(ports, person, study_key)
    versions = ports.labels.versions(study_key)
    if not reading.situation(versions, person, ports.rules).model_visible:
        raise NotAllowedError(person.subject, "READ_FIRST", "Lock your own read first")
    version = ports.endpoint.version()
    if version is None:
        raise NotFoundError("NO_MODEL_IN_SERVICE", "no model is deployed")
    found = ports.predictions.get(study_key, version) or _ask(ports, study_key, images)
    ports.audit.record(person.subject, "getPrediction", [study_key])
    return models.Prediction(**vars(found))


def sample(images: list[TrackedImage]) -> tuple[list[TrackedImage], int]:
    """The images to judge, always the same ones of a study, and out of how many.

    Keys are keyed hashes: in their order, images come as if drawn by lot.
    """
    usable = {
        image.image_key: image
        for image in images
        if image.deid_status == "DEIDENTIFIED" and image.modality == MODALITY and image.status != "QUARANTINED"
    }
    return [usable[key] for key in sorted(usable)[:JUDGED_IMAGES]], len(usable)


def _ask(ports: Ports, study_key: str, images: list[TrackedImage]) -> Prediction:
    """Ask the model and keep what it says of a whole sample; who comes second of two at once gets the first's.

    Raises:
        ConflictError: no image that the model could judge, or it would judge none of them.
        TransientError: another version came into service between two images, or the endpoint is too slow.
    """
    chosen, usable = sample(images)
    answers, whole = _answers(ports, chosen)
    if not answers and not whole:
        raise TransientError("MODEL_SLOW", "the endpoint is slow, and has judged no image yet")
    if not answers:
        raise ConflictError("NOTHING_JUDGED", "the model judged no image of the study")
    if len({answer.model_version for answer in answers}) > 1:
        raise TransientError("MODEL_CHANGING", "the endpoint is changing to another version")
    score = fmean(answer.probability for answer in answers)
    made = Prediction(
        study_key=study_key,
        model_version=answers[0].model_version,
        finding=_finding(score, answers[0]),
        probability=round(score, 6),
        threshold=answers[0].threshold,
        images_judged=len(answers),
        images_usable=usable,
        predicted_at=iso(ports.clock.now()),
    )
    if not whole or ports.predictions.keep(made):
        return made
    return ports.predictions.get(study_key, made.model_version) or made


def _answers(ports: Ports, chosen: list[TrackedImage]) -> tuple[list[Judgement], bool]:
    """What the model says of the images that it judges, one after the other, and whether all were asked about."""
    until = ports.clock.now() + timedelta(seconds=ASKING_SECONDS)
    found: list[Judgement] = []
    for image in chosen:
        if ports.clock.now() > until:
            return found, False
        answer = ports.endpoint.judge(image.processed_key)
        if answer is not None:
            found.append(answer)
    return found, True


def _finding(score: float, answer: Judgement) -> models.Finding:
    return "pneumonia" if score >= answer.threshold else "normal"
