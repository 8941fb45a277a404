"""Health, uploads, models and training runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import models
from api.access import Outside
from api.identity import Administrator, Reader
from api.ports import Ports
from lambda_shared.clock import new_id
from lambda_shared.errors import NotFoundError

router = APIRouter()
ExecutionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="Last part of the execution's ARN")]


@router.get("/health", operation_id="getHealth", tags=["operations"])
def health() -> models.Health:
    """The API is up."""
    return models.Health()


@router.post("/uploads", operation_id="createUploads", tags=["uploads"])
def create_uploads(ports: Outside, _: Reader, body: models.UploadRequest) -> models.UploadPlaces:
    """Presigned places for DICOM objects, under opaque names: no file name of the sender is ever kept."""
    return models.UploadPlaces(uploads=[ports.uploads.place(new_id()) for _number in range(body.count)])


@router.get("/models", operation_id="listModels", tags=["models"])
def list_models(ports: Outside, _: Reader) -> models.Models:
    """All model versions, newest first."""
    return models.Models(models=ports.models.models())


@router.get("/models/{version}/metrics", operation_id="getModelMetrics", tags=["models"])
def model_metrics(ports: Outside, _: Reader, version: models.Version) -> models.Evaluations:
    """The independent evaluations of a version."""
    found = ports.models.evaluations(version)
    if not found:
        raise NotFoundError("NO_EVALUATION", "the version was not evaluated")
    return models.Evaluations(version=version, evaluations=found)


@router.post("/models/{version}/approval", operation_id="decideModel", tags=["models"])
def decide_model(
    ports: Outside, person: Administrator, version: models.Version, body: models.ApprovalRequest
) -> models.Decision:
    """Approve or reject a version (administrators only)."""
    return ports.models.decide(version, body.decision, body.reason, person.subject)


@router.post("/models/{version}/rollback", operation_id="rollBackModel", tags=["models"])
def roll_back_model(
    ports: Outside, person: Administrator, version: models.Version, body: models.RollbackRequest
) -> models.Decision:
    """Serve an approved version again and withdraw all that came after it (administrators only)."""
    return ports.models.decide(version, "rollback", body.reason, person.subject)


@router.get("/models/{version}/comparison/{other}", operation_id="compareModels", tags=["models"])
def compare_models(ports: Outside, _: Reader, version: models.Version, other: models.Version) -> models.Comparison:
    """The newest independent evaluations of two versions side by side."""
    first, second = _newest(ports, version), _newest(ports, other)
    return models.Comparison(
        first=version,
        second=other,
        figures={
            name: models.FigureComparison(
                first=value,
                second=second.figures[name],
                difference=round(second.figures[name] - value, 6),
            )
            for name, value in first.figures.items()
            if name in second.figures
        },
        same_snapshot=bool(first.snapshot_id) and first.snapshot_id == second.snapshot_id,
    )


@router.get("/models/decisions", operation_id="listModelDecisions", tags=["models"])
def model_decisions(
    ports: Outside, _: Administrator, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> models.DecisionRecords:
    """Who decided what about which version, newest first (administrators only)."""
    return models.DecisionRecords(decisions=ports.models.history(limit))


def _newest(ports: Ports, version: int) -> models.Evaluation:
    found = ports.models.evaluations(version)
    if not found:
        raise NotFoundError("NO_EVALUATION", "the version was not evaluated")
    return found[-1]


@router.get("/pipeline/executions", operation_id="listExecutions", tags=["pipeline"])
def list_executions(
    ports: Outside,
    _: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=8192)] = None,
) -> models.Executions:
    """Training runs, newest first."""
    executions, following = ports.pipeline.executions(limit, cursor)
    return models.Executions(executions=executions, cursor=following)


@router.get("/pipeline/executions/{id}", operation_id="getExecution", tags=["pipeline"])
def get_execution(
    ports: Outside,
    _: Reader,
    id: ExecutionId,  # noqa: A002 - the path's own name
) -> models.ExecutionDetail:
    """One training run with its steps."""
    return ports.pipeline.execution(id)
