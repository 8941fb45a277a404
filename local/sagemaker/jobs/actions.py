"""Describe and List of processing and training jobs. Jobs are made by pipelines only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationError
from local.sagemaker.jobs import processing, training
from local.sagemaker.listing import page, pick, select
from local.sagemaker.state import Record


def describe_processing(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeProcessingJob."""
    return _require(context, processing.KIND, request["ProcessingJobName"])


def describe_training(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeTrainingJob."""
    record = _require(context, training.KIND, request["TrainingJobName"])
    return {"ModelArtifacts": {"S3ModelArtifacts": ""}, "StoppingCondition": {}, **record}


def list_processing(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListProcessingJobs."""
    members = ("ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime", "LastModifiedTime")
    return _list(context, processing.KIND, request, (*members, "ProcessingJobStatus", "FailureReason", "ExitMessage"))


def list_training(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListTrainingJobs."""
    members = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime")
    return _list(context, training.KIND, request, (*members, "TrainingJobStatus", "SecondaryStatus"))


def _list(context: Context, kind: str, request: Mapping[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    records = context.store.all(kind)
    if status := request.get("StatusEquals"):
        records = [record for record in records if record[f"{kind}Status"] == status]
    rows = [pick(record, *members) for record in select(records, request, name=f"{kind}Name")]
    return page(rows, request, f"{kind}Summaries")


def _require(context: Context, kind: str, name: str) -> Record:
    record = context.store.get(kind, name)
    if record is None:
        raise ValidationError("Requested resource not found.")
    return record
