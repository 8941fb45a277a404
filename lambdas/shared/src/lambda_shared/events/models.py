"""Pydantic models of the events on the bus ``platform``. They hold pseudonyms and numbers, never identifiers.

The ``*.schema.json`` files beside this module are generated from here (``python -m lambda_shared.events.schemas``);
a change that breaks a consumer needs a new ``schema_version``.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1"
Pseudonym = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Finding = Literal["pneumonia", "normal"]


class EventData(BaseModel):
    """Base of every event's data: frozen, and nothing beyond the agreed fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ImageVerified(EventData):
    """A radiologist wrote a new version of a study's label."""

    study_key: Pseudonym
    label_version: int = Field(ge=1)
    finding: Finding
    image_count: int = Field(ge=0)


class ModelEvaluationPassed(EventData):
    """The independent evaluation agrees with the pipeline's and the accuracy is high enough."""

    model_package_arn: str
    model_version: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    threshold: float = Field(ge=0, le=1)
    execution_arn: str


class MetricViolation(EventData):
    """A number left its limits; a human must look."""

    subject: str
    metric: str
    value: float
    threshold: float
    detail: str


class TrialDecided(EventData):
    """A trial of two versions on the endpoint has ended: what the sequential test says of the challenger."""

    outcome: Literal["better", "worse", "undecided"]
    champion_version: int = Field(ge=1)
    challenger_version: int = Field(ge=1)
    studies: int = Field(ge=1)
    champion_agreement: float = Field(ge=0, le=1)
    challenger_agreement: float = Field(ge=0, le=1)
    evidence: float = Field(ge=0)


class ModelDeployed(EventData):
    """An endpoint serves (or is being moved to) a model version."""

    model_package_arn: str
    model_version: int = Field(ge=1)
    endpoint_name: str


DETAIL_TYPES: dict[str, type[EventData]] = {
    "ImageVerified": ImageVerified,
    "ModelEvaluationPassed": ModelEvaluationPassed,
    "MetricViolation": MetricViolation,
    "ModelDeployed": ModelDeployed,
    "TrialDecided": TrialDecided,
}
DataType = TypeVar("DataType", bound=EventData)


class Envelope(BaseModel, Generic[DataType]):
    """The Detail of every event: version, identity and time around the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1"] = SCHEMA_VERSION
    event_id: str = Field(min_length=1)
    occurred_at: str = Field(description="ISO 8601, UTC")
    data: DataType
