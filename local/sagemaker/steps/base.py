"""What a step runner gets and gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.definition.model import Step
from local.sagemaker.definition.resolve import Resolver
from local.sagemaker.ports import Credentials
from local.sagemaker.state import Record


class StepFailedError(Exception):
    """The step failed. `retry` is the exception type that a RetryPolicy may name, None when repeating cannot help."""

    def __init__(self, reason: str, retry: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.metadata = metadata or {}


class StepStoppedError(Exception):
    """The step ended because the execution was stopped."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """Metadata as ListPipelineExecutionSteps answers it, and the properties that other steps may Get."""

    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One attempt of one step. `caller` are the keys of the pipeline's role; `announce` stores metadata early."""

    context: Context
    execution: Record
    step: Step
    arguments: Any
    resolve: Resolver
    caller: Credentials
    stop: threading.Event
    slots: threading.Semaphore
    announce: Callable[[dict[str, Any]], None]

    @property
    def execution_id(self) -> str:
        """Last part of the execution's ARN."""
        return self.execution["PipelineExecutionArn"].rsplit("/", 1)[-1]

    def authorize(self, action: str, resource: str, **context: Any) -> None:
        """Check a right of the pipeline's role. Raises AccessDeniedError."""
        self.context.cloud.authorize(self.caller, action, resource, context)

    def pass_role(self, role_arn: str) -> None:
        """The pipeline's role must be allowed to hand this role to SageMaker. Raises AccessDeniedError."""
        self.authorize("iam:PassRole", role_arn, **{"iam:PassedToService": "sagemaker.amazonaws.com"})
