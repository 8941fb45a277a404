"""The events and commands that ModelRegistry receives."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambda_shared.events.models import Envelope, ModelEvaluationPassed, TrialDecided


class PassedEvent(BaseModel):
    """EventBridge envelope of ModelEvaluationPassed."""

    model_config = ConfigDict(populate_by_name=True)

    detail_type: Literal["ModelEvaluationPassed"] = Field(alias="detail-type")
    detail: Envelope[ModelEvaluationPassed]


class TrialEvent(BaseModel):
    """EventBridge envelope of TrialDecided."""

    model_config = ConfigDict(populate_by_name=True)

    detail_type: Literal["TrialDecided"] = Field(alias="detail-type")
    detail: Envelope[TrialDecided]


class EndpointDetail(BaseModel):
    """Which endpoint changed; what became of it is asked of SageMaker, for events come late and twice."""

    endpoint_name: str = Field(alias="EndpointName")


class EndpointEvent(BaseModel):
    """EventBridge envelope of SageMaker's own endpoint event."""

    detail_type: Literal["SageMaker Endpoint State Change"] = Field(alias="detail-type")
    detail: EndpointDetail


class VersionCommand(BaseModel):
    """A person's or the API's command about one version; actor is a Cognito subject or a role's name."""

    model_config = ConfigDict(extra="forbid")

    operation: Literal["approve", "reject", "rollback", "deploy", "trial", "end-trial"]
    version: int = Field(ge=1)
    reason: str = Field(default="no reason given", max_length=1000)
    actor: str = Field(default="operator", max_length=128)
    dry_run: bool = False
    """Of a trial: only say whether it could begin."""


class RejectedNotice(BaseModel):
    """What the pipeline's NotifyRejected step sends; SageMaker renders the numbers as text."""

    operation: Literal["notify-rejected"]
    accuracy: float
    threshold: float
    execution: str = Field(max_length=512)
    reason: str = Field(default="", max_length=4000)
