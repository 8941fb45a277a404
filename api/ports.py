"""What the API needs from outside; the application gets one `Ports` and knows no AWS client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from api.models import (
    Decision,
    DecisionRecord,
    Evaluation,
    Execution,
    ExecutionDetail,
    Finding,
    Model,
    Status,
    UploadPlace,
)
from api.reading import Rules
from lambda_shared.assignments import AssignmentsTable
from lambda_shared.clock import Clock
from lambda_shared.events.outbox import Outbox
from lambda_shared.events.publisher import Publisher
from lambda_shared.labels import LabelsTable
from lambda_shared.tracking import TrackedImage

Outcome = Literal["allowed", "denied"]


class UploadSigner(Protocol):
    """Presigned PUTs into the landing folder."""

    def place(self, upload_id: str) -> UploadPlace:
        """A place for one object."""
        ...


@dataclass(frozen=True, kw_only=True)
class StudyImages:
    """A study as the tracking table knows it."""

    study_key: str
    images: list[TrackedImage]


class Studies(Protocol):
    """The tracking table, by study."""

    def page(self, status: Status | None, limit: int, cursor: str | None) -> tuple[list[StudyImages], str | None]:
        """Studies that have an image in the status (any if None), recently changed first; and the next cursor."""
        ...

    def page_of(
        self, patients: Iterable[str], status: Status | None, limit: int
    ) -> tuple[list[StudyImages], str | None]:
        """Studies of the patients, patient by patient; and the last patient that fitted, None when all did."""
        ...

    def images(self, study_key: str) -> list[TrackedImage]:
        """All images of a study."""
        ...


class StudyNames(Protocol):
    """Pseudonyms of studies."""

    def study_key(self, study_instance_uid: str) -> str:
        """The pseudonym under which everything of a study is kept."""
        ...


class ModelRegistry(Protocol):
    """Model versions, their evaluations, and decisions about them."""

    def models(self) -> list[Model]:
        """All versions, newest first."""
        ...

    def evaluations(self, version: int) -> list[Evaluation]:
        """The independent evaluations of a version, oldest first."""
        ...

    def history(self, limit: int) -> list[DecisionRecord]:
        """The record of decisions, newest first."""
        ...

    def decide(self, version: int, decision: str, reason: str, actor: str) -> Decision:
        """Carry out a decision. Raises NotFoundError, ConflictError, TransientError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a model version says of one image: probability and the threshold from which it counts, 0 to 1."""

    probability: float
    threshold: float
    model_version: int


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model version said of a study: the mean over the judged ones of its usable images."""

    study_key: str
    model_version: int
    finding: Finding
    probability: float
    threshold: float
    images_judged: int
    images_usable: int
    predicted_at: str


class ModelEndpoint(Protocol):
    """The model in service."""

    def version(self) -> int | None:
        """The version in service; None where nothing is deployed."""
        ...

    def judge(self, processed_key: str) -> Judgement | None:
        """What it says of one de-identified image; None when it cannot judge it."""
        ...


class PredictionsTable(Protocol):
    """What models said, by study and version."""

    def get(self, study_key: str, model_version: int) -> Prediction | None:
        """What a version said of the study."""
        ...

    def keep(self, prediction: Prediction) -> bool:
        """Keep what a version said; False when it is known already."""
        ...


class Pipeline(Protocol):
    """Runs of the training pipeline."""

    def executions(self, limit: int, cursor: str | None) -> tuple[list[Execution], str | None]:
        """Newest first; and the next cursor."""
        ...

    def execution(self, execution_id: str) -> ExecutionDetail:
        """One run. Raises NotFoundError."""
        ...


class AuditLog(Protocol):
    """The record of who read what (45 CFR 164.312(b))."""

    def record(self, person: str, action: str, keys: list[str], outcome: Outcome = "allowed") -> None:
        """Write a record with the pseudonyms concerned; if that fails, the request must fail too."""
        ...


@dataclass(frozen=True, kw_only=True)
class DownloadPlace:
    """Where an object that exists can be fetched, for so many seconds."""

    url: str
    size_bytes: int
    expires_in_seconds: int


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """An upload in parts of this many bytes."""

    transfer_id: str
    part_bytes: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part that arrived."""

    number: int
    etag: str
    size_bytes: int


class Delivery(Protocol):
    """Presigned downloads, and uploads in parts."""

    def download(self, key: str, file_name: str) -> DownloadPlace | None:
        """A place to fetch a key from, under a neutral file name; None when there is no such object."""
        ...

    def begin(self, upload_id: str, size_bytes: int) -> Transfer:
        """Begin an upload in parts."""
        ...

    def part_url(self, upload_id: str, transfer_id: str, number: int, md5: str) -> str:
        """Where a part goes; only bytes of this digest are taken."""
        ...

    def parts(self, upload_id: str, transfer_id: str) -> list[Part]:
        """The parts that arrived, by number. Raises NotFoundError for an upload that is unknown or over."""
        ...

    def complete(self, upload_id: str, transfer_id: str, parts: list[Part]) -> None:
        """Make the parts one object."""
        ...

    def exists(self, upload_id: str, size_bytes: int) -> bool:
        """Whether the upload is an object of this size already."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything the application talks to."""

    uploads: UploadSigner
    delivery: Delivery
    studies: Studies
    assignments: AssignmentsTable
    names: StudyNames
    labels: LabelsTable
    outbox: Outbox
    rules: Rules
    models: ModelRegistry
    endpoint: ModelEndpoint
    predictions: PredictionsTable
    pipeline: Pipeline
    publisher: Publisher
    audit: AuditLog
    clock: Clock
    datastore_id: str
    client_ids: frozenset[str]
