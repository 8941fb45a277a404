"""What the API takes and answers. Studies, series and images are named by pseudonym; no answer has an identifier."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = Literal["RECEIVED", "VALIDATED", "IMPORTED", "QUARANTINED"]
Finding = Literal["pneumonia", "normal"]
Certainty = Literal["definite", "probable", "possible"]
StudyKey = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Pseudonym of the study")]
PatientKey = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Pseudonym of the patient")]
Subject = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="Cognito subject of the person")]
Version = Annotated[int, Path(ge=1, description="Version in the model package group")]
MAX_UPLOADS = 100
MAX_ASSIGNMENTS = 100


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Request(BaseModel):
    """Base of all request bodies: unknown fields are refused, values never appear in error texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Problem(Answer):
    """An error as problem details (RFC 9457). code is stable and made for programs."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""


class Health(Answer):
    """The API is up; it says nothing about what lies behind it."""

    status: Literal["ok"] = "ok"


class UploadRequest(Request):
    """How many upload places are wanted."""

    count: int = Field(ge=1, le=MAX_UPLOADS)


class UploadPlace(Answer):
    """One place: PUT the bytes to url with exactly these headers before it expires."""

    upload_id: str
    url: str
    headers: dict[str, str]
    expires_in_seconds: int


class UploadPlaces(Answer):
    """The places."""

    uploads: list[UploadPlace]


class StudySummary(Answer):
    """A study in a list. Counts are images."""

    study_key: str
    patient_key: str
    modalities: list[str]
    image_count: int
    statuses: dict[str, int]
    deidentified: int
    updated_at: str


class StudyPage(Answer):
    """One page; pass cursor back for the next one, null is the end."""

    studies: list[StudySummary]
    cursor: str | None


class Image(Answer):
    """One image of a study."""

    object_id: str
    image_key: str
    series_key: str
    modality: str
    status: Status
    deid_status: Literal["PENDING", "DEIDENTIFIED", "REFUSED"]
    rows: int
    columns: int
    frames: int
    image_set_id: str


class Study(StudySummary):
    """A study with its images, and where HealthImaging keeps it."""

    datastore_id: str
    image_sets: list[str]
    images: list[Image]
    label_version: int | None


class StudyLookup(Request):
    """The study that a viewer shows, by its UID (PS3.5 section 9.1): in a body, so that no log of URLs has it."""

    study_instance_uid: str = Field(pattern=r"^[0-9.]{1,64}$")


class LabelRequest(Request):
    """What a radiologist found. Notes stay in the PHI zone: they go into no event and no log.

    A request_id that the client makes up and repeats makes sending again safe at any later time: the read is locked
    once. Without one, the same content again within a minute counts as a repetition.
    """

    finding: Finding
    certainty: Certainty
    notes: str = Field(default="", max_length=2000)
    request_id: str = Field(default="", pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")


class Label(Answer):
    """One version of a study's label."""

    study_key: str
    version: int
    finding: Finding
    certainty: Certainty
    notes: str
    reader: str
    role: Literal["single", "first", "second", "adjudicator", "consensus"]
    state: Literal["READ", "VERIFIED"]
    created_at: str
    image_count: int


class Reading(Answer):
    """Where a study stands for the person who asks: reads of the round, how many it needs, what is theirs to do."""

    state: Literal["unread", "first-read", "your-read", "adjudication", "your-adjudication", "verified"]
    may_read: bool
    reads: int
    needed: int
    model_visible: bool


class Labels(Answer):
    """The versions that the person may see, oldest first: nothing that could lead a read still theirs to make."""

    labels: list[Label]
    reading: Reading


class Prediction(Answer):
    """What a model version says of a study: the mean probability of pneumonia over the judged images, 0 to 1.

    finding follows from the version's own threshold; images_judged is the sample, images_usable what it was drawn from.
    """

    study_key: str
    model_version: int
    finding: Finding
    probability: float
    threshold: float
    images_judged: int
    images_usable: int
    predicted_at: str


class Agreement(Answer):
    """Agreement of two readers, or of one with all others ("*"); kappa is null where chance alone gives it.

    It is over rounds of two blind reads: a study that is read again counts again.
    """

    readers: tuple[str, str]
    rounds: int
    observed: float
    kappa: float | None


class Agreements(Answer):
    """Pairs first, then each reader with all others."""

    agreements: list[Agreement]


class AssignmentRequest(Request):
    """Patients that a person may read from now on; until ends the right by itself (ISO 8601 with a zone)."""

    reader: str = Field(pattern=r"^[0-9A-Za-z-]{1,64}$")
    patient_keys: list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = Field(
        min_length=1, max_length=MAX_ASSIGNMENTS
    )
    until: AwareDatetime | None = None


class Assignment(Answer):
    """The right of a person to read a patient; until is "" when it does not end by itself."""

    reader: str
    patient_key: str
    assigned_by: str
    assigned_at: str
    until: str


class Assignments(Answer):
    """Rights to read."""

    assignments: list[Assignment]


class Model(Answer):
    """A version in the model registry."""

    version: int
    model_package_arn: str
    approval: str
    description: str
    created_at: str


class Models(Answer):
    """All versions, newest first."""

    models: list[Model]


class Evaluation(Answer):
    """One independent evaluation of a model version."""

    evaluation_timestamp: str
    decision: str
    figures: dict[str, float]
    threshold: float
    disagreement: float
    test_images: int
    snapshot_id: str


class Evaluations(Answer):
    """All evaluations of a version, oldest first."""

    version: int
    evaluations: list[Evaluation]


class ApprovalRequest(Request):
    """An administrator's decision."""

    decision: Literal["approve", "reject"]
    reason: str = Field(default="no reason given", max_length=1000)


class RollbackRequest(Request):
    """Why an earlier version is to serve again; the reason is kept with the decision."""

    reason: str = Field(min_length=1, max_length=1000)


class FigureComparison(Answer):
    """One figure of two versions; the difference is the second's minus the first's."""

    first: float
    second: float
    difference: float


class Comparison(Answer):
    """The newest independent evaluations of two versions side by side.

    same_snapshot: both were judged on patients of the same snapshot; otherwise the differences are not paired.
    """

    first: int
    second: int
    figures: dict[str, FigureComparison]
    same_snapshot: bool


class DecisionRecord(Answer):
    """One entry of the record of decisions: what was done to which version, by whom and why."""

    decided_at: str
    step: str
    version: int
    actor: str
    reason: str


class DecisionRecords(Answer):
    """The newest decisions first."""

    decisions: list[DecisionRecord]


class Decision(Answer):
    """What became of a decision."""

    version: int
    decision: str


class Execution(Answer):
    """One run of the training pipeline."""

    id: str
    status: str
    started_at: str
    display_name: str


class Executions(Answer):
    """The newest runs first; pass cursor back for the next page, null is the end."""

    executions: list[Execution]
    cursor: str | None


class Step(Answer):
    """One step of a run."""

    name: str
    status: str
    started_at: str
    ended_at: str


class ExecutionDetail(Execution):
    """A run with its steps."""

    failure_reason: str
    steps: list[Step]
