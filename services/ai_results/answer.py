"""What the endpoint answered and where the model comes from, checked before it becomes part of a patient's record."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """One image's answer (training/inference.py); members that a report does not say are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    probability: float = Field(ge=0, le=1, allow_inf_nan=False)
    finding: Literal["pneumonia", "normal"]
    threshold: float = Field(ge=0, le=1, allow_inf_nan=False)
    model_version: str = Field(pattern=r"^\d{1,9}$")


class Provenance(BaseModel):
    """Which model this was: its version, the labels that it learned from, and the code that trained it."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_package_arn: str = Field(pattern=r"^arn:[a-z-]+:sagemaker:[\w:/.-]+$", max_length=512)
    model_version: str = Field(pattern=r"^\d{1,9}$")
    snapshot_id: str = Field(min_length=1, max_length=64)
    code_commit: str = Field(min_length=1, max_length=64)


def derived_uid(*parts: str) -> str:
    """A UID from its meaning (PS3.5 B.2): the same answer of the same model is the same object, however often made."""
    return f"2.25.{int.from_bytes(hashlib.sha256('/'.join(parts).encode()).digest()[:16], 'big')}"
