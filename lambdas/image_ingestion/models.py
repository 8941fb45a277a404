"""The events that ImageIngestion receives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

BucketName = Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]+$")]


class ObjectReference(BaseModel):
    """One uploaded object; without an ETag the current version is meant (a person started the machine by hand)."""

    model_config = ConfigDict(frozen=True)

    bucket: BucketName
    key: str = Field(min_length=1, max_length=1024)
    etag: str = ""
    size: int = Field(default=0, ge=0)


class WorkflowRequest(BaseModel):
    """What each task of the state machine sends."""

    operation: Literal["validate", "deidentify", "queue-import", "quarantine"]
    object: ObjectReference
    object_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    error: str | dict[str, object] | None = None

    @property
    def error_name(self) -> str:
        """The error's name, also out of Step Functions' whole error object; its Cause is free text and stays out."""
        if isinstance(self.error, dict):
            return str(self.error.get("Error", ""))
        return self.error or ""


class ImportRequest(BaseModel):
    """A message of the import queue: study_key was queued at enqueued_at (ISO 8601 UTC), on account of object_id."""

    model_config = ConfigDict(frozen=True)

    study_key: str = Field(pattern=r"^[0-9a-f]{32}$")
    enqueued_at: str
    object_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")


class UploadMessage(BaseModel):
    """A message of the upload queue: what EventBridge makes of an Object Created event."""

    objects: list[ObjectReference] = Field(min_length=1)


class ImportJobDetail(BaseModel):
    """Detail of HealthImaging's import job events."""

    model_config = ConfigDict(frozen=True)

    datastoreId: str  # noqa: N815 - AWS's spelling
    jobId: str  # noqa: N815
    jobStatus: str  # noqa: N815
    inputS3Uri: str  # noqa: N815
    outputS3Uri: str  # noqa: N815


class ImportJobEvent(BaseModel):
    """EventBridge envelope of an import job event."""

    source: Literal["aws.medical-imaging"]
    detail: ImportJobDetail
