"""The parsed definition. Steps keep their arguments as written; `resolve` fills them in when a step runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

StepType = Literal["Processing", "Training", "Condition", "RegisterModel", "Lambda", "Fail"]
SUPPORTED_STEPS: tuple[str, ...] = get_args(StepType)
ParameterType = Literal["String", "Integer", "Float", "Boolean"]
PARAMETER_TYPES: tuple[str, ...] = get_args(ParameterType)
RetryException = Literal[
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
]
RETRY_EXCEPTIONS: tuple[str, ...] = get_args(RetryException)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A pipeline parameter; without a default the caller must give it."""

    name: str
    type: str
    default: Any = None
    has_default: bool = False
    allowed: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PropertyFile:
    """A JSON file among a processing step's outputs that conditions may read."""

    name: str
    output: str
    path: str


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently a step is repeated for some kinds of failure; times in seconds."""

    exceptions: tuple[str, ...]
    interval: float = 1.0
    backoff: float = 2.0
    max_attempts: int | None = None
    expire_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Where a nested step stands: under which Condition step and in which of its two branches."""

    condition: str
    outcome: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `cache_seconds` is None when caching is off; `branch` is None at the top level."""

    name: str
    type: str
    arguments: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    property_files: tuple[PropertyFile, ...] = ()
    retries: tuple[RetryPolicy, ...] = ()
    cache_seconds: float | None = None
    function_arn: Any = None
    outputs: tuple[str, ...] = ()
    display_name: str | None = None
    description: str | None = None
    branch: Branch | None = None
    conditions: tuple[dict[str, Any], ...] = ()
    if_steps: tuple[str, ...] = ()
    else_steps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A whole pipeline: steps by name, nested ones included, in the order of the document."""

    parameters: dict[str, Parameter]
    steps: dict[str, Step] = field(default_factory=dict)
    experiment: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps.values())
