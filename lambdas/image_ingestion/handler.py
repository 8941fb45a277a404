"""Entry point of ImageIngestion: one function behind the workflow, its two queues and the import events."""

from __future__ import annotations

from typing import Any

from image_ingestion.imports import Counts
from image_ingestion.models import ImportJobEvent, WorkflowRequest
from image_ingestion.ports import ImportJob
from image_ingestion.wiring import consumer, imports, ingestion
from lambda_shared.errors import InvalidEventError
from lambda_shared.runtime import lambda_handler, parse


@lambda_handler
def handler(event: dict[str, Any], _: Any) -> Any:
    """Dispatch by the shape of the event."""
    if "operation" in event:
        return run_operation(parse(WorkflowRequest, event))
    if "Records" in event:
        return consumer().consume(event["Records"])
    if event.get("source") == "aws.medical-imaging":
        return run_finished(parse(ImportJobEvent, event))
    raise InvalidEventError("UNKNOWN_EVENT", "neither an operation, nor queue records, nor an import event")


def run_operation(request: WorkflowRequest) -> dict[str, Any]:
    """One task of the state machine."""
    service = ingestion()
    if request.operation == "validate":
        return service.validate(request.object)
    if request.operation == "deidentify":
        return service.deidentify(request.object, request.object_id)
    if request.operation == "queue-import":
        return service.queue_import(request.object, request.object_id)
    return service.quarantine(request.object, request.error_name)


def run_finished(event: ImportJobEvent) -> Counts:
    """HealthImaging ended an import job."""
    job = event.detail
    finished = ImportJob(job_id=job.jobId, status=job.jobStatus, input_uri=job.inputS3Uri, output_uri=job.outputS3Uri)
    return imports().finished(finished)
