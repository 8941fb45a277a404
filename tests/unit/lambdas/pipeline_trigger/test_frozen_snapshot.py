"""Which images a label snapshot may hold."""

from __future__ import annotations

from typing import Any

from lambda_shared.labels import Label
from lambda_shared.tracking import TrackedImage
from pipeline_trigger.snapshot import freeze

RESEARCH = "proj-local-preprocessed-111122223333"


def key(number: int) -> str:
    return f"{number:032x}"


def image(number: int, study: int, patient: int, **changes: Any) -> TrackedImage:
    values: dict[str, Any] = {
        "object_id": key(number),
        "study_key": key(study),
        "patient_key": key(patient),
        "image_key": key(number),
        "modality": "CT",
        "status": "IMPORTED",
        "deid_status": "DEIDENTIFIED",
        "processed_key": f"deidentified/{key(patient)}/{key(study)}/{key(number)}.dcm",
    }
    return TrackedImage(**{**values, **changes})


def test_only_images_that_may_leave_the_phi_zone_are_frozen(clock: Any) -> None:
    members = {
        key(101): [
            image(1, 101, 201),
            image(2, 101, 201, deid_status="REFUSED"),
            image(3, 101, 201, modality="US"),
            image(4, 101, 201, status="QUARANTINED"),
            image(5, 101, 201, image_key=key(1)),
        ],
        key(102): [image(6, 102, 202, deid_status="PENDING")],
        key(103): [image(7, 103, 203), image(8, 103, 204)],
        key(104): [image(9, 104, 201)],
    }
    frozen = freeze(
        [
            Label(
                study_key=study,
                version=1,
                finding="pneumonia" if study == key(104) else "normal",
                certainty="definite",
                reader="r",
                created_at="2026-11-21T12:00:00.000000Z",
                image_count=1,
            )
            for study in members
        ],
        members.__getitem__,
        RESEARCH,
        "2026-11-21T12:00:01.000000Z",
    )
    studies = {study["study_key"]: study for study in frozen.document["studies"]}
    assert sorted(studies) == [key(101), key(104)]
    assert [entry["image_key"] for entry in studies[key(101)]["images"]] == [key(1)], "an image sent twice counts once"
    assert frozen.excluded == {key(102): "no usable image", key(103): "images of two patients"}
    assert frozen.contradictory_patients == 1, "both studies of the patient stay: the split is by patient"


def test_the_snapshot_says_which_pixels_a_label_holds_for() -> None:
    label = Label(
        study_key=key(101),
        version=1,
        finding="normal",
        certainty="definite",
        reader="r",
        created_at="2026-01-01T00:00:00Z",
        image_count=2,
    )
    members = [image(1, 101, 201, pixel_sha256="d" * 64), image(2, 101, 201)]
    (study,) = freeze([label], lambda _: members, RESEARCH, "now").document["studies"]
    assert [one.get("pixel_sha256") for one in study["images"]] == ["d" * 64, None]
